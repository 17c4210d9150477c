"""One file of an export, and what is said in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.exporting.channels import Channels
from pipeline.exporting.onnx_file import Difference
from pipeline.methods.base import Way

NOTICE = (
    "Images made by this model are generated: they are neither photographs nor medical predictions, "
    "and say nothing about how a person looks, will look or looked."
)


@dataclass(frozen=True)
class Exported:
    """One file of the export: the translation that it holds, what its input is, and how far it is from PyTorch's."""

    file: Path
    way: Way
    channels: Sequence[Channels]
    shape: Sequence[int]
    difference: Difference

    @property
    def name(self) -> str:
        """The translation as metrics and report call it."""
        return name_of(self.way)


def name_of(way: Way) -> str:
    """Return what a way is called in metrics."""
    return f"{way.of}_to_{way.to}"
