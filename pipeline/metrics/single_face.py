"""One face: the share of outputs in which the domain's detector finds exactly one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.metrics.intervals import share_estimate


def one_face(faces: Sequence[int]) -> dict[str, Any]:
    """Return the share with Wilson's interval, and in how many outputs `none` and `several` are found, `of` all.

    `faces` are the counts of N >= 1 outputs, see `pipeline.metrics.output_faces`. Detectors miss some real faces too,
    and find some twice: the share of the domain's own held-out faces is what to hold it against.
    """
    if any(count < 0 for count in faces):
        raise ValueError(f"counts of faces are at least 0, got {min(faces)}")
    none, one = (sum(count == wanted for count in faces) for wanted in (0, 1))
    share = share_estimate(one, len(faces))
    return share.as_dict() | {"none": none, "several": len(faces) - none - one, "of": len(faces)}
