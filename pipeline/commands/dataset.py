"""The command line of datasets: the stage, `python -m pipeline dataset NAME`, and `dataset export NAME`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.commands.in_turn import Stage

# No experiment can have this name.
_STAGE = "_stage"
Experiment = Annotated[str, typer.Argument(help="An experiment of params.yaml.")]


class Layout(StrEnum):
    """How an export is laid out."""

    FOLDER = "folder"
    ZIP_PER_SUBJECT = "zip-per-subject"
    WEBDATASET = "webdataset"


class _StageOrCommand(TyperGroup):
    """A group whose first word may be an experiment's name: the stage is then run on it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the stage's hidden command before a word that is no command."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = [_STAGE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_StageOrCommand,
    help="Gather the faces that an experiment learns from: dataset EXPERIMENT. Or export them.",
    subcommand_metavar="EXPERIMENT | COMMAND [ARGS]...",
    no_args_is_help=True,
    add_completion=False,
)


@app.command(_STAGE, cls=Stage, hidden=True)
def stage(experiment: Experiment) -> None:
    """Gather the faces that an experiment learns from."""
    from pipeline.stages.dataset import run

    run(experiment)


@app.command()
def export(
    experiment: Experiment,
    layout: Annotated[Layout, typer.Option("--format", help="How the faces are laid out.")] = Layout.FOLDER,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to; exports/EXPERIMENT-FORMAT if left out.")
    ] = None,
) -> None:
    """Write a dataset's faces as an image folder, a zip for each subject, or WebDataset shards."""
    from pipeline.datasets.arrays import DATASETS
    from pipeline.datasets.exporting import EXPORTS
    from pipeline.datasets.exporting import export as export_dataset

    target = out or EXPORTS / f"{experiment}-{layout.value}"
    faces = export_dataset(DATASETS / experiment, layout.value, target)
    typer.echo(f"{target}: {faces} faces; attribution.csv says whose images they are and under which licence")
