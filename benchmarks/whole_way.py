"""An image's whole way through the face stages in this process, step by step, as the stages themselves do it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.datasets.catalogue import MEASURED, verdicts
from pipeline.params import ByRole, Domain, Params
from pipeline.stages import align, colors, detect, landmarks

Row = dict[str, Any]


@dataclass
class Way:
    """The face stages for the pictures of one domain, with the CPU seconds that each step has taken."""

    params: Params
    domain: Domain
    spent: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._detect = detect.Options(ByRole(detect.search_of(self.domain, self.params.detect)))
        self._landmarks = landmarks.Options(ByRole(landmarks.marking_of(self.domain, self.params.landmarks)))
        self._cut = align.cut_of(self.domain, self.params.align)
        self._align = align.Options(ByRole(self._cut))

    def faces(self, data: bytes) -> list[Row]:
        """Return a row for each face with all that the stages say of it, or one that says why there is none."""
        image = {"image_id": hashlib.sha256(data).hexdigest(), "bytes": data, "role": None}
        with self._timed("detect"):
            found = detect.detect(self._detect, image)
        passed = [row for row in found if not row.get("reason")]
        with self._timed("landmarks"):
            marked = landmarks.landmarks(self._landmarks, image, passed)
        passed = [row for row in marked if not row.get("reason")]
        with self._timed("align"):
            aligned = align.align(self._align, image, passed)
        colored = []
        for row in aligned:
            if not row.get("reason"):
                with self._timed("colors"):
                    colored += colors.colors(colors.Options(), row, marked, found)
        joined: dict[str, Row] = {}
        for row in (*found, *marked, *aligned, *colored):
            joined.setdefault(row.get("face_id") or "", {}).update(row)
        return [self._judged(row) for row in joined.values()]

    def verdict(self, rgb: np.ndarray, found: Row, marked: Row) -> str | None:
        """Return why the catalogue does not keep a marked face; None where it does."""
        aligned = align.align_face(self._cut, rgb, {"points_68": None} | marked)
        return self._judged(found | marked | aligned)["reason"]

    def _judged(self, row: Row) -> Row:
        row = {"reason": None, "stage": None, "face_id": None, "domain": ""} | row
        if row["reason"] is None:
            measured = {name: row.get(name) for name in MEASURED}
            frame = pd.DataFrame([measured]).astype(float).assign(domain="")
            for reason, failing, detail in verdicts(frame, {"": self.domain.limits(self.params.quality)}):
                if failing[0]:
                    return row | {"stage": "catalogue", "reason": reason, "detail": detail[0]}
        return row

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.spent[step] = self.spent.get(step, 0) + time.process_time() - started


def shipped_way(params: Params, domain: str) -> Way:
    """Return the way of a domain's pictures as params.yaml has it."""
    return Way(params, params.domains[domain])
