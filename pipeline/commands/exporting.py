"""The command line of exports: `python -m pipeline export EXPERIMENT` writes ONNX files and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    experiment: Annotated[str, typer.Argument(help="A trained experiment that translates.")],
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT]", help="A folder; exports/EXPERIMENT-onnx if left out.")
    ] = None,
) -> None:
    """Write a trained model as ONNX, checked against PyTorch, with a model card."""
    from pipeline.exporting.package import CARD, EXPORTS
    from pipeline.exporting.package import export as export_model

    target = out or EXPORTS / f"{experiment}-onnx"
    for each in export_model(experiment, target):
        found = each.difference
        typer.echo(
            f"{target / each.file.name}: {each.way.of} to {each.way.to}; images of {found.faces} faces differ from "
            f"PyTorch's by {found.mean:.1e} on average and {found.largest:.1e} at most (values in [-1, 1])"
        )
    typer.echo(f"{target / CARD}: what the model is, what it learnt from, and its limits")
