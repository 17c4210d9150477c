from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.crops import prepare, reduce, write_crops
from pipeline.experiments.common import Preprocess
from tests.datasets.small_catalogue import CROP_PX, crop, face, table, write_catalogue


def test_each_crop_lies_in_the_row_of_its_face_whatever_part_it_comes_from(in_folder: Path) -> None:
    splits = ["train", "test", "train", "val", "train", "train"]
    faces = [face(number, "photo", split=split) for number, split in enumerate(splits)]
    write_catalogue([*faces, face(6, "photo")])
    done: list[None] = []
    write_crops(in_folder, "photo", table(faces), (24, 32), Preprocess(), lambda: done.append(None))
    images, large = (np.load(f"photo.{name}.npy") for name in ("images", "large"))
    assert (images.shape, large.shape, len(done)) == ((6, 24, 24, 3), (4, 32, 32, 3), 6)
    for number, image in enumerate(images):
        assert np.array_equal(image, reduce(crop(number), 24))
    for number, image in zip([0, 2, 4, 5], large, strict=True):
        assert np.array_equal(image, reduce(crop(number), 32))


def test_there_is_no_larger_file_where_the_sizes_are_one(in_folder: Path) -> None:
    faces = [face(0, "photo")]
    write_catalogue(faces)
    write_crops(in_folder, "photo", table(faces), (24, 24), Preprocess(), lambda: None)
    assert not Path("photo.large.npy").exists()


def test_a_face_whose_crop_is_missing_leaves_no_file(in_folder: Path) -> None:
    write_catalogue([face(0, "photo")])
    with pytest.raises(ValueError, match="1 images came, 2 were announced"):
        write_crops(
            in_folder,
            "photo",
            table([face(0, "photo"), face(2, "photo")]),
            (24, 24),
            Preprocess(),
            lambda: None,
        )
    assert not list(in_folder.glob("*.npy"))


def test_a_domain_may_be_grey_and_equalised() -> None:
    dark = (crop(40) // 4).astype(np.uint8)
    assert prepare(dark, Preprocess()) is dark
    grey = prepare(dark, Preprocess(grey=True))
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 1] == grey[..., 2]).all()
    equal = prepare(dark, Preprocess(equalize="global", grey=True))
    assert np.ptp(equal) > 2 * np.ptp(grey)


def test_a_crop_is_averaged_where_it_shrinks() -> None:
    stripes = np.zeros((CROP_PX, CROP_PX, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (reduce(stripes, CROP_PX // 2) == 100).all()
    assert reduce(stripes, CROP_PX) is stripes
    assert reduce(stripes, 2 * CROP_PX).shape == (2 * CROP_PX, 2 * CROP_PX, 3)
