"""Faces of two domains that belong together: by their pair's id, or because their landmarks are most alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.datasets.arrays import PAIRS

_BLOCK = 2048


def unpaired(own: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Return why each face of a domain is in no pair with one of the other: `no_partner`, `not_paired`, or None.

    Of several faces with one `pair_id` the largest is paired (by the distance of its eyes, then by its score).
    """
    ordered = own.sort_values(["eye_distance_px", "score", "face_id"], ascending=[False, False, True])
    second = ordered.duplicated("pair_id").reindex(own.index)
    reasons = pd.Series(None, own.index, dtype=object)
    reasons[second] = "not_paired"
    reasons[own["pair_id"].isna() | ~own["pair_id"].isin(others["pair_id"])] = "no_partner"
    return reasons


def pairs_by_id(source: pd.DataFrame, target: pd.DataFrame) -> pa.Table:
    """Return the rows of both domains with the same `pair_id`, of which each has at most one, in `PAIRS`."""
    rows = [frame[["pair_id", "split"]].assign(row=np.arange(len(frame))) for frame in (source, target)]
    both = rows[0].merge(rows[1], on=["pair_id", "split"], suffixes=("_source", "_target"))
    both = both.sort_values("row_source")
    columns = {"source": both["row_source"], "target": both["row_target"], "split": both["split"]}
    return _table(columns | {"distance": [None] * len(both)})


def pairs_by_landmarks(
    source: np.ndarray, source_splits: np.ndarray, target: np.ndarray, target_splits: np.ndarray
) -> pa.Table:
    """Return for each source face the face of the same split whose 68 points have most nearly its shape.

    `source` and `target` are Nx68x2 px without NaN. These are document 004's pairs of images of the same shape; a
    target face may be the partner of several. Where the target has no face of a split, neither has the table.
    """
    found = []
    for split in sorted(set(source_splits) & set(target_splits)):
        rows, candidates = np.flatnonzero(source_splits == split), np.flatnonzero(target_splits == split)
        best, distance = nearest_shape(source[rows], target[candidates])
        columns = {"source": rows, "target": candidates[best], "split": split, "distance": distance}
        found.append(pd.DataFrame(columns))
    pairs = pd.concat(found).sort_values("source") if found else pd.DataFrame(columns=PAIRS.names)
    return _table({name: pairs[name] for name in PAIRS.names})


def nearest_shape(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of Nx68x2 points the index of the nearest of Mx68x2 others, and the Procrustes distance.

    It is what is left between two shapes of size 1 when one is moved, turned and scaled, but not mirrored, onto the
    other, from 0 to 1: with points as complex numbers sqrt(1 - |<z, w>|^2) (Dryden and Mardia 1998, section 3.2).
    """
    shapes, other_shapes = _shapes(points), _shapes(others)
    best, likeness = np.zeros(len(shapes), np.int64), np.full(len(shapes), -1.0)
    for start in range(0, len(shapes), _BLOCK):
        block = slice(start, start + _BLOCK)
        for other in range(0, len(other_shapes), _BLOCK):
            alike = np.abs(shapes[block] @ other_shapes[other : other + _BLOCK].conj().T)
            place = alike.argmax(axis=1)
            highest = np.take_along_axis(alike, place[:, None], axis=1)[:, 0]
            better = highest > likeness[block]
            best[block] = np.where(better, other + place, best[block])
            likeness[block] = np.where(better, highest, likeness[block])
    return best, np.sqrt(np.clip(1 - likeness**2, 0, 1)).round(6)


def _shapes(points: np.ndarray) -> np.ndarray:
    """Return Nx68x2 points as Nx68 complex numbers around 0 with norm 1."""
    shapes = points.astype(np.float64) @ np.array([1, 1j])
    shapes -= shapes.mean(axis=1, keepdims=True)
    return shapes / np.linalg.norm(shapes, axis=1, keepdims=True)


def _table(columns: dict[str, object]) -> pa.Table:
    return pa.table(
        {name: pa.array(columns[name], PAIRS.field(name).type, from_pandas=True) for name in PAIRS.names}
    )
