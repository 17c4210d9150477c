"""The command line: one command per stage of dvc.yaml, and the tools around them.

Every import of a stage stands inside its command, so that `--help` is instant.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipeline.commands import dataset as dataset_commands
from pipeline.commands import quarantine as quarantine_commands
from pipeline.commands import rating as rating_commands
from pipeline.commands import source as source_commands
from pipeline.commands import watch as watch_commands
from pipeline.commands import weights as weights_commands
from pipeline.commands.claims import claims
from pipeline.commands.exporting import export
from pipeline.commands.in_turn import Stage
from pipeline.commands.parts import cache_app, parts_app
from pipeline.commands.serving import serve
from pipeline.commands.takedown import takedown
from pipeline.commands.translating import translate
from pipeline.errors import UserError

app = typer.Typer(
    help="Likeness: from a web page to aligned, coloured faces. `dvc repro` runs the stages in order.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Source = Annotated[str, typer.Argument(help="A source of params.yaml.")]
Experiment = Annotated[str, typer.Argument(help="An experiment of params.yaml.")]
STAGES = "Stages (run by dvc repro)"
TOOLS = "Tools"


@app.command(cls=Stage, rich_help_panel=STAGES)
def crawl(source: Source) -> None:
    """Fetch what is new at a source into new parts."""
    from pipeline.stages import crawl as stage

    stage.run(source)


@app.command(cls=Stage, rich_help_panel=STAGES)
def detect(source: Source) -> None:
    """Find the faces of every image."""
    from pipeline.stages import detect as stage

    stage.run(source)


@app.command(cls=Stage, rich_help_panel=STAGES)
def landmarks(source: Source) -> None:
    """Find the eyes, the 68 landmarks and the pose of every face."""
    from pipeline.stages import landmarks as stage

    stage.run(source)


@app.command(cls=Stage, rich_help_panel=STAGES)
def align(source: Source) -> None:
    """Cut every face out with its eyes at fixed places."""
    from pipeline.stages import align as stage

    stage.run(source)


@app.command(cls=Stage, rich_help_panel=STAGES)
def colors(source: Source) -> None:
    """Estimate the colours of skin, hair and eyes."""
    from pipeline.stages import colors as stage

    stage.run(source)


@app.command(cls=Stage, rich_help_panel=STAGES)
def catalogue() -> None:
    """Gather all faces in one table, and count what became of every image."""
    from pipeline.stages import catalogue as stage

    stage.run()


@app.command(cls=Stage, rich_help_panel=STAGES)
def train(
    what: Annotated[
        str,
        typer.Argument(metavar="NAME|FOLDER", help="An experiment of params.yaml, or a dataset's folder."),
    ],
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="How many GPUs, or processes on the CPU.")] = 1,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Stop after so many steps in all.")] = None,
) -> None:
    """Train an experiment, from where it was if it was interrupted."""
    from pipeline.commands.scoring import score_on_validation
    from pipeline.stages import train as stage

    stage.run(what, accelerator, devices, max_steps, score_on_validation)


@app.command(cls=Stage, rich_help_panel=STAGES)
def evaluate(experiment: Experiment) -> None:
    """Translate held-out faces and measure the result."""
    from pipeline.stages import evaluate as stage

    stage.run(experiment)


@app.command(cls=Stage, rich_help_panel=STAGES)
def report() -> None:
    """Write report/index.html."""
    from pipeline.stages import report as stage

    stage.run()


@app.command(rich_help_panel=TOOLS)
def check() -> None:
    """Check params.yaml: every key, type and range, and the options of every source."""
    from pipeline.params import load_params
    from pipeline.sources import check_all

    params = load_params()
    check_all(params)
    typer.echo(f"params.yaml is valid: {len(params.sources)} sources, {len(params.experiments)} experiments")


@app.command(rich_help_panel=TOOLS)
def explain(
    what: Annotated[str, typer.Argument(metavar="IMAGE_ID|FACE_ID|URL", help="An id may be cut short.")],
) -> None:
    """Print an image's way through every stage, with reasons, and draw it as a picture."""
    from pipeline.report.explain import explain as explain_image

    typer.echo(explain_image(what))


app.add_typer(dataset_commands.app, name="dataset", rich_help_panel=STAGES)
app.command(rich_help_panel=TOOLS)(source_commands.enable)
app.add_typer(source_commands.app, name="source", rich_help_panel=TOOLS)
app.add_typer(parts_app, name="parts", rich_help_panel=TOOLS)
app.add_typer(cache_app, name="cache", rich_help_panel=TOOLS)
app.add_typer(takedown, name="takedown", rich_help_panel=TOOLS)
app.add_typer(watch_commands.app, name="watch", rich_help_panel=TOOLS)
app.add_typer(quarantine_commands.app, name="quarantine", rich_help_panel=TOOLS)
app.command(rich_help_panel=TOOLS)(claims)
app.command(rich_help_panel=TOOLS)(translate)
app.command(rich_help_panel=TOOLS)(export)
app.command(rich_help_panel=TOOLS)(serve)
app.add_typer(rating_commands.app, name="rating", rich_help_panel=TOOLS)
app.add_typer(weights_commands.app, name="weights", rich_help_panel=TOOLS)


def main() -> None:
    """Run the command line; a user's error is one message and exit code 2."""
    try:
        app()
    except UserError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
