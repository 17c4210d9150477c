"""catalogue: one table of all faces, kept or not and why; the funnel; the domains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import parts
from pipeline.datasets import catalogue
from pipeline.datasets.landmark_rejections import rejections_by_eye_size, rejections_by_tag
from pipeline.params import load_params
from pipeline.progress import follow, note
from pipeline.reviews import (
    BAD_FACES_FILE,
    CORRECTED_EYES_FILE,
    Line,
    read_bad_faces,
    read_corrected_eyes,
)
from pipeline.takedowns import load_takedowns

FOLDER = parts.DATA / "catalogue"
_MAX_NAMED = 10


def run() -> None:
    """Write faces.parquet, rejections.parquet, funnel.json, duplicates.json and domains.json.

    The sources are those of params.yaml: the parts of a source that was removed may still lie on disk.
    """
    params = load_params()
    names = {
        name: [path.name for path in parts.list_parts(parts.folder("raw", name))] for name in params.sources
    }
    tables = [
        catalogue.faces_of_part(source, params.sources[source].domains.of, part)
        for source in follow("catalogue", names, unit="source")
        for part in names[source]
    ]
    faces = pa.concat_tables([parts.FACES.empty_table(), *tables])
    settings = params.catalogue
    limits = {name: domain.limits(params.quality) for name, domain in params.domains.items()}
    faces, duplicates = catalogue.judge(
        faces, limits, settings.duplicates.max_distance, **settings.split.model_dump(), bad=_bad_faces(faces)
    )
    rejections = {name: catalogue.rejections_of_source(name, names[name], faces) for name in sorted(names)}
    parts.write_table(FOLDER / "faces.parquet", faces, parts.LONG_ROW_GROUP_SIZE)
    rejected = list(chain(*rejections.values()))
    parts.write_rows(FOLDER / "rejections.parquet", rejected, parts.REJECTIONS, parts.LONG_ROW_GROUP_SIZE)
    parts.write_json(
        FOLDER / "funnel.json", {name: _funnel(name, names[name], faces, rejections[name]) for name in names}
    )
    parts.write_json(FOLDER / "duplicates.json", duplicates)
    kept = faces.filter(faces["kept"]).select(["domain", *catalogue.MEASURED]).to_pandas()
    parts.write_json(
        FOLDER / "domains.json",
        {str(domain): catalogue.domain_summary(group) for domain, group in kept.groupby("domain")},
    )


def _bad_faces(faces: pa.Table) -> dict[int, str]:
    """Return by row why faces are marked as bad; say which lines of what people filled in mean no face."""
    bad, corrected = read_bad_faces(), read_corrected_eyes()
    marked = catalogue.faces_meant(faces, bad)
    # A picture that is the face as a whole has no eyes to correct.
    with_eyes = faces.filter(pc.or_(pc.is_valid(faces["eyes"]), pc.is_valid(faces["reason"])))
    _note_unmet(BAD_FACES_FILE, bad, marked)
    _note_unmet(CORRECTED_EYES_FILE, corrected, catalogue.faces_meant(with_eyes, corrected))
    return {row: line.reason for row, line in marked}


def _note_unmet(path: Path, lines: Sequence[Line], met: Iterable[tuple[int, Line]]) -> None:
    """Say on standard error which lines mean no face, unless their image was taken down."""
    takedowns = load_takedowns()
    known = {line for _, line in met}
    unmet = [line for line in lines if line not in known and not takedowns.covers(line.image_id)]
    if unmet:
        named = "".join(f"\n  {line}" for line in unmet[:_MAX_NAMED])
        more = f"\n  and {len(unmet) - _MAX_NAMED} more" if len(unmet) > _MAX_NAMED else ""
        note(f"{path}: {len(unmet)} of {len(lines)} lines mean no face that was found:{named}{more}")


def _funnel(
    source: str, names: list[str], faces: pa.Table, rejections: list[dict[str, Any]]
) -> dict[str, Any]:
    rows = [row for name in names for row in parts.read_rows(parts.folder("raw", source) / name, ["group"])]
    mine = faces.filter(pc.equal(faces["source"], source))
    counts = catalogue.funnel(len(rows), len(pc.unique(mine["image_id"])), mine, rejections)
    groups = catalogue.funnel_by_group([row["group"] for row in rows], mine)
    details = {
        "groups": groups,
        "landmarks_rejected_by_eye_size": rejections_by_eye_size(mine),
        "landmarks_rejected_by_tag": rejections_by_tag(mine),
    }
    return counts | {name: found for name, found in details.items() if found}
