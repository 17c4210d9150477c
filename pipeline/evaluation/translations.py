"""What a trained method makes of the test faces: every translation that it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import to_images
from pipeline.errors import UserError
from pipeline.experiments import read_experiment
from pipeline.methods.base import Translator, Way

_BATCH = 16


@dataclass(frozen=True)
class Translation:
    """Test faces of the domain `of`, translated to the domain `to`; images are N×S×S×3 uint8 RGB.

    `truth` is what each output should be, where that is known, and `compared` names what is compared with it;
    `partners` are the truth's places in the domain `to`, where it is other faces.
    """

    of: str
    to: str
    faces: np.ndarray
    outputs: np.ndarray
    truth: np.ndarray | None
    compared: np.ndarray | None
    asks_colors: bool
    partners: np.ndarray | None = None

    @property
    def name(self) -> str:
        """The translation as it is called in metrics."""
        return f"{self.of}_to_{self.to}"


def translations(method: Translator, dataset: Dataset) -> Iterator[Translation]:
    """Yield each translation that the method is for, over the test faces.

    Raises `UserError` where a translation has fewer than 2 test faces, or test pairs where it is judged by pairs.
    """
    for way in method.ways():
        of, to = dataset.domains[way.of], dataset.domains[way.to]
        faces, partners = (
            _test_pairs(dataset, way) if way.truth == "pair" else (_test_faces(dataset, way), None)
        )
        outputs = translate_faces(method, of, faces, way.to)
        truth, compared = None, None
        if way.truth == "way_back":
            truth, compared = of.images[faces], _there_and_back(method, of, faces, way)
        elif way.truth == "itself":
            truth, compared = of.images[faces], outputs
        elif way.truth == "pair":
            truth, compared = to.images[partners], outputs
        truth = None if truth is None else np.array(truth)
        yield Translation(way.of, way.to, faces, outputs, truth, compared, way.asks_colors, partners)


def usable_faces(dataset: Dataset, domain: str, split: str) -> np.ndarray:
    """Return where the faces of a split lie, without those whose landmarks the experiment needs and nobody knows."""
    arrays = dataset.domains[domain]
    faces = arrays.indices(split)
    return faces[arrays.has_points()[faces]] if _needs_landmarks(dataset) else faces


def translate_faces(method: Translator, domain: DomainArrays, faces: np.ndarray, to: str) -> np.ndarray:
    """Return faces of a domain as N×S×S×3 uint8 images of the domain `to`."""
    return _run(method, domain, faces, lambda inputs: method.translate(inputs, to))


def _there_and_back(method: Translator, domain: DomainArrays, faces: np.ndarray, way: Way) -> np.ndarray:
    return _run(method, domain, faces, lambda inputs: method.translate_back(inputs, way.to, way.of))


def _run(
    method: Translator, domain: DomainArrays, faces: np.ndarray, make: Callable[[Tensor], Tensor]
) -> np.ndarray:
    device, starts = method.device(), range(0, len(faces), _BATCH)
    batches = (method.inputs(domain, faces[start : start + _BATCH]) for start in starts)
    with torch.inference_mode():
        return np.concatenate([to_images(make(inputs.to(device))) for inputs in batches])


def _needs_landmarks(dataset: Dataset) -> bool:
    return read_experiment(dataset.experiment).needs_landmarks


def _test_faces(dataset: Dataset, way: Way) -> np.ndarray:
    faces = usable_faces(dataset, way.of, "test")
    if len(faces) < 2:
        with_landmarks = " with landmarks" if _needs_landmarks(dataset) else ""
        raise UserError(
            f"{way.of}: {len(faces)} test faces{with_landmarks}; raise catalogue.split.test or add images"
        )
    return faces


def _test_pairs(dataset: Dataset, way: Way) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the test pairs' faces in the way's two domains."""
    table = dataset.pairs
    if table is None:
        raise UserError("pairing: the dataset has no pairs; set pairing to pair_id or nearest_landmarks")
    of, to = ("source", "target") if way.of == dataset.experiment["domains"][0] else ("target", "source")
    faces, partners = (table[role].to_numpy() for role in (of, to))
    chosen = np.isin(faces, usable_faces(dataset, way.of, "test"))
    chosen &= table["split"].to_numpy(zero_copy_only=False) == "test"
    if chosen.sum() < 2:
        raise UserError(
            f"{way.of} to {way.to}: {chosen.sum()} test pairs; raise catalogue.split.test or add paired images"
        )
    return faces[chosen], partners[chosen]
