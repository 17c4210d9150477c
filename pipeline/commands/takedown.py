"""The command line of take-downs: `python -m pipeline takedown add` and `verify`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from pipeline.commands.in_turn import Alone
from pipeline.errors import UserError

takedown = typer.Typer(
    help="Take images down for good, and see that they are gone.", no_args_is_help=True, add_completion=False
)


@takedown.command(cls=Alone)
def add(
    reason: Annotated[str, typer.Option(help="Why; it is written down in takedowns.csv.")],
    image: Annotated[str | None, typer.Option(metavar="ID", help="An image's id, or its beginning.")] = None,
    subject: Annotated[str | None, typer.Option(help="A person, as the source names them.")] = None,
    url: Annotated[str | None, typer.Option(metavar="PREFIX", help="What image URLs begin with.")] = None,
    date: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Of today if left out.")] = None,
) -> None:
    """List images in takedowns.csv, remove them from the raw parts, and never fetch them again."""
    from pipeline.takedowns import Takedown
    from pipeline.upkeep.removal import take_down

    given = {what: value for what, value in (("image", image), ("subject", subject), ("url", url)) if value}
    if len(given) != 1:
        raise UserError("give one of --image, --subject and --url")
    ((what, value),) = given.items()
    if what == "image":
        value = value.lower()
    day = (date or datetime.now()).date().isoformat()
    done = take_down(Takedown(what, value, " ".join(reason.split()), day))
    for line in done.listed:
        typer.echo(f"takedowns.csv: {line.what} {line.value} listed")
    if not done.listed:
        typer.echo(f"takedowns.csv: {what} {value} was listed already")
    for part, count in done.rewritten.items():
        typer.echo(f"{part}: {count} {'image' if count == 1 else 'images'} removed")
    typer.echo(f"{len(done.deleted)} cached results and pictures deleted")
    for source in done.recorded.committed:
        typer.echo(f"crawl@{source}: its parts are committed to DVC")
    for source in done.recorded.left:
        typer.echo(f"crawl@{source}: its entry was edited; `dvc repro` crawls it and commits its parts")
    typer.echo(
        "Type `dvc repro`, which removes them from all that follows; then `python -m pipeline takedown verify`"
    )


@takedown.command()
def verify(
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail too if DVC's stores or models still hold something.")
    ] = False,
) -> None:
    """See that what is listed is gone from here; list what DVC's stores and trained models still hold."""
    from pipeline.takedowns import TAKEDOWNS_FILE, Takedowns, load_takedowns
    from pipeline.upkeep.remains import describe_commits, find_remains
    from pipeline.upkeep.traces import Tracer

    listed = load_takedowns()
    if listed == Takedowns():
        typer.echo(f"{TAKEDOWNS_FILE} lists nothing")
        return
    found = find_remains(Tracer(listed))
    for path, images in found.here.items():
        typer.echo(f"still here: {path}: {', '.join(sorted(image_id[:16] for image_id in images))}")
    for path, problem in found.untold.items():
        typer.echo(f"cannot tell: {path}: {problem}")
    if found.gone:
        typer.echo(f"gone: {len(listed.images)} listed images are nowhere in this workspace")
    else:
        typer.echo(
            "Type `dvc repro`; what a removed source or experiment has left behind is to be deleted by hand"
        )
    for stored in found.stored:
        typer.echo(f"{'stored' if stored.looked_at else 'perhaps stored (not looked at)'}: {stored.place}")
    for model in found.trained:
        typer.echo(
            f"trained: {model.experiment}, {describe_commits(model.commits)}: on {model.images} listed images; "
            + ", ".join(f"{path} {md5}" for path, md5 in model.outputs.items())
        )
    for unseen in found.unseen:
        typer.echo(f"cannot tell: {unseen}")
    if found.stored:
        typer.echo(
            "Delete these objects; `dvc gc --workspace` (--cloud: in remotes too) deletes all that is not in use"
        )
    if not (found.gone_everywhere if strict else found.gone):
        raise typer.Exit(1)
