"""The command line of whoever watches over the sources: `python -m pipeline watch begin`, `recrawl`, `conclude`, …

Every import of what they use stands inside the command, so that `--help` is instant.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

app = typer.Typer(
    help="Watch over sources: what a recrawl brought, and whether that is as usual.",
    no_args_is_help=True,
    add_completion=False,
)
Source = Annotated[str, typer.Argument(help="A source of params.yaml.")]
Conclusion = Literal["accepted", "approved", "discarded"]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]


@app.command()
def begin(source: Source) -> None:
    """Note where a recrawl starts from, before its crawl."""
    from pipeline.watch import recrawls

    typer.echo(recrawls.begin(source))


@app.command()
def recrawl(source: Source, as_json: AsJson = False) -> None:
    """Say what a recrawl brought, and what of it is not as usual; draw some of the new images."""
    from pipeline.watch import recrawls, wording

    _print(found := recrawls.recrawl(source), "" if as_json else wording.describe(found), as_json)


@app.command()
def conclude(
    source: Source, verdict: Annotated[Conclusion, typer.Argument(help="What was decided about it.")]
) -> None:
    """Add the recrawl that is under way to the source's history."""
    from pipeline.watch import recrawls

    typer.echo(recrawls.conclude(source, verdict))


@app.command()
def growth(as_json: AsJson = False) -> None:
    """Say by how much the data of each experiment have grown since it was trained."""
    from pipeline.watch import growth

    _print(found := growth.growth(), "" if as_json else growth.describe(found), as_json)


@app.command()
def health(as_json: AsJson = False) -> None:
    """Say how fresh each source is, how its rejections compare with its history, and how full the disk is."""
    from pipeline.watch import health

    _print(found := health.health(), "" if as_json else health.describe(found), as_json)


def _print(found: dict[str, Any], described: str, as_json: bool) -> None:
    typer.echo(json.dumps(found) if as_json else described)
