import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.datasets.arrays import (
    PAIRS,
    image_file,
    load_dataset,
    write_domain,
    write_embeddings,
    write_pairs,
)
from pipeline.errors import UserError


def _write(folder: Path, count: int = 5) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    points = rng.uniform(0, 8, (count, 68, 2)).astype(np.float32)
    points[1] = np.nan
    splits = ["train", "val", "train", "test", "train"]
    rows = [
        {"face_id": f"f{n}", "split": splits[n], "url": f"http://x/{n}", "skin_rgb": [1, 2, 3]}
        for n in range(count)
    ]
    write_domain(folder, "photo", iter(images), count, 8, points, rows)
    (folder / "experiment.json").write_text(json.dumps({"name": "x", "domains": ["photo"]}))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    _write(tmp_path)
    photo = load_dataset(tmp_path).domains["photo"]
    assert isinstance(photo.images, np.memmap)
    assert photo.images.shape == (5, 8, 8, 3)
    assert photo.images.dtype == np.uint8
    assert photo.points.shape == (5, 68, 2)
    assert photo.has_points().tolist() == [True, False, True, True, True]
    assert photo.indices("train").tolist() == [0, 2, 4]
    assert photo.indices("test").tolist() == [3]
    assert photo.rows["skin_rgb"].to_pylist()[0] == [1, 2, 3]
    assert photo.rows["hair_rgb"].to_pylist()[0] is None


def test_embeddings_are_there_where_they_were_written(tmp_path: Path) -> None:
    _write(tmp_path)
    assert load_dataset(tmp_path).domains["photo"].embeddings is None
    write_embeddings(tmp_path, "photo", np.arange(10.0).reshape(5, 2))
    dataset = load_dataset(tmp_path)
    embeddings = dataset.domains["photo"].embeddings
    assert embeddings is not None
    assert (embeddings.dtype, embeddings[1].tolist()) == (np.float32, [2, 3])
    assert dataset.folder == tmp_path
    write_embeddings(tmp_path, "photo", np.zeros((4, 2)))
    with pytest.raises(UserError, match="the files of photo have different lengths"):
        load_dataset(tmp_path)


def test_the_same_faces_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        _write(tmp_path / name)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_an_image_of_another_size_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="image 0"):
        write_domain(tmp_path, "photo", [np.zeros((9, 8, 3), np.uint8)], 1, 8, np.zeros((1, 68, 2)), [{}])
    assert list(tmp_path.iterdir()) == []


def test_too_few_images_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 images came, 1 were announced"):
        write_domain(tmp_path, "photo", [], 1, 8, np.zeros((1, 68, 2)), [{}])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no dataset"):
        load_dataset(tmp_path)


def test_rows_that_say_nothing_of_it_have_weight_one_and_no_labels(tmp_path: Path) -> None:
    _write(tmp_path)
    rows = load_dataset(tmp_path).domains["photo"].rows
    assert rows["weight"].to_pylist() == [1.0] * 5
    assert rows["labels"].to_pylist() == [[]] * 5
    assert rows["subject"].to_pylist() == [None] * 5


def test_a_column_that_rows_do_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"photo: columns \['colour'\]"):
        write_domain(
            tmp_path,
            "photo",
            [np.zeros((8, 8, 3), np.uint8)],
            1,
            8,
            np.zeros((1, 68, 2)),
            [{"colour": "red"}],
        )


def test_images_may_come_in_any_order(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    with image_file(tmp_path / "x.npy", 4, 8) as put:
        for index in (2, 0, 3, 1):
            put(index, images[index])
    assert np.array_equal(np.load(tmp_path / "x.npy"), images)


def test_larger_training_images_and_pairs_are_read_where_they_are(tmp_path: Path) -> None:
    _write(tmp_path)
    assert load_dataset(tmp_path).domains["photo"].large is None
    assert load_dataset(tmp_path).pairs is None
    with image_file(tmp_path / "photo.large.npy", 3, 10) as put:
        for index in range(3):
            put(index, np.full((10, 10, 3), index, np.uint8))
    write_pairs(
        tmp_path, pa.table({"source": [0], "target": [3], "split": ["train"], "distance": [0.25]}, PAIRS)
    )
    dataset = load_dataset(tmp_path)
    large = dataset.domains["photo"].large
    assert large is not None
    assert large.shape == (3, 10, 10, 3)
    assert dataset.pairs is not None
    assert dataset.pairs.to_pylist() == [{"source": 0, "target": 3, "split": "train", "distance": 0.25}]


def test_larger_images_of_other_faces_are_refused(tmp_path: Path) -> None:
    _write(tmp_path)
    with image_file(tmp_path / "photo.large.npy", 2, 10) as put:
        for index in range(2):
            put(index, np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(UserError, match="different lengths"):
        load_dataset(tmp_path)
