"""Copies among the outputs of a translation, and the rows of the worst ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import images
from pipeline.datasets.arrays import Dataset
from pipeline.evaluation.copies import PIXELS, Sets, copy_metrics, copy_rows, find_copies, held_out
from pipeline.evaluation.tables import COPIES
from pipeline.evaluation.translations import Translation
from pipeline.parts import read_rows, write_rows
from tests.evaluation import held_out as tiny

SPLITS = "r" * 20 + "v" * 4 + "t" * 6


def faces(folder: Path) -> Dataset:
    """Return a tiny dataset whose pictures are noise of few pixels, no two alike."""
    data = tiny.held_out(folder, "cyclegan", splits=SPLITS)
    random = np.random.default_rng(0)
    domains = {
        name: replace(
            domain,
            images=random.integers(0, 256, (len(SPLITS), 4, 4, 3), np.uint8).repeat(8, 1).repeat(8, 2),
        )
        for name, domain in data.domains.items()
    }
    return replace(data, domains=domains)


def translated(data: Dataset, outputs: np.ndarray) -> Translation:
    test = data.domains["photo"].indices("test")
    return Translation("photo", "anime", test, outputs, None, None, False)


def features(images_: np.ndarray) -> np.ndarray:
    return images_.reshape(len(images_), -1)[:, ::7].astype(float) - 128


def sets(data: Dataset, outputs: np.ndarray) -> Sets:
    domain = data.domains["anime"]
    parts = (outputs, domain.images[domain.indices("train")], domain.images[held_out(domain)])
    return Sets(*(features(each) for each in parts))


def test_copied_training_images_are_found_by_pixels_and_by_features(tmp_path: Path) -> None:
    data = faces(tmp_path)
    to = data.domains["anime"]
    outputs = np.concatenate([to.images[[3, 3, 7]], data.domains["photo"].images[:3]])
    found, missing = find_copies(outputs, to, {"tagger": sets(data, outputs)})
    assert missing == {}
    for judged in found.values():
        assert judged.suspected.tolist() == [True] * 3 + [False] * 3
    metrics = copy_metrics(found)
    assert set(metrics) == {"copies_tagger", "copies_pixels"}
    assert metrics["copies_pixels"]["value"] == 0.5
    assert metrics["copies_pixels"]["held_out"]["value"] == 0


def test_the_worst_become_rows_with_both_pictures_and_their_origin(tmp_path: Path) -> None:
    data = faces(tmp_path)
    of, to = data.domains["photo"], data.domains["anime"]
    column = to.rows.schema.get_field_index("licence")
    to = replace(
        to, rows=to.rows.set_column(column, "licence", pa.array([f"licence {n}" for n in range(30)]))
    )
    outputs = np.concatenate([to.images[[3, 3, 7]], of.images[:3]])
    found, _ = find_copies(outputs, to, {"tagger": sets(data, outputs)})
    rows = copy_rows(translated(data, outputs), of, to, found)
    write_rows(tmp_path / "copies.parquet", rows, COPIES)
    first, second, *_ = read_rows(tmp_path / "copies.parquet")
    assert (first["training_face_id"], second["training_face_id"]) == ("anime-3", "anime-7")
    assert (first["face_id"], first["licence"], first["features"]) == ("photo-24", "licence 3", "tagger")
    assert (images.decode(first["output"]) == images.decode(first["training"])).all()
    assert first["pixels_suspected"]
    assert first["features_suspected"]
    assert [row["rank"] for row in rows] == list(range(len(rows)))
    assert len({row["training_face_id"] for row in rows}) == len(rows)


def test_pixels_alone_will_do(tmp_path: Path) -> None:
    data = faces(tmp_path)
    of, to = data.domains["photo"], data.domains["anime"]
    found, _ = find_copies(to.images[:6], to, {})
    rows = copy_rows(translated(data, to.images[:6]), of, to, found)
    assert set(found) == {PIXELS}
    assert len(rows) == 6
    assert rows[0]["features"] is None
    assert rows[0]["features_distance"] is None


def test_a_domain_without_held_out_faces_is_told(tmp_path: Path) -> None:
    data = faces(tmp_path)
    to = tiny.held_out(tmp_path / "train", "cyclegan", splits="r" * 8).domains["anime"]
    found, missing = find_copies(to.images[:2], to, {"tagger": Sets(*[np.zeros((0, 4))] * 3)})
    assert found == {}
    assert set(missing) == {"copies_pixels", "copies_tagger"}
    assert copy_rows(translated(data, to.images[:2]), data.domains["photo"], to, found) == []
