"""The command line of the claims: `python -m pipeline claims [ID ...]`.

Every import of what it uses stands inside the command, so that `--help` is instant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def claims(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Claims; all by default.")
    ] = None,
    full: Annotated[bool, typer.Option(help="As large as a GPU allows, instead of small.")] = False,
    out: Annotated[Path, typer.Option(help="Where claims.json and claims.md go.")] = Path("report"),
    names: Annotated[bool, typer.Option("--list", help="Only say which claims there are.")] = False,
) -> None:
    """Try the claims of the documents as experiments: what holds, what does not, and what could not be measured."""
    from pipeline.claims import running

    if names:
        for claim in running.chosen(ids or []):
            typer.echo(f"{claim.id:24} {claim.claim}")
        return
    running.run(ids or [], full, out, typer.echo)
