"""What a trained method makes of the test faces: every translation that it is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import to_images
from pipeline.errors import UserError
from pipeline.methods.base import Method
from pipeline.methods.cyclegan import CycleGan
from pipeline.methods.pix2pix import Pix2Pix

_BATCH = 16


@dataclass(frozen=True)
class Translation:
    """Test faces of the domain `of`, translated to the domain `to`; images are N×S×S×3 uint8 RGB.

    `truth` is what each output should be, where that is known, and `compared` names what is compared with it.
    """

    of: str
    to: str
    faces: np.ndarray
    outputs: np.ndarray
    truth: np.ndarray | None
    compared: np.ndarray | None
    asks_colors: bool

    @property
    def name(self) -> str:
        """The translation as it is called in metrics."""
        return f"{self.of}_to_{self.to}"


def translations(method: Method, dataset: Dataset) -> Iterator[Translation]:
    """Yield each translation that the method is for, over the test faces.

    CycleGAN: both ways, compared with the input after the way back. pix2pix: from the target's own landmarks,
    compared with the real image, and from the source's landmarks, which is what it is for.
    """
    if isinstance(method, CycleGan):
        for of, to in ((method.source, method.target), (method.target, method.source)):
            faces = _test_faces(dataset.domains[of], of)
            outputs = _run(method, dataset.domains[of], faces, to)
            back = _run(method, dataset.domains[of], faces, to, back_to=of)
            truth = np.array(dataset.domains[of].images[faces])
            yield Translation(of, to, faces, outputs, truth, back, asks_colors=True)
    elif isinstance(method, Pix2Pix):
        for of in (method.target, method.source):
            domain = dataset.domains[of]
            faces = _test_faces(domain, of)
            faces = faces[domain.has_points()[faces]]
            outputs = _run(method, domain, faces, method.target)
            has_truth = of == method.target
            yield Translation(
                of,
                method.target,
                faces,
                outputs,
                truth=np.array(domain.images[faces]) if has_truth else None,
                compared=outputs if has_truth else None,
                asks_colors=False,
            )
    else:
        raise NotImplementedError(f"no test translations are known for {type(method).__name__}")


def _test_faces(domain: DomainArrays, name: str) -> np.ndarray:
    faces = domain.indices("test")
    if len(faces) < 2:
        raise UserError(f"{name}: {len(faces)} test faces; raise catalogue.split.test or add images")
    return faces


def _run(
    method: Method, domain: DomainArrays, faces: np.ndarray, to: str, back_to: str | None = None
) -> np.ndarray:
    made = []
    for start in range(0, len(faces), _BATCH):
        images = method.translate(method.inputs(domain, faces[start : start + _BATCH]), to)
        made.append(to_images(images if back_to is None else method.translate(images, back_to)))
    return np.concatenate(made)
