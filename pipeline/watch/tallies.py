"""What became of the images of some parts: counted and measured from the stages' tables, without any image's bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipeline import parts
from pipeline.errors import UserError
from pipeline.faces.colors.lab import lab_of
from pipeline.watch.history import Spread

TABLES = {
    "raw": "crawl",
    "detections": "detect",
    "landmarks": "landmarks",
    "aligned": "align",
    "colors": "colors",
}
_QUANTILES = (np.arange(20) + 0.5) / 20
_NONE_SAID = "none said"


@dataclass(frozen=True)
class Tally:
    """Counts of images and faces as in `history.Record`; rejections by stage and reason, images by licence."""

    images: int = 0
    with_faces: int = 0
    aligned: int = 0
    faces: int = 0
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)
    spreads: dict[str, Spread] = field(default_factory=dict)


def complete(source: str, names: Iterable[str]) -> list[str]:
    """Return those of the parts that every stage has a table of."""
    return [name for name in names if all((parts.folder(table, source) / name).exists() for table in TABLES)]


def tally(source: str, names: Sequence[str]) -> Tally:
    """Count and measure some parts of a source; raise `UserError` where a stage has not run on them."""
    for name in names:
        for table, stage in TABLES.items():
            if not (path := parts.folder(table, source) / name).exists():
                raise UserError(f"{path}: is missing; type `dvc repro {stage}@{source}`")
    if not names:
        return Tally()
    raw = _frame("raw", source, names, ["image_id", "licence", "width_px"])
    tables = {
        "detections": _frame("detections", source, names, []),
        "landmarks": _frame("landmarks", source, names, ["yaw_deg"]),
        "aligned": _frame("aligned", source, names, ["eye_distance_px", "sharpness", "exposure"]),
        "colors": _frame("colors", source, names, ["skin_rgb"]),
    }
    found, aligned = (_not_rejected(tables[name]) for name in ("detections", "aligned"))
    return Tally(
        images=len(raw),
        with_faces=found["image_id"].nunique(),
        aligned=aligned["image_id"].nunique(),
        faces=len(aligned),
        rejected=_rejected(tables.values()),
        licences=_count(raw["licence"].fillna(_NONE_SAID)),
        spreads=_spreads(aligned, raw, tables["landmarks"], tables["colors"]),
    )


def _frame(table: str, source: str, names: Sequence[str], columns: list[str]) -> pd.DataFrame:
    own = [] if table == "raw" else ["image_id", "face_id", "stage", "reason"]
    folder = parts.folder(table, source)
    frames = [parts.read_table(folder / name, [*own, *columns]).to_pandas() for name in names]
    return pd.concat(frames, ignore_index=True)


def _not_rejected(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["reason"].isna()]


def _rejected(tables: Iterable[pd.DataFrame]) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {}
    for rows in tables:
        for stage, own in rows[rows["reason"].notna()].groupby("stage"):
            counted[str(stage)] = _count(own["reason"])
    return counted


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _spreads(
    aligned: pd.DataFrame, raw: pd.DataFrame, landmarks: pd.DataFrame, colors: pd.DataFrame
) -> dict[str, Spread]:
    """Return the distributions of what `bands.LEAST_DEVIATION` names; sizes and sharpness as powers of two."""
    at_face = {name: rows.set_index("face_id") for name, rows in (("pose", landmarks), ("color", colors))}
    faces, widths = aligned["face_id"], raw.drop_duplicates("image_id").set_index("image_id")["width_px"]
    measured = {
        "yaw": at_face["pose"]["yaw_deg"].reindex(faces),
        "eye_distance": _octaves(aligned["eye_distance_px"]),
        "sharpness": _octaves(aligned["sharpness"]),
        "exposure": aligned["exposure"],
        "skin_lightness": _lightness(at_face["color"]["skin_rgb"].reindex(faces).dropna()),
        "image_width": _octaves(widths.reindex(aligned["image_id"].unique())),
    }
    known = {name: np.asarray(values, float) for name, values in measured.items()}
    known = {name: values[np.isfinite(values)] for name, values in known.items()}
    return {name: _spread(values) for name, values in known.items() if len(values)}


def _octaves(values: pd.Series) -> np.ndarray:
    return np.log2(np.maximum(values.to_numpy(float), 1.0))


def _lightness(rgb: pd.Series) -> np.ndarray:
    return lab_of(np.stack(rgb.to_list()))[:, 0] if len(rgb) else np.empty(0)


def _spread(values: np.ndarray) -> Spread:
    return Spread(len(values), np.quantile(values, _QUANTILES).round(3).tolist())
