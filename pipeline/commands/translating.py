"""The command line of translating pictures that are in no dataset: `python -m pipeline translate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Accelerator(StrEnum):
    """Where networks run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def translate(
    experiment: Annotated[str, typer.Argument(help="An experiment whose model is trained.")],
    given: Annotated[Path, typer.Argument(metavar="IN", help="A folder of pictures, a zip, or one picture.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A new folder, or the one of a run to go on with.")
    ],
    of: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DOMAIN",
            help="What the pictures show; the experiment's first domain if left out.",
        ),
    ] = None,
    paste: Annotated[
        bool, typer.Option("--paste", help="Write each photograph with its faces translated, too.")
    ] = False,
    visible_mark: Annotated[
        bool, typer.Option("--visible-mark", help='Write the word "generated" on every picture.')
    ] = False,
    accelerator: Annotated[Accelerator, typer.Option(help="Where networks run.")] = Accelerator.AUTO,
) -> None:
    """Translate the faces of a folder or zip of pictures; go on where an earlier run was ended.

    OUT gets faces/, a PNG for each face under its picture's path, and translated.csv, a row for each face and for
    each picture without one, with the reason and what to change. The results are no medical predictions.
    """
    import torch

    from pipeline.params import load_params
    from pipeline.serve.batch import TABLE, Wanted, translate_pictures
    from pipeline.takedowns import load_takedowns

    device = device_name(accelerator, torch.cuda.is_available())
    wanted = Wanted(experiment, of, paste, visible_mark)
    counts = translate_pictures(
        wanted, given, out, load_params(), load_takedowns(), Path("models"), torch.device(device)
    )
    typer.echo(f"{out / TABLE}: {counts.pictures} pictures, {counts.translated} faces translated")
    for reason, count in counts.rejected.items():
        typer.echo(f"  {count} rejected: {reason}")


def device_name(accelerator: Accelerator, has_cuda: bool) -> str:
    """Return torch's name of the device to run on; `UserError` where a GPU is asked for and there is none."""
    from pipeline.errors import UserError

    if accelerator is Accelerator.CUDA and not has_cuda:
        raise UserError("--accelerator cuda: there is no GPU here that PyTorch can use; take cpu or auto")
    return "cuda" if has_cuda and accelerator is not Accelerator.CPU else "cpu"
