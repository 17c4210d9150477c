"""Where models change faces: maps of the mean change on the mean face, all on one scale, and a table by region."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pipeline import images, parts
from pipeline.metrics.face_regions import REGIONS, region_map
from pipeline.metrics.intervals import Estimate
from pipeline.report.figures import rounded
from pipeline.report.measured import SAMPLES

MAP_PX = 160
_COLORS = cv2.COLORMAP_INFERNO
# A scale ends where no map has more than the rest of its pixels above it, and not below what JPEG alone changes.
_BELOW, _LEAST = 0.99, 4.0
# How much of the colour hides the face, at least and at most.
_OPAQUE = (0.35, 0.9)
_STOPS = 8

Row = Mapping[str, Any]
Metrics = Mapping[str, Any]


def read_maps(experiment: str) -> dict[str, dict[str, Row]]:
    """Return the rows of `CHANGES` of an experiment by way, then by what they are of; none where there is no file."""
    path = SAMPLES / experiment / "changes.parquet"
    found: dict[str, dict[str, Row]] = {}
    for row in parts.read_rows(path) if path.exists() else ():
        found.setdefault(row["translation"], {})[row["of"]] = row
    return found


def scale_of(maps: Iterable[Row]) -> float:
    """Return the change (0 to 255) at which a scale ends that suits all of some maps."""
    return max([_LEAST, *(float(np.quantile(row["map"], _BELOW)) for row in maps)])


def map_picture(row: Row, highest: float) -> str:
    """Return a map on its mean face, the regions outlined, as a JPEG in a data URI.

    The scale is that of the square root, so that where little changed is seen beside where much did.
    """
    side = round(len(row["map"]) ** 0.5)
    values = _enlarged(np.array(row["map"], np.float32).reshape(side, side))
    share = np.sqrt(np.clip(values / highest, 0, 1))
    heat = cv2.applyColorMap((255 * share).round().astype(np.uint8), _COLORS)[..., ::-1]
    face = _enlarged(cv2.cvtColor(images.decode(row["mean_face"]), cv2.COLOR_RGB2GRAY).astype(np.float32))
    opaque = (_OPAQUE[0] + (_OPAQUE[1] - _OPAQUE[0]) * share)[..., None]
    drawn = (face[..., None] * (1 - opaque) + heat * opaque).round().clip(0, 255).astype(np.uint8)
    _outline(drawn, np.array(row["points"]).reshape(68, 2) * MAP_PX)
    buffer = io.BytesIO()
    Image.fromarray(drawn).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _enlarged(values: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(values, (MAP_PX, MAP_PX), interpolation=cv2.INTER_LINEAR))


def _outline(picture: np.ndarray, points_68: np.ndarray) -> None:
    regions = region_map(MAP_PX, points_68)
    for name in REGIONS:
        if name in ("cheeks", "hair", "rest"):  # their borders are those of the others, or a guess
            continue
        mask = (regions == REGIONS.index(name)).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, (255, 255, 255), 1)


def legend(highest: float) -> dict[str, Any]:
    """Return the colours of a scale, as CSS from end to end, and the numbers in its middle and at its upper end."""
    places = np.linspace(0, 255, _STOPS).round().astype(np.uint8).reshape(1, -1)
    stops = cv2.applyColorMap(places, _COLORS)[0, :, ::-1]
    return {
        "gradient": ", ".join("#" + "".join(f"{value:02x}" for value in stop) for stop in stops),
        "middle": f"{highest / 4:.0f}",
        "highest": f"{highest:.0f}",
    }


def pictures_of(maps: Mapping[str, Row]) -> dict[str, Any] | None:
    """Return the maps of one experiment's way, each with what it is of, and their scale; None of none."""
    if not maps:
        return None
    highest = scale_of(maps.values())
    return {
        "pictures": [(name, map_picture(row, highest)) for name, row in maps.items()],
        "faces": max(row["faces"] for row in maps.values()),
        "legend": legend(highest),
    }


def by_region(metrics: Mapping[str, Metrics]) -> dict[str, Any] | None:
    """Return how much each experiment changed each region, the truth first, as a table; None where nothing is known.

    `metrics` are those of one way by experiment. A cell's `share` (0 to 1) is its value by the largest of its line.
    """
    tables = {name: values["by_region"] for name, values in metrics.items() if "by_region" in values}
    lines = {name: _estimates(table, "pixels") for name, table in tables.items()}
    if not any(lines.values()):
        return None
    of_truth = (_estimates(table, "pixels_of_truth") for table in tables.values())
    if truth := next(filter(None, of_truth), None):
        lines = {"truth": truth, **lines}
    regions = [region for region in REGIONS if any(region in line for line in lines.values())]
    return {
        "regions": regions,
        "lines": [{"name": name, "cells": _cells(line, regions)} for name, line in lines.items()],
    }


def _estimates(table: Metrics, column: str) -> dict[str, Estimate]:
    return {
        region: Estimate(*(of[column][end] for end in ("value", "low", "high")))
        for region, of in table.items()
        if column in of
    }


def _cells(line: Mapping[str, Estimate], regions: Iterable[str]) -> list[dict[str, Any] | None]:
    largest = max([_LEAST, *(each.value for each in line.values())])
    cells: list[dict[str, Any] | None] = []
    for region in regions:
        if region not in line:
            cells.append(None)
            continue
        value, interval = rounded(line[region])
        cells.append({"value": value, "interval": interval, "share": round(line[region].value / largest, 3)})
    return cells
