"""What the report shows of each experiment: its options, curves, what it makes of faces, its numbers."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline import images, parts
from pipeline.experiments import Experiment, as_dict, read_experiment
from pipeline.report import pictures

MODELS = Path("models")
METRICS = Path("metrics")
SAMPLES = Path("samples")
SHOWN = 12
SHOWN_PX = 96
GRID_PX, EARLIER_GRID_PX = 720, 320
_CURVE_WIDTH, _CURVE_HEIGHT = 240, 70
# What a curve is drawn through: a long training has a hundred times as many points as pixels.
_CURVE_POINTS = 120
# Options that the section's first line says.
_SAID = {"method", "domains", "size_px", "steps", "epochs", "batch_size", "seeds"}

Row = dict[str, Any]


def is_measured(name: str) -> bool:
    """Say whether an experiment has come to its end: one that failed, or never ran, has nothing to show."""
    return (METRICS / f"{name}.json").exists()


def gather(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of one experiment's section; `options` are all of them, as `as_dict` gives them."""
    experiment = read_experiment(options)
    model = MODELS / name
    metrics = json.loads((METRICS / f"{name}.json").read_text(encoding="utf-8"))
    missing = json.loads((SAMPLES / name / "not_measured.json").read_text(encoding="utf-8"))
    rows = parts.read_rows(SAMPLES / name / "translated.parquet")
    curves = _curves(model / "curves", experiment.seeds)
    steps = max((curve["steps"] for curve in curves), default=0)
    return {
        "name": name,
        "options": as_dict(experiment),
        "changed": list(_changed(experiment)),
        "steps": steps,
        "images_seen": steps * experiment.batch_size * experiment.accumulate,
        "selected": list(_selected(model / "weights", experiment.seeds)),
        "grids": _grids(model / "samples" / f"seed-{experiment.seeds[0]}"),
        "curves": curves,
        "translations": [
            {
                "name": translation,
                "numbers": list(_numbers(values)),
                "missing": missing[translation],
                "samples": _samples([row for row in rows if row["translation"] == translation]),
            }
            for translation, values in metrics.items()
        ],
    }


def _changed(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield the options, with their values as text, that are not the method's own."""
    asked = as_dict(experiment)
    needed = ("method", "domains", "size_px", "steps", "epochs")
    default = _flat(as_dict(read_experiment({name: asked[name] for name in needed})))
    for name, value in _flat(asked).items():
        if name not in _SAID and value != default.get(name):
            yield name, _text(value)


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


def _grids(folder: Path) -> list[dict[str, Any]]:
    """Return the first, the middle and the last grid of samples; the last one is large."""
    paths = sorted(folder.glob("step-*.png"))
    shown = [paths[place] for place in sorted({0, (len(paths) - 1) // 2, len(paths) - 1}) if paths]
    widths = [GRID_PX if path == paths[-1] else EARLIER_GRID_PX for path in shown]
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


def _samples(rows: Sequence[Row]) -> list[Row]:
    """Return the pictures of a few test faces: input, output, what it should be, nearest training image."""
    names = ("input", "output", "truth", "nearest")
    # A copy of the input teaches nothing: truth is shown where it is another picture.
    return [
        row | {"pictures": [(name, _picture(row[name])) for name in names if _is_shown(row, name)]}
        for row in rows[:SHOWN]
    ]


def _is_shown(row: Row, name: str) -> bool:
    return row[name] is not None and not (name == "truth" and row["truth"] == row["input"])


def _picture(data: bytes) -> str:
    return pictures.data_uri(images.decode(data), SHOWN_PX)


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each metric's name and its value as text; intervals and counts on one line."""
    for name, value in values.items():
        full = f"{prefix}{name.replace('_', ' ')}"
        if name == "seeds":
            for metric, over in value.items():
                spread = f"{over['mean']:.4g} (95% t-interval: {over['low']:.4g} to {over['high']:.4g})"
                yield f"{metric.replace('_', ' ')}, mean of {over['n']} seeds", spread
        elif not isinstance(value, Mapping):
            yield full, f"{value:g}"
        elif "low" in value:
            yield full, f"{value['value']:g} (95%: {value['low']:g} to {value['high']:g})"
        elif "median_error" in value:
            error = "" if value["median_error"] is None else f", median error {value['median_error']:g}"
            yield full, f"found {value['found']} of {value['of']}{error}"
        elif "median_delta_e" in value:
            delta = "" if value["median_delta_e"] is None else f"ΔE00 {value['median_delta_e']:g}, "
            yield full, f"{delta}compared in {value['compared']} of {value['of']}"
        else:
            yield from _numbers(value, full + ", ")


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
