"""An ONNX file of a translation, and how far it is from the original on real faces."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.exporting.one_pass import OnePass
from pipeline.methods.base import Translator

# Understood by every runtime of the last years.
OPSET = 18
INPUTS, IMAGES = "inputs", "images"
# Between a value in [-1, 1] as PyTorch and as ONNX Runtime computes it.
TOLERANCE = 1e-3
_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_INSTALL = ".uv/bin/uv pip install --python .venv --constraint constraints.txt --editable '.[export]'"
# A protobuf message holds no more; the graph beside the weights is small.
_MOST_BYTES = 2**31 - 2**24


@dataclass(frozen=True)
class Difference:
    """How far the file's images are from the original's, in [-1, 1], over so many faces: on average, and at most."""

    faces: int
    mean: float
    largest: float


def require_packages() -> None:
    """Raise `UserError` where a package that exporting needs is not installed."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(f"export: {', '.join(missing)} not installed; run {_INSTALL}")


def write_onnx(path: Path, translation: OnePass, inputs: Tensor, facts: Mapping[str, str]) -> None:
    """Write a translation, traced with the first of the `inputs`, for any number of faces; `facts` are said in it.

    The same weights give the same bytes, and nothing of this machine is in them. Raises `UserError` where the
    translation cannot be written for any number of faces, or is too large.
    """
    size = sum(weights.nbytes for weights in translation.state_dict().values())
    if size > _MOST_BYTES:
        raise UserError(
            f"export: the networks have {size / 2**30:.1f} GiB of weights, and an ONNX file holds 2; lower width"
        )
    import onnx

    model = _described(_traced(translation, inputs), facts)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _traced(translation: OnePass, inputs: Tensor) -> Any:
    # One face alone would be taken for a number that never changes.
    example, batch = torch.cat([inputs[:1], inputs[:1]]), torch.export.Dim("batch")
    with torch.no_grad(), _quiet():
        try:
            program = torch.export.export(translation, (example,), dynamic_shapes=({0: batch},))
        except torch._dynamo.exc.UserError as error:
            said = str(error).splitlines()[0]
            raise UserError(
                f"export: the translation cannot be written for any number of faces: {said}"
            ) from None
        written = torch.onnx.export(
            program,
            dynamo=True,
            input_names=[INPUTS],
            output_names=[IMAGES],
            opset_version=OPSET,
            verbose=False,
        )
    return cast(Any, written).model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the exporter says of its own progress and future."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _described(model: Any, facts: Mapping[str, str]) -> Any:
    """Take out of a model where it was traced, which names this machine's files, and say what it is instead."""
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")
    graph.ClearField("value_info")
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for name, text in facts.items():
        model.metadata_props.add(key=name, value=text)
    return model


def compare(path: Path, method: Translator, inputs: Tensor, to: str) -> Difference:
    """Return how far a file is from what the method makes of these faces; one goes alone, the others together.

    Raises `UserError` where a value differs by more than `TOLERANCE`.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    made = [
        session.run([IMAGES], {INPUTS: part.numpy()})[0] for part in (inputs[:1], inputs[1:]) if len(part)
    ]
    distance = np.abs(np.concatenate(made).astype(np.float64) - method.translate(inputs, to).numpy())
    found = Difference(len(inputs), float(distance.mean()), float(distance.max()))
    if not found.largest <= TOLERANCE:
        raise UserError(
            f"export: images to {to} differ by up to {found.largest:.2g} from PyTorch's, more than {TOLERANCE:g}; "
            "nothing was written"
        )
    return found
