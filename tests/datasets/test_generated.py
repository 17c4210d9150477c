"""Further training faces in a dataset's domain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.arrays import write_domain
from pipeline.datasets.generated import append_generated
from pipeline.parts import read_table

SPLITS = ("train", "test", "train")


def write(folder: Path, domain: str) -> None:
    rows = [{"face_id": f"{domain}-{number}", "split": split} for number, split in enumerate(SPLITS)]
    images = np.full((3, 8, 8, 3), ord(domain[0]), np.uint8)
    write_domain(folder, domain, images, 3, 8, np.zeros((3, 68, 2)), rows)


def test_they_come_after_the_real_ones_and_bear_the_name_of_who_made_them(tmp_path: Path) -> None:
    write(tmp_path, "vis")
    write(tmp_path, "nir")
    rows = read_table(tmp_path / "vis.rows.parquet").take([0, 2])
    made = [np.full((8, 8, 3), value, np.uint8) for value in (1, 2)]
    append_generated(tmp_path, "nir", made, rows, np.ones((2, 68, 2)), (8, 8), "gen")
    after = read_table(tmp_path / "nir.rows.parquet")
    assert after["face_id"].to_pylist() == ["nir-0", "nir-1", "nir-2", "vis-0@gen", "vis-2@gen"]
    assert after["split"].to_pylist() == [*SPLITS, "train", "train"]
    assert np.load(tmp_path / "nir.images.npy")[:, 0, 0, 0].tolist() == [ord("n")] * 3 + [1, 2]
    assert np.load(tmp_path / "nir.points.npy")[:, 0, 0].tolist() == [0, 0, 0, 1, 1]


def test_of_a_face_that_is_tested_none_is_made(tmp_path: Path) -> None:
    write(tmp_path, "nir")
    rows = read_table(tmp_path / "nir.rows.parquet")
    with pytest.raises(ValueError, match="only training faces"):
        append_generated(tmp_path, "nir", [], rows, np.zeros((3, 68, 2)), (8, 8), "gen")


def test_a_missing_image_leaves_everything_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, "nir")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    rows = read_table(tmp_path / "nir.rows.parquet").take([0, 2])
    one = [np.zeros((8, 8, 3), np.uint8)]
    with pytest.raises(ValueError, match="4 images came, 5 were announced"):
        append_generated(tmp_path, "nir", one, rows, np.zeros((2, 68, 2)), (8, 8), "gen")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
