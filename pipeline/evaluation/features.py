"""Features of images, from every network there is, each computed once: kept by the image's bytes and the weights.

`.cache/features/<key>/` holds one file for every chunk of images that was computed, and the statistics of whole sets.
Deleting any of it costs time alone.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline import parts, weights
from pipeline.faces import embedding
from pipeline.metrics import fid
from pipeline.metrics.pairs import check_images
from pipeline.networks import backbones, features, fid_inception, resizing
from pipeline.networks.features import Features
from pipeline.training.reproducible import reproducible

CACHE = Path(".cache/features")
# Images that are lost if the process is killed: Inception needs about half a minute for them.
_CHUNK = 256
_DIGEST_BYTES = 32
# What makes the numbers: after a change of it none of them counts any more.
_CODE = (backbones, embedding, features, fid_inception, resizing)
# A file's name begins with what it holds.
_CHUNKS, _STATISTICS = "images", "statistics"
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def dlib_resnet128() -> Features:
    """Return dlib's embedding of faces; it ships in a package, so it is never missing."""
    return Features(embedding.NAME, weights.sha256(embedding.WEIGHTS), "dlib", _embedded)


def features_of(
    source: Features, images: np.ndarray, cache_root: Path = CACHE, places: np.ndarray | None = None
) -> np.ndarray:
    """Return the N×D float32 features of N×H×W×3 uint8 images, or of those at `places`; N >= 1.

    The images may lie on the disk: no more than a chunk of them is in memory at a time.
    Only images that nobody has met before are computed, each once however often it occurs, and kept in chunks: what
    was finished before a kill is not computed again.
    """
    check_images(images)
    chosen = np.arange(len(images)) if places is None else places
    folder, wanted = _folder(source, cache_root), [_digest(images[place]) for place in chosen]
    known = _known(folder, set(wanted))
    unknown = [place for digest, place in _first_places(wanted).items() if digest not in known]
    for start in range(0, len(unknown), _CHUNK):
        chunk = unknown[start : start + _CHUNK]
        with reproducible(torch.device("cpu")):
            values = source.extract(images[chosen[chunk]])
        digests = [wanted[place] for place in chunk]
        _write(_file(folder, _CHUNKS, digests), digests=_as_array(digests), features=values)
        known |= dict(zip(digests, values, strict=True))
    return np.stack([known[digest] for digest in wanted])


def statistics_of(source: Features, images: np.ndarray, cache_root: Path = CACHE) -> fid.Statistics:
    """Return what FID knows of a set of images, computed once for each set; raises as `fid.statistics` does."""
    check_images(images)
    path = _file(_folder(source, cache_root), _STATISTICS, [_digest(image) for image in images])
    if (kept := _read(path, "mean", "root")) is not None:
        return fid.Statistics(*kept)
    found = fid.statistics(features_of(source, images, cache_root))
    _write(path, mean=found.mean, root=found.root)
    return found


def _embedded(images: np.ndarray) -> np.ndarray:
    return embedding.embed(np.asarray(images)).astype(np.float32)


def _folder(source: Features, cache_root: Path) -> Path:
    """Return where a network's features are kept: one place for each name, weights, resizing and state of the code."""
    code = [parts.content_hash(Path(str(module.__file__))) for module in _CODE]
    key = "\n".join([source.weights, source.resizing, *code])
    return cache_root / source.name / hashlib.sha256(key.encode()).hexdigest()


def _file(folder: Path, what: str, digests: Sequence[bytes]) -> Path:
    return folder / f"{what}-{hashlib.sha256(b''.join(digests)).hexdigest()}.npz"


def _digest(image: np.ndarray) -> bytes:
    """Return the SHA-256 of an image's size and bytes."""
    shape = "x".join(str(side) for side in image.shape)
    return hashlib.sha256(shape.encode() + np.ascontiguousarray(image).tobytes()).digest()


def _first_places(digests: Sequence[bytes]) -> dict[bytes, int]:
    places: dict[bytes, int] = {}
    for place, digest in enumerate(digests):
        places.setdefault(digest, place)
    return places


def _known(folder: Path, wanted: set[bytes]) -> dict[bytes, np.ndarray]:
    """Return the features of those wanted images that have been computed."""
    known = {}
    for path in sorted(folder.glob(f"{_CHUNKS}-*.npz")):
        kept = _read(path, "digests", "features")
        for digest, values in zip(*kept, strict=True) if kept else ():
            if digest.tobytes() in wanted:
                known[digest.tobytes()] = values.copy()  # without holding on to the whole chunk
    return known


def _as_array(digests: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), _DIGEST_BYTES)


def _write(path: Path, **arrays: np.ndarray) -> None:
    with parts.atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _read(path: Path, *names: str) -> list[np.ndarray] | None:
    """Return arrays of a file; None where it is missing or damaged, for then they are computed anew."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except _DAMAGED:
        return None
