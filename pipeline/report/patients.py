"""The qualitative sheet: a row for each patient, a column for each model, the true before and after at the ends."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline import images, parts
from pipeline.report import changes, pictures
from pipeline.report.cautions import cautions
from pipeline.report.comparison import titled
from pipeline.report.measured import SAMPLES, read_metrics
from pipeline.report.origins import Faces, faces_of, origin
from pipeline.report.sheets import spread

SHOWN, SHOWN_PX = 16, 128
_FEWEST = 2
_TAGS, _TAG_LETTERS = 4, 40

Row = Mapping[str, Any]


class Pair(NamedTuple):
    """A test pair: the face that was translated, and the one that it became in truth."""

    before: str
    after: str


def gather(experiments: Mapping[str, Mapping[str, Any]], share: float = 1.0) -> list[dict[str, Any]]:
    """Return a sheet for each way that at least two experiments went for faces whose partners are known.

    `experiments` are the options of those that were measured, by name. All of them show the same faces; `share`: this
    part of the patients, from 0 to 1, so that a page does not become too large.
    """
    pairs = {name: _pairs(name) for name in experiments}
    ways = dict.fromkeys(way for of in pairs.values() for way in of)
    found = []
    for way in ways:
        of_way = {name: of[way] for name, of in pairs.items() if way in of}
        if len(of_way) >= _FEWEST:
            faces = _faces({name: experiments[name]["domains"] for name in of_way})
            found.append(_sheet(way, of_way, faces, share))
    return found


def _table(experiment: str) -> Any:
    return SAMPLES / experiment / "translated.parquet"


def _pairs(experiment: str) -> dict[str, list[Pair]]:
    """Return the test pairs of which an experiment has samples, by way, in their order."""
    path = _table(experiment)
    columns = ["translation", "face_id", "truth_face_id"]
    found: dict[str, list[Pair]] = {}
    for row in parts.read_rows(path, columns) if path.exists() else ():
        if row["truth_face_id"] is not None:
            found.setdefault(row["translation"], []).append(Pair(row["face_id"], row["truth_face_id"]))
    return found


def _faces(domains: Mapping[str, Iterable[str]]) -> Faces:
    known: Faces = {}
    for experiment, names in domains.items():
        known |= faces_of(experiment, names)
    return known


def _sheet(way: str, pairs: Mapping[str, Sequence[Pair]], faces: Faces, share: float) -> dict[str, Any]:
    patients = one_of_each(in_most(pairs.values()), faces)
    chosen = spread(patients, math.ceil(SHOWN * share))
    metrics = {name: read_metrics(name).get(way, {}) for name in pairs}
    maps = {name: changes.read_maps(name).get(way, {}) for name in pairs} if share else {}
    cells: dict[Pair, dict[str, str]] = {pair: {} for pair in chosen}
    ends: dict[Pair, tuple[str, str]] = {}
    for name in pairs if chosen else ():
        for row in parts.read_rows(_table(name)):
            pair = Pair(row["face_id"], row["truth_face_id"])
            if row["translation"] == way and pair in cells:
                cells[pair][name] = _picture(row["output"])
                if pair not in ends:
                    ends[pair] = _picture(row["input"]), _picture(row["truth"])
    return {
        "name": way,
        "title": titled(way),
        "ends": way.split("_to_", 1),
        "patients": len(patients),
        "models": [{"name": name, "cautions": list(cautions(metrics[name]))} for name in pairs],
        "maps": _maps(maps),
        "rows": [
            {
                "before": ends[pair][0],
                "after": ends[pair][1],
                "outputs": [cells[pair].get(name) for name in pairs],
                "tags": _tags(pair, faces),
                "origins": [origin(face, faces) for face in pair],
            }
            for pair in chosen
        ],
        "regions": changes.by_region(metrics),
    }


def in_most(of_experiments: Iterable[Sequence[Pair]]) -> list[Pair]:
    """Return the pairs that as many experiments as possible have, in the order of the first that has them."""
    counted = Counter(pair for pairs in of_experiments for pair in dict.fromkeys(pairs))
    most = max(counted.values(), default=0)
    return [pair for pair, count in counted.items() if count == most]


def one_of_each(pairs: Sequence[Pair], faces: Faces) -> list[Pair]:
    """Return the first pair of each patient; a face that says no subject is a patient of its own."""
    first: dict[str, Pair] = {}
    for pair in pairs:
        first.setdefault(faces.get(pair.before, {}).get("subject") or f"face {pair.before}", pair)
    return list(first.values())


def _picture(data: bytes) -> str:
    return pictures.data_uri(images.decode(data), SHOWN_PX)


def _maps(maps: Mapping[str, Mapping[str, Row]]) -> dict[str, Any] | None:
    """Return each experiment's map, the truth's and the mean face, all on one scale; None where there are no maps."""
    known = [each for each in maps.values() if each]
    if not known:
        return None
    highest = changes.scale_of(row for each in known for row in each.values())
    truth = next((each["truth"] for each in known if "truth" in each), None)
    return {
        "face": pictures.data_uri(images.decode(next(iter(known[0].values()))["mean_face"]), SHOWN_PX),
        "outputs": [
            changes.map_picture(of["outputs"], highest) if "outputs" in of else None for of in maps.values()
        ],
        "truth": None if truth is None else changes.map_picture(truth, highest),
        "legend": changes.legend(highest),
    }


def _tags(pair: Pair, faces: Faces) -> str:
    """Return what the pair's pictures are tagged with: what was done, on a clinic's page."""
    tags = dict.fromkeys(tag for face in pair for tag in faces.get(face, {}).get("tags") or ())
    return ", ".join(tag.replace("_", " ")[:_TAG_LETTERS] for tag in list(tags)[:_TAGS])
