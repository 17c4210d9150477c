"""What the report shows of each experiment: its options, curves, what it makes of faces, its numbers."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline import parts
from pipeline.datasets.arrays import DATASETS, PAIRS_NAME
from pipeline.errors import UserError
from pipeline.experiments import Experiment, as_dict, read_experiment
from pipeline.experiments.common import Classifying
from pipeline.report import changes, sheets, tables
from pipeline.report.comparison import in_pieces, titled
from pipeline.report.measured import MODELS, SAMPLES, read_attributes, read_metrics, read_missing
from pipeline.report.origins import Faces, faces_of, origin

GRID_PX, EARLIER_GRID_PX = 720, 320
_CURVE_WIDTH, _CURVE_HEIGHT = 240, 70
# What a curve is drawn through: a long training has a hundred times as many points as pixels.
_CURVE_POINTS = 120
# Options that the section's first line says.
_SAID = {"method", "domains", "size_px", "steps", "epochs", "batch_size", "seeds"}

Row = dict[str, Any]


def gather(name: str, options: Mapping[str, Any], share: float = 1.0) -> dict[str, Any]:
    """Return the content of one experiment's section; `options` are all of them, as `as_dict` gives them.

    `share`: this part of the pictures, from 0 to 1, so that a page of many experiments does not become too large.
    Raises `UserError` where a file of numbers is no such file.
    """
    experiment = read_experiment(options)
    model = MODELS / name
    metrics, missing = read_metrics(name), read_missing(name)
    attributes = read_attributes(name)
    faces = faces_of(name, experiment.domains)
    maps = changes.read_maps(name)
    translated, copies, tags = (
        _by_way(SAMPLES / name / f"{what}.parquet") for what in ("translated", "copies", "tags")
    )
    curves = _curves(model / "curves", experiment.seeds)
    steps = max((curve["steps"] for curve in curves), default=0)
    grids = model / "samples" / f"seed-{experiment.seeds[0]}"
    return {
        "name": name,
        "options": as_dict(experiment),
        "changed": list(_changed(experiment)),
        "steps": steps,
        "seen_of": "all its domains"
        if isinstance(experiment, Classifying)
        else "each domain that it learns from",
        "images_seen": steps * experiment.batch_size * experiment.accumulate,
        "selected": list(_selected(model / "weights", experiment.seeds)),
        "grids": _grids(grids, share),
        "grid_faces": _grid_faces(name, experiment, _grid_rows(grids, experiment.size_px), faces),
        "curves": curves,
        "ways": [
            {
                "name": way,
                "title": titled(way),
                "numbers": list(tables.numbers(values)),
                "missing": [
                    (what, in_pieces(reason)) for what, reason in tables.missing(missing.get(way, {}))
                ],
                "tables": tables.by_parts(values),
                "maps": changes.pictures_of(maps.get(way, {}) if share else {}),
                "attributes": tables.attributes(attributes.get(way, {})),
                "responses": tables.responses(values.get("condition_swap", {})),
                "tags": tables.tags(tags.get(way, [])),
                "mistakes": sheets.mistakes(tags.get(way, []), share),
                "samples": sheets.samples(translated.get(way, []), faces, share),
                "copies": sheets.copies(copies.get(way, []), faces, share),
                "copied": tables.copied(values),
            }
            for way, values in metrics.items()
        ],
    }


def _by_way(path: Path) -> dict[str, list[Row]]:
    """Return a table's rows by the way that they are of; rows that say none are of the only way there is.

    What is not here is empty: a classifier translates nothing.
    """
    rows = parts.read_rows(path) if path.exists() else []
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.pop("translation", path.stem), []).append(row)
    return found


def _grid_rows(folder: Path, size_px: int) -> int:
    """Return how many faces a grid of samples shows, one below the other."""
    path = next(iter(sorted(folder.glob("step-*.png"))), None)
    if path is None:
        return 0
    with Image.open(path) as grid:
        return grid.height // size_px


def _grid_faces(
    name: str, experiment: Experiment, count: int, faces: Faces
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return for each domain where the faces of its rows of the grids are from, as `validation_faces` chooses them."""
    if not count or not faces:
        return []
    return [
        (domain, [origin(face, faces) for face in chosen])
        for domain, chosen in (
            (domain, _validation_faces(name, domain, place, experiment, count))
            for place, domain in enumerate(experiment.domains)
        )
        if chosen
    ]


def _validation_faces(name: str, domain: str, place: int, experiment: Experiment, count: int) -> list[str]:
    rows = parts.read_rows(DATASETS / name / f"{domain}.rows.parquet", ["face_id", "split"])
    splits = {row["split"] for row in rows}
    split = "val" if "val" in splits else "train"
    pairs = DATASETS / name / PAIRS_NAME
    if experiment.pairing != "none" and pairs.exists():
        role = ("source", "target")[place]
        paired = [rows[pair[role]] for pair in parts.read_rows(pairs) if pair["split"] == split]
        return [row["face_id"] for row in paired[:count]]
    return [row["face_id"] for row in rows if row["split"] == split][:count]


def _changed(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield the options, with their values as text, that are not the method's own."""
    asked = as_dict(experiment)
    default = _default(asked)
    for name, value in _flat(asked).items():
        if name not in _SAID and value != default.get(name):
            yield name, _text(value)


def _default(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the method's own options; none where it has options that must be given."""
    needed = ("method", "domains", "size_px", "steps", "epochs")
    try:
        return _flat(as_dict(read_experiment({name: asked[name] for name in needed})))
    except UserError:
        return {}


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested options under names such as `generator.width`."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _selected(weights: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Yield the checkpoint of each seed that was chosen by its KID, where one was."""
    for seed in seeds:
        path = weights / f"seed-{seed}" / "selected.json"
        if path.exists():
            yield {"seed": seed, **json.loads(path.read_text(encoding="utf-8"))}


def _grids(folder: Path, share: float) -> list[dict[str, Any]]:
    """Return the first, the middle and the last grid of samples, so large that `share` of the bytes remain.

    The last one is large.
    """
    paths = sorted(folder.glob("step-*.png")) if share else []
    shown = [paths[place] for place in sorted({0, (len(paths) - 1) // 2, len(paths) - 1}) if paths]
    scale = math.sqrt(share)
    widths = [math.ceil(scale * (GRID_PX if path == paths[-1] else EARLIER_GRID_PX)) for path in shown]
    return [
        {"step": int(path.stem.removeprefix("step-")), "picture": _grid(path, width), "width": width}
        for path, width in zip(shown, widths, strict=True)
    ]


def _grid(path: Path, width_px: int) -> str:
    """Return a grid of samples, at most so wide, as a JPEG in a data URI."""
    with Image.open(path) as grid:
        picture = grid.convert("RGB")
    picture.thumbnail((width_px, picture.height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _curves(folder: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Return each loss with a line for every seed; the first seed's file names the loss alone."""
    points: dict[str, dict[int, np.ndarray]] = {}
    for path in sorted(folder.glob("*.tsv")):
        if named := re.fullmatch(r"(.+?)(?:\.seed-(\d+))?\.tsv", path.name):
            seed = seeds[0] if named[2] is None else int(named[2])
            read = _points(path)
            if seed in seeds and len(read):
                points.setdefault(named[1], {})[seed] = read
    return [
        _curve(loss, {seed: of_seed[seed] for seed in seeds if seed in of_seed})
        for loss, of_seed in points.items()
    ]


def _points(path: Path) -> np.ndarray:
    """Return the steps and values of a curve, N×2, without what is not a number."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    values = np.array([line.split("\t") for line in lines], np.float64).reshape(-1, 2)
    return values[np.isfinite(values).all(axis=1)]


def _curve(loss: str, of_seed: Mapping[int, np.ndarray]) -> dict[str, Any]:
    """Return a loss's curves as the points of SVG polylines, all on one scale that holds 0."""
    every = np.concatenate(list(of_seed.values()))
    lowest, highest = min(every[:, 1].min(), 0.0), max(every[:, 1].max(), 0.0)
    scale = np.array([_CURVE_WIDTH / every[:, 0].max(), _CURVE_HEIGHT / max(highest - lowest, 1e-9)])
    return {
        "loss": loss,
        "lines": {
            seed: _line(np.abs(_thinned(points) - (0, highest)) * scale) for seed, points in of_seed.items()
        },
        "ends": [f"{points[-1, 1]:.3g}" for points in of_seed.values()],
        "lowest": f"{lowest:.3g}",
        "highest": f"{highest:.3g}",
        "steps": int(every[:, 0].max()),
        "width": _CURVE_WIDTH,
        "height": _CURVE_HEIGHT,
    }


def _thinned(points: np.ndarray) -> np.ndarray:
    """Return a curve as the means of so many neighbours that the page stays small."""
    bundles = np.array_split(points, min(len(points), _CURVE_POINTS))
    return np.array([bundle.mean(axis=0) for bundle in bundles])


def _line(places: np.ndarray) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
