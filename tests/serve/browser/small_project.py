"""A project with a few rendered pictures that went through the stages, and tiny models that were trained on nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.workspace import Workspace
from tests.serve.small_zoo import write_model

SOURCES: dict[str, dict[str, Any]] = {
    "portraits": {"kind": "demo", "style": "portrait", "count": 24, "seed": 0, "domain": "photo"},
}
STAGES = ("crawl", "detect", "landmarks", "align", "colors")
# Experiments that translate photographs, by name; each has a control or a map that others lack.
FROM_PHOTO: dict[str, tuple[str, dict[str, Any]]] = {
    "both-ways": ("cyclegan", {}),
    "from-landmarks": ("pix2pix", {"conditions": ["landmarks", "colors", "noise"], "color_jitter": 0.05}),
    "attending": ("ugatit", {}),
    "weighing": ("getgan", {}),
    "with-style": ("starganv2", {}),
    "with-labels": ("stargan", {}),
}
OF_ULTRASOUND = "of-ultrasound"


def write_project(folder: Path) -> Workspace:
    """Write it into a new folder, with a model of pictures that are the face, too."""
    workspace = Workspace(folder, SOURCES)
    settings = workspace.params()
    split = settings["catalogue"] | {"split": {"val": 0.05, "test": 0.4, "by": ["subject", "page_url"]}}
    workspace.set(catalogue=split)
    for source in SOURCES:
        for stage in STAGES:
            workspace.run("pipeline", stage, source)
    workspace.run("pipeline", "catalogue")
    for name, (method, options) in FROM_PHOTO.items():
        write_model(folder / "models", name, method, **options)
    write_model(folder / "models", OF_ULTRASOUND, "cut", domains=["ultrasound", "photo"])
    return workspace
