"""Suspected copies of training images among outputs: their share by each measure, and the worst ones as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pipeline import images
from pipeline.datasets.arrays import DomainArrays
from pipeline.evaluation.translations import Translation
from pipeline.metrics.memorisation import Memorisation, memorisation, worst_copies
from pipeline.metrics.nearest import nearest, nearest_features, reduced

PIXELS = "pixels"
_DIGITS = 4


class Sets(NamedTuple):
    """Features of outputs, of the target's training faces and of its held-out faces, in the datasets' order: ×D."""

    outputs: np.ndarray
    training: np.ndarray
    held_out: np.ndarray


def held_out(domain: DomainArrays) -> np.ndarray:
    """Return where a domain's faces of the validation and test splits lie."""
    return np.concatenate([domain.indices("val"), domain.indices("test")])


def find_copies(
    outputs: np.ndarray, to: DomainArrays, features: Mapping[str, Sets]
) -> tuple[dict[str, Memorisation], dict[str, str]]:
    """Return how many of N×S×S×3 uint8 outputs seem to be copies, by the name of each measure, and what is missing.

    Measured are pixels, and each of the features. What could not be judged has its reason in the second.
    """
    if not len(held_out(to)):
        reason = "the target has no held-out faces to compare with"
        return {}, {f"copies_{name}": reason for name in (*features, PIXELS)}
    training, honest = reduced(to.images, to.indices("train")), reduced(to.images, held_out(to))
    near = {
        name: (nearest_features(sets.outputs, sets.training), nearest_features(sets.held_out, sets.training))
        for name, sets in features.items()
    }
    near[PIXELS] = (nearest(outputs, training), nearest(honest, training))
    found: dict[str, Memorisation] = {}
    missing: dict[str, str] = {}
    for name, (of_outputs, of_honest) in near.items():
        try:
            found[name] = memorisation(of_outputs, of_honest)
        except ValueError as error:
            missing[f"copies_{name}"] = str(error)
    return found, missing


def copy_metrics(found: Mapping[str, Memorisation]) -> dict[str, Any]:
    """Return the shares as metrics files hold them: `copies_pixels`, and `copies_<features>`."""
    return {f"copies_{name}": each.as_dict() for name, each in found.items()}


def copy_rows(
    translation: Translation, of: DomainArrays, to: DomainArrays, found: Mapping[str, Memorisation]
) -> list[dict[str, Any]]:
    """Return the ten most copy-like outputs of a translation, worst first, as rows of `COPIES`.

    Features and pixels have one vote each: where there are several features, the first of them. The address, the
    licence and the author are those of the training image.
    """
    voting = {name: each for name, each in found.items() if name != PIXELS}
    chosen = [*list(voting)[:1], *([PIXELS] if PIXELS in found else [])]
    training, faces = to.indices("train"), of.rows["face_id"]
    rows = []
    for copy in worst_copies([found[name].outputs for name in chosen]) if chosen else []:
        place = int(training[copy.training])
        theirs = to.rows.slice(place, 1).to_pylist()[0]
        rows.append(
            {
                "translation": translation.name,
                "rank": copy.rank,
                "output": images.encode(translation.outputs[copy.output], "png"),
                "training": images.encode(np.asarray(to.images[place]), "png"),
                "face_id": faces[int(translation.faces[copy.output])].as_py(),
                "training_face_id": theirs["face_id"],
                **{name: theirs[name] for name in ("url", "page_url", "licence", "author")},
                **_judged("pixels", found.get(PIXELS), copy.output),
                **_judged("features", found.get(chosen[0]) if voting else None, copy.output),
                "features": chosen[0] if voting else None,
            }
        )
    return rows


def _judged(measure: str, judged: Memorisation | None, output: int) -> dict[str, Any]:
    if judged is None:
        return {f"{measure}_distance": None, f"{measure}_closeness": None, f"{measure}_suspected": None}
    return {
        f"{measure}_distance": round(float(judged.outputs.distances[output]), _DIGITS),
        f"{measure}_closeness": round(float(judged.outputs.closeness[output]), _DIGITS),
        f"{measure}_suspected": bool(judged.suspected[output]),
    }
