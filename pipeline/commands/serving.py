"""The command line of the preview application: `python -m pipeline serve`."""

from __future__ import annotations

import importlib.util
import os
from typing import Annotated

import typer

from pipeline.commands.translating import Accelerator, device_name
from pipeline.errors import UserError

_MB = 2**20  # as Gradio counts where it refuses a file
_GB = 2**30
_WAITING = 64


def serve(
    host: Annotated[
        str, typer.Option(help="The address to answer at; another than this machine's own is a warning.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 7860,
    memory_gb: Annotated[
        float,
        typer.Option(
            min=0.001, help="The most that the models in memory may take; those that rest the longest go."
        ),
    ] = 8,
    max_upload_mb: Annotated[
        float, typer.Option(min=0.001, help="The largest file that may be given.")
    ] = 100,
    accelerator: Annotated[Accelerator, typer.Option(help="Where networks run.")] = Accelerator.AUTO,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = False,
) -> None:
    """Serve the preview application: put in a face, see every trained model's answer.

    Nothing that is uploaded is kept. Ctrl+C ends it.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UserError("the preview application needs Gradio: pip install '.[serve]'")
    import torch

    from pipeline.params import load_params
    from pipeline.serve.scratch import scratch_folder
    from pipeline.serve.studio import Limits, open_studio

    device = torch.device(device_name(accelerator, torch.cuda.is_available()))
    limits = Limits(
        upload_bytes=round(max_upload_mb * _MB),
        models_bytes=round(memory_gb * _GB),
        waiting=_WAITING,
    )
    studio = open_studio(load_params(), device, limits)
    with scratch_folder() as folder:
        # Gradio reads both when it is first imported.
        os.environ |= {"GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False"}
        from pipeline.serve.app import serve_until_ended
        from pipeline.training.reproducible import reproducible

        with reproducible(device):
            serve_until_ended(studio, host, port, open_browser, typer.echo)
