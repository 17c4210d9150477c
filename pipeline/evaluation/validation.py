"""The number by which the best of several checkpoints is chosen."""

from __future__ import annotations

import numpy as np

from pipeline.datasets.arrays import Dataset
from pipeline.errors import UserError
from pipeline.evaluation.translations import translate_faces, usable_faces
from pipeline.faces import embedding
from pipeline.methods.base import Translator
from pipeline.metrics.kid import kid


def val_kid(method: Translator, dataset: Dataset) -> float:
    """Return the KID between what the method makes of validation faces and real ones; the lower, the better.

    Translated are the validation faces of the first way, compared with the validation faces of the domain that they
    are translated to, over `pipeline.faces.embedding`. Raises `UserError` where there are fewer than 2 of either.
    """
    way = method.ways()[0]
    faces = _validation_faces(dataset, way.of)
    real = dataset.domains[way.to].images[_validation_faces(dataset, way.to)]
    outputs = translate_faces(method, dataset.domains[way.of], faces, way.to)
    return kid(embedding.embed(outputs), embedding.embed(np.array(real)))


def _validation_faces(dataset: Dataset, domain: str) -> np.ndarray:
    faces = usable_faces(dataset, domain, "val")
    if len(faces) < 2:
        raise UserError(
            f"{domain}: {len(faces)} validation faces, too few for select: best_val_kid; "
            "raise catalogue.split.val, add images, or set select to last"
        )
    return faces
