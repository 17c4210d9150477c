"""The command line of weight files: `python -m pipeline weights` lists them, `weights fetch` downloads one."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.errors import UserError

app = typer.Typer(
    help="List every weight file, and fetch those that ship in no package.", add_completion=False
)


@app.callback(invoke_without_command=True)
def list_weights(context: typer.Context) -> None:
    """List every weight file with its licence, its place and its hash; or fetch one."""
    if context.invoked_subcommand is not None:
        return
    from pipeline import weights

    for file in weights.TABLE.values():
        typer.echo(f"{file.name}: {file.purpose}")
        typer.echo(f"  licence  {file.licence}\n  origin   {file.origin}")
        if isinstance(file, weights.Fetched):
            typer.echo(f"  address  {file.url}\n  hash     {file.describe_hash()}")
        try:
            typer.echo(f"  file     {file.path()}\n  sha256   {weights.sha256(file.name)}")
        except UserError as problem:
            typer.echo(f"  missing  {problem}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Weights that `python -m pipeline weights` lists as missing.")],
) -> None:
    """Download a weight file from its publisher, and verify it."""
    from pipeline import weights
    from pipeline.weights.fetching import fetch as fetch_weights

    place = fetch_weights(name)
    typer.echo(f"{name}: {place}\n  sha256   {weights.sha256(name)}")
    typer.echo(f"  licence  {weights.TABLE[name].licence}")
