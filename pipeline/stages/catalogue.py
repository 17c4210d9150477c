"""catalogue: one table of all faces, kept or not and why; the funnel; the domains."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import parts
from pipeline.datasets import catalogue
from pipeline.params import load_params
from pipeline.progress import follow

FOLDER = parts.DATA / "catalogue"


def run() -> None:
    """Write faces.parquet, rejections.parquet, funnel.json and domains.json.

    The sources are those of params.yaml: the parts of a source that was removed may still lie on disk.
    """
    params = load_params()
    names = {
        name: [path.name for path in parts.list_parts(parts.folder("raw", name))] for name in params.sources
    }
    tables = [
        catalogue.faces_of_part(source, params.sources[source].domain, part)
        for source in follow("catalogue", names, unit="source")
        for part in names[source]
    ]
    faces = pa.concat_tables([parts.FACES.empty_table(), *tables])
    settings = params.catalogue
    faces = catalogue.judge(
        faces, params.quality.model_dump(), settings.duplicates.max_distance, **settings.split.model_dump()
    )
    rejections = {name: catalogue.rejections_of_source(name, names[name], faces) for name in sorted(names)}
    parts.write_table(FOLDER / "faces.parquet", faces)
    parts.write_rows(FOLDER / "rejections.parquet", list(chain(*rejections.values())), parts.REJECTIONS)
    _write_json(
        FOLDER / "funnel.json", {name: _funnel(name, names[name], faces, rejections[name]) for name in names}
    )
    kept = faces.filter(faces["kept"]).select(["domain", *catalogue.MEASURED]).to_pandas()
    _write_json(
        FOLDER / "domains.json",
        {str(domain): catalogue.domain_summary(group) for domain, group in kept.groupby("domain")},
    )


def _funnel(
    source: str, names: list[str], faces: pa.Table, rejections: list[dict[str, Any]]
) -> dict[str, Any]:
    stored = sum(parts.count_rows(parts.folder("raw", source) / name) for name in names)
    mine = faces.filter(pc.equal(faces["source"], source))
    return catalogue.funnel(stored, len(pc.unique(mine["image_id"])), mine, rejections)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    with parts.atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
