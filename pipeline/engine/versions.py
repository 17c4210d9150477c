"""What a result depends on beside its input: this package's code, the packages that compute, the weight files.

Two machines that differ in one of them could give different results for the same image.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pipeline
from pipeline import weights

COMPUTING = (
    "ai-edge-litert",
    "animeface",
    "dlib-bin",
    "face-alignment",
    "imagehash",
    "numpy",
    "onnxruntime",
    "opencv-python",
    "pillow",
    "pyarrow",
    "scikit-image",
    "scipy",
    "torch",
)


def versions(weight_names: Iterable[str]) -> dict[str, str]:
    """Return versions and hashes by what they are of.

    Raises `UserError` for weights that are not here.
    """
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        **_packages(),
        "the code of pipeline": _code(),
        **{f"the weights {name}": weights.sha256(name)[:16] for name in sorted(weight_names)},
    }


def differences(here: dict[str, str], there: dict[str, str]) -> str:
    """Say what differs between two machines, nothing where all is the same."""
    names = [name for name in (here | there) if here.get(name) != there.get(name)]
    return "; ".join(f"{name}: {there.get(name)} there, {here.get(name)} here" for name in names)


@cache
def _packages() -> dict[str, str]:
    return {name: _installed(name) for name in COMPUTING}


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


@cache
def _code() -> str:
    """Return the hash of the code, as it was when this process first asked; it may have changed since."""
    folder = Path(str(pipeline.__file__)).parent
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]
