"""Which faces of the catalogue an experiment learns from, and why the others are left out.

Each domain's kept faces are a frame, and whoever leaves a face out writes the reason into its column `left_out`: so
all faces are accounted for, each once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import parts
from pipeline.datasets.arrays import ROWS
from pipeline.datasets.labels import label_faces
from pipeline.datasets.licences import licence_code
from pipeline.datasets.matching import match
from pipeline.datasets.pairing import unpaired
from pipeline.datasets.splits import place_of
from pipeline.experiments.common import Experiment, PerSubject

FACES = parts.DATA / "catalogue" / "faces.parquet"
HELD_OUT = ("test", "val")
# What the catalogue says that a dataset's rows say too, where the crop lies, and where the landmarks lie in it.
_COLUMNS = [name for name in ROWS.names if name in parts.FACES.names]
_PLACE = ["source", "part", "licence_url", "score", "points_68", "matrix", "size_px"]
_DECIDING = [
    *("face_id", "image_id", "split", "licence", "subject", "pair_id", "cluster", "tags"),
    *("yaw_deg", "pitch_deg", "roll_deg", "eye_distance_px", "score"),
]


@dataclass(frozen=True)
class Candidates:
    """A domain's kept faces by id: `table` as the catalogue has them, and `frame`, in the same order, what is decided.

    The frame says `left_out`, the reason or None, and `weight`, how often a face is drawn.
    """

    table: pa.Table
    frame: pd.DataFrame

    def selected(self) -> pd.DataFrame:
        """Return the frame of the faces that are in."""
        return self.frame[self.frame["left_out"].isna()]

    def training(self) -> pd.DataFrame:
        """Return the frame of the faces that are in and trained on."""
        return self.frame[self.frame["left_out"].isna() & (self.frame["split"] == "train")]

    def left_out(self) -> dict[str, int]:
        """Return how many faces are left out for each reason."""
        return {str(reason): int(count) for reason, count in self._counted("left_out").items()}

    def licences(self) -> dict[str, dict[str, int]]:
        """Return how many faces of each licence are taken, and left out for it."""
        named = self.frame.assign(licence=self.frame["licence"].fillna("unknown"))
        groups = {
            "taken": named[named["left_out"].isna()],
            "left_out": named[named["left_out"] == "licence"],
        }
        return {
            what: {
                str(name): int(count) for name, count in group["licence"].value_counts().sort_index().items()
            }
            for what, group in groups.items()
        }

    def leave_out(self, which: pd.Series, reason: str | pd.Series) -> None:
        """Write the reason of those faces that are still in."""
        hit = which.reindex(self.frame.index, fill_value=False) & self.frame["left_out"].isna()
        self.frame.loc[hit, "left_out"] = reason if isinstance(reason, str) else reason[hit]

    def _counted(self, column: str) -> pd.Series:
        return self.frame[column].value_counts().sort_index()


def candidates(domains: Sequence[str]) -> dict[str, Candidates]:
    """Return the kept faces of each domain, none of them left out yet."""
    wanted = pc.field("kept") & pc.field("domain").isin(domains)
    table = parts.read_table(FACES, ["domain", *_COLUMNS, *_PLACE], wanted).sort_by("face_id")
    return {domain: of_table(table.filter(pc.equal(table["domain"], domain))) for domain in domains}


def of_table(table: pa.Table) -> Candidates:
    """Return the faces of a table with the catalogue's columns, sorted by id."""
    table = table.combine_chunks()
    frame = table.select(_DECIDING).to_pandas()
    has_points = pc.is_valid(table["points_68"]).to_numpy(zero_copy_only=False)
    left_out = pd.Series(None, frame.index, dtype=object)
    return Candidates(table, frame.assign(has_points=has_points, left_out=left_out, weight=1.0))


def select(domains: Mapping[str, Candidates], experiment: Experiment) -> None:
    """Leave out what the experiment cannot or must not use: by licence, landmarks, tags, near-duplicates, subject."""
    for name, faces in domains.items():
        if experiment.licences:
            faces.leave_out(~has_licence(faces.frame["licence"], experiment.licences), "licence")
        if experiment.needs_landmarks:
            faces.leave_out(~faces.frame["has_points"], "no_landmarks")
        if experiment.needs_tags:
            faces.leave_out(
                ~faces.frame["tags"].map(lambda tags: tags is not None and len(tags) > 0), "no_tags"
            )
            faces.leave_out(faces.frame["image_id"].duplicated(keep=False), "not_alone")
        if experiment.needs_labels and name == experiment.domains[-1]:
            faces.leave_out(~_has_label(faces, experiment.labels), "no_labels")
    _leave_out_near_duplicates(list(domains.values()))
    for faces in domains.values():
        _limit_subjects(faces, experiment.per_subject)


def _has_label(faces: Candidates, labels: Mapping[str, Iterable[str]]) -> pd.Series:
    tags, titles = (faces.table[column].to_pylist() for column in ("tags", "title"))
    return pd.Series(label_faces(tags, titles, labels).any(axis=1), faces.frame.index)


def match_domains(domains: Mapping[str, Candidates], experiment: Experiment) -> None:
    """Give training faces their weights, or leave them out, so that the attributes of `match` are alike."""
    if not experiment.match:
        return
    training = {name: faces.training() for name, faces in domains.items()}
    for name, weights in match(training, experiment.match, experiment.match_by).items():
        rows = training[name].index
        domains[name].leave_out(pd.Series(weights == 0, rows), "unmatched")
        domains[name].frame.loc[rows, "weight"] = weights


def keep_pairs(source: Candidates, target: Candidates) -> None:
    """Leave out the faces that belong to no pair of the two domains."""
    sources, targets = source.selected(), target.selected()
    _leave_out_unpaired(source, sources, targets)
    _leave_out_unpaired(target, targets, sources)


def _leave_out_unpaired(faces: Candidates, own: pd.DataFrame, others: pd.DataFrame) -> None:
    reasons = unpaired(own, others)
    faces.leave_out(reasons.notna(), reasons.reindex(faces.frame.index))


def has_licence(licences: pd.Series, allowed: Iterable[str]) -> pd.Series:
    """Return which faces have one of the licences, in any spelling; an unknown one is none of them."""
    codes = {licence_code(name) for name in allowed}
    known = {name: licence_code(name) in codes for name in licences.dropna().unique()}
    return licences.map(known).eq(True)


def _leave_out_near_duplicates(domains: Sequence[Candidates]) -> None:
    """Leave out training faces that nearly are a face held out for validation or test, in either domain.

    A model that memorised it would look good.
    """
    selected = pd.concat([faces.selected() for faces in domains])
    for split in HELD_OUT:
        clusters = selected.loc[selected["split"] == split, "cluster"].dropna().unique()
        for faces in domains:
            near = (faces.frame["split"] == "train") & faces.frame["cluster"].isin(clusters)
            faces.leave_out(near, f"near_duplicate_of_{split}")


def _limit_subjects(faces: Candidates, limits: PerSubject) -> None:
    """Leave out people with too few faces, and of the others those beyond the limit.

    A face without a subject is a person of its own. Which are taken is decided by a hash of their ids, so that new
    faces change little.
    """
    selected = faces.selected()
    person = selected["subject"].fillna(selected["face_id"])
    faces.leave_out(person.map(person.value_counts()) < limits.min, "too_few_of_subject")
    if limits.max is not None:
        place = selected["face_id"].map(place_of)
        faces.leave_out(place.groupby(person).rank(method="first") > limits.max, "too_many_of_subject")


def points_in_crops(table: pa.Table, size_px: int) -> np.ndarray:
    """Return the landmarks of candidates, float32 Nx68x2 in pixels of their crops at a size; NaN where unknown.

    Crops are reduced with the grids' outer edges in common, and a pixel's centre is at its whole number.
    """
    points = np.full((table.num_rows, 68, 2), np.nan)
    known = pc.is_valid(table["points_68"]).to_numpy(zero_copy_only=False)
    if known.any():
        with_points = table.filter(pa.array(known))
        in_image = _flat(with_points["points_68"]).reshape(-1, 68, 2)
        matrix = _flat(with_points["matrix"]).reshape(-1, 2, 3)
        in_crop = in_image @ matrix[:, :, :2].transpose(0, 2, 1) + matrix[:, None, :, 2]
        scale = size_px / with_points["size_px"].to_numpy()[:, None, None]
        points[known] = (in_crop + 0.5) * scale - 0.5
    return points.astype(np.float32)


def _flat(column: pa.ChunkedArray) -> np.ndarray:
    values = column.combine_chunks()
    while not pa.types.is_floating(values.type):
        values = values.flatten()
    return values.to_numpy(zero_copy_only=False).astype(np.float64)
