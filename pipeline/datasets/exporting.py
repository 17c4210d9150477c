"""A dataset for other programs: an image folder, a zip for each subject, or WebDataset shards.

Beside the images lie `metadata.csv`, what is known of each face, and `attribution.csv`, who made them. The same
dataset gives the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from pipeline import images, parts
from pipeline.datasets.arrays import Dataset, DomainArrays, load_dataset
from pipeline.datasets.attribution import ATTRIBUTION_NAME
from pipeline.folders import whole_folder

Format = Literal["folder", "zip-per-subject", "webdataset"]
FORMATS: tuple[Format, ...] = get_args(Format)
EXPORTS = Path("exports")
MARKER = "export.json"
SHARD_FACES = 1000
WITHOUT_SUBJECT = "without-subject"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)

Row = dict[str, Any]


def export(dataset_folder: Path, layout: Format, target: Path) -> int:
    """Write a dataset's faces into the folder `target` in a layout; return how many there are.

    The folder appears whole or not at all, in place of an earlier export. Raises `UserError` where something else
    lies there.
    """
    dataset = load_dataset(dataset_folder)
    with whole_folder(target, MARKER, "name another with --out") as folder:
        for name, domain in dataset.domains.items():
            _WRITERS[layout](folder, name, domain)
        _write_metadata(folder / "metadata.csv", dataset)
        shutil.copyfile(dataset_folder / ATTRIBUTION_NAME, folder / ATTRIBUTION_NAME)
        parts.write_json(
            folder / MARKER,
            {"experiment": dataset.experiment["name"], "format": layout, "labels": _labels(dataset)},
        )
    return sum(domain.rows.num_rows for domain in dataset.domains.values())


def _faces(domain: DomainArrays) -> Iterator[tuple[Row, Callable[[], bytes]]]:
    """Yield each face's row and a function that encodes its image as PNG."""
    for index, row in enumerate(domain.rows.to_pylist()):
        yield row, lambda index=index: images.encode(domain.images[index], "png")  # type: ignore[misc]


def _write_folder(folder: Path, name: str, domain: DomainArrays) -> None:
    for row, png in _faces(domain):
        path = folder / name / row["split"] / f"{row['face_id']}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png())


def _write_zips(folder: Path, name: str, domain: DomainArrays) -> None:
    (folder / name).mkdir()
    by_subject: dict[str | None, list[tuple[Row, Callable[[], bytes]]]] = {}
    for row, png in _faces(domain):
        by_subject.setdefault(row["subject"], []).append((row, png))
    for subject, faces in by_subject.items():
        with zipfile.ZipFile(folder / name / f"{file_name(subject)}.zip", "w") as archive:
            for row, png in faces:
                # A PNG does not become smaller.
                archive.writestr(zipfile.ZipInfo(f"{row['split']}/{row['face_id']}.png", _ZIP_DATE), png())


def file_name(subject: str | None) -> str:
    """Return a file name for a subject: its own where that can be one, else with a hash, so that no two are alike."""
    if subject is None:
        return WITHOUT_SUBJECT
    plain = re.sub(r"[^a-z0-9_-]+", "-", subject.lower()).strip("-")[:60]
    if plain == subject and plain != WITHOUT_SUBJECT:
        return plain
    return f"{plain or 'subject'}.{hashlib.sha256(subject.encode()).hexdigest()[:10]}"


def _write_shards(folder: Path, name: str, domain: DomainArrays) -> None:
    for split in ("train", "val", "test"):
        faces = (face for face in _faces(domain) if face[0]["split"] == split)
        for number, shard in enumerate(_batches(faces, SHARD_FACES)):
            with tarfile.open(
                folder / f"{name}-{split}-{number:06d}.tar", "w", format=tarfile.USTAR_FORMAT
            ) as tar:
                for row, png in shard:
                    _add(tar, f"{row['face_id']}.json", json.dumps(row, sort_keys=True).encode())
                    _add(tar, f"{row['face_id']}.png", png())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _batches(faces: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(islice(faces, size)):
        yield batch


def _write_metadata(path: Path, dataset: Dataset) -> None:
    """Write what is known of every face; lists have their values separated by spaces, tags by semicolons."""
    names = next(iter(dataset.domains.values())).rows.column_names
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["domain", *names])
        for domain, arrays in dataset.domains.items():
            for row in arrays.rows.to_pylist():
                writer.writerow(
                    [domain, *(_cell(row[name], ";" if name == "tags" else " ") for name in names)]
                )


def _cell(value: Any, separator: str) -> Any:
    return separator.join(map(str, value)) if isinstance(value, list) else value


def _labels(dataset: Dataset) -> list[str]:
    return list(dataset.experiment.get("labels") or ())


_WRITERS: dict[Format, Callable[[Path, str, DomainArrays], None]] = {
    "folder": _write_folder,
    "zip-per-subject": _write_zips,
    "webdataset": _write_shards,
}
