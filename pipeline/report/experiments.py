"""What the report shows of each experiment: its curves, what it makes of test faces, its numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import images, parts
from pipeline.report import pictures

MODELS = Path("models")
METRICS = Path("metrics")
SAMPLES = Path("samples")
SHOWN = 12
SHOWN_PX = 96
_CURVE_WIDTH, _CURVE_HEIGHT = 240, 70

Row = dict[str, Any]


def gather(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of one experiment's section."""
    metrics = json.loads((METRICS / f"{name}.json").read_text(encoding="utf-8"))
    missing = json.loads((SAMPLES / name / "not_measured.json").read_text(encoding="utf-8"))
    rows = parts.read_rows(SAMPLES / name / "translated.parquet")
    return {
        "name": name,
        "options": options,
        "curves": [_curve(path) for path in sorted((MODELS / name / "curves").glob("*.tsv"))],
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
        if not isinstance(value, Mapping):
            yield full, f"{value:g}"
        elif "low" in value:
            yield full, f"{value['value']:g} (95%: {value['low']:g} to {value['high']:g})"
        elif "median_error" in value:
            error = "" if value["median_error"] is None else f", median error {value['median_error']:g}"
            yield full, f"found {value['found']} of {value['of']}{error}"
        elif "median_delta_e" in value:
            yield full, f"ΔE00 {value['median_delta_e']:g} ({value['compared']} of {value['of']})"
        else:
            yield from _numbers(value, full + ", ")


def _curve(path: Path) -> dict[str, Any]:
    """Return a loss curve as the points of an SVG polyline."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    points = [tuple(map(float, line.split("\t"))) for line in lines]
    steps, values = zip(*points, strict=True)
    highest = max(max(values), 1e-9)
    line = " ".join(
        f"{_CURVE_WIDTH * step / steps[-1]:.1f},{_CURVE_HEIGHT * (1 - value / highest):.1f}"
        for step, value in points
    )
    return {
        "loss": header.split("\t")[1],
        "line": line,
        "last": f"{values[-1]:.3g}",
        "highest": f"{highest:.3g}",
        "steps": int(steps[-1]),
        "width": _CURVE_WIDTH,
        "height": _CURVE_HEIGHT,
    }
