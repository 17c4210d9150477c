"""The command line of the quarantine: `python -m pipeline quarantine hold`, `list`, `approve`, `discard`, `settle`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipeline.commands.in_turn import Alone

app = typer.Typer(
    help="Hold back a recrawl that looks wrong, until somebody has decided about it.",
    no_args_is_help=True,
    add_completion=False,
)
Source = Annotated[str, typer.Argument(help="A source of params.yaml.")]


@app.command(cls=Alone)
def hold(
    source: Source,
    reason: Annotated[str, typer.Option(help="Why; whoever decides reads it.")],
) -> None:
    """Put a source back to where it was before its recrawl, and keep what the recrawl brought."""
    from pipeline.upkeep import quarantine
    from pipeline.watch import recrawls

    found = recrawls.recrawl(source) if quarantine.read(source) is None else None
    held = quarantine.hold(source, reason, found)
    typer.echo(f"{source}: in quarantine since {held.since}: {held.reason}")
    typer.echo(f"Type `python -m pipeline quarantine approve {source}`, or `quarantine discard {source}`")


@app.command("list")
def list_held(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")] = False,
) -> None:
    """List the recrawls that wait for a decision."""
    from pipeline.upkeep import quarantine

    held = quarantine.all_held()
    if as_json:
        fields = ("source", "since", "reason", "step", "found")
        typer.echo(json.dumps([{field: getattr(each, field) for field in fields} for each in held]))
        return
    for each in held:
        cut_short = (
            "" if each.step == "held" else f" ({each.step}: type `python -m pipeline quarantine settle`)"
        )
        typer.echo(f"{each.source}: since {each.since}{cut_short}: {each.reason}")
    if not held:
        typer.echo("nothing is in quarantine")


@app.command(cls=Alone)
def approve(source: Source) -> None:
    """Take in what was held back."""
    _approve(source)
    typer.echo("Type `dvc repro` to bring up to date what depends on it")


@app.command(cls=Alone)
def discard(source: Source) -> None:
    """Drop what was held back; the next recrawl meets it again."""
    _discard(source)


@app.command(cls=Alone)
def settle() -> None:
    """Bring to its end what was cut short: a source half held, half approved or half discarded."""
    from pipeline.upkeep import quarantine

    for held in quarantine.all_held():
        if held.step == "holding":
            quarantine.hold(held.source, held.reason)
            typer.echo(f"{held.source}: in quarantine, as it was before the recrawl")
        elif held.step == "approving":
            _approve(held.source)
        elif held.step == "discarding":
            _discard(held.source)


def _approve(source: str) -> None:
    from pipeline.upkeep import quarantine
    from pipeline.watch import recrawls

    held = quarantine.bring_back(source)
    recrawls.conclude(source, "approved", held.found)
    quarantine.end(source)
    typer.echo(f"{source}: approved; what was held back is here again")


def _discard(source: str) -> None:
    from pipeline.upkeep import quarantine
    from pipeline.watch import recrawls

    held = quarantine.drop(source)
    recrawls.conclude(source, "discarded", held.found)
    quarantine.end(source)
    typer.echo(f"{source}: discarded; it is as it was before the recrawl")
