"""The command line of blind comparisons by people: `python -m pipeline rating page` and `rating add`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.in_turn import Alone

app = typer.Typer(
    help="Let people say which of two experiments is better, without telling them which is which.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
def page(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT]...", help="Experiments to compare; all that are measured if left out."
        ),
    ] = None,
    way: Annotated[
        str | None,
        typer.Option(help="What is compared, as photo_to_anime; may be left out where there is one."),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE.html", help="Where to; what is which is written to the .json beside it."),
    ] = Path("rating.html"),
) -> None:
    """Write a page to rate on; it needs no network and can be sent to others."""
    from pipeline.report.rating import write_page

    chosen, pairs = write_page(out, way, experiments or [])
    typer.echo(f"{out}: {pairs} pairs of {chosen}; send this file alone")
    typer.echo(
        f"{out.with_suffix('.json')}: which id is which experiment; keep it, "
        f"`python -m pipeline rating add VOTES.csv --names {out.with_suffix('.json')}` needs it"
    )


@app.command(cls=Alone)
def add(
    votes: Annotated[
        Path, typer.Argument(metavar="VOTES.csv", help="What a rater has downloaded from the page.")
    ],
    names: Annotated[
        Path, typer.Option(metavar="FILE.json", help="What was written beside the page.")
    ] = Path("rating.json"),
) -> None:
    """Add a rater's votes to ratings.csv; those that are there already are ignored."""
    from pipeline.errors import UserError
    from pipeline.report.votes import RATINGS, merge, named, read_names, read_ratings

    if not votes.exists():
        raise UserError(f"{votes}: no such file; give the CSV that the rating page offers")
    known = named(read_ratings(votes), read_names(names), votes)
    added = merge(known)
    typer.echo(f"{RATINGS}: {added} votes added, {len(known) - added} were there already")
    if added:
        typer.echo("Type `dvc repro report`, which shows them")
