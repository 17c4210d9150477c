"""The test split's faces, from the catalogue to their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import images, parts
from pipeline.errors import UserError
from pipeline.serve.held_out_faces import HeldOut, crops_of, held_out_faces, picture_of
from pipeline.takedowns import Takedowns
from tests.conftest import jpeg

CROP = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
PICTURE = jpeg(CROP)


def write_catalogue(**changed: Any) -> None:
    """Write a catalogue of one face, and the parts that it is in."""
    face = {
        "face_id": "abc-1",
        "image_id": "abc",
        "source": "gallery",
        "part": "part-00000.parquet",
        "domain": "photo",
        "split": "test",
        "kept": True,
        "url": "https://gallery.test/1.jpg",
        "subject": "somebody",
    } | changed
    parts.write_rows(parts.DATA / "catalogue" / "faces.parquet", [face], parts.FACES)
    raw, aligned = (parts.folder(name, "gallery") / "part-00000.parquet" for name in ("raw", "aligned"))
    parts.write_rows(raw, [{"image_id": "abc", "bytes": PICTURE}], parts.RAW)
    row = {"image_id": "abc", "face_id": "abc-1", "bytes": images.encode(CROP, "webp")}
    parts.write_rows(aligned, [row], parts.ALIGNED)


def test_a_face_leads_to_its_crop_and_to_its_original_picture(in_folder: Path) -> None:
    write_catalogue()
    (face,) = held_out_faces("photo", Takedowns())
    assert face == HeldOut("abc-1", "abc", "gallery", "part-00000.parquet")
    assert face.number == 1
    np.testing.assert_array_equal(crops_of([face])[0], CROP)
    assert picture_of(face) == PICTURE


@pytest.mark.parametrize("changed", [{"split": "train"}, {"kept": False}, {"domain": "anime"}])
def test_only_kept_faces_of_the_domains_test_split_are_there(in_folder: Path, changed: dict) -> None:
    write_catalogue(**changed)
    assert held_out_faces("photo", Takedowns()) == []


@pytest.mark.parametrize(
    "takedowns",
    [
        Takedowns(images=frozenset({"abc"})),
        Takedowns(subjects=frozenset({"somebody"})),
        Takedowns(url_prefixes=("https://gallery.test/",)),
    ],
)
def test_what_is_taken_down_is_not_shown(in_folder: Path, takedowns: Takedowns) -> None:
    write_catalogue()
    assert held_out_faces("photo", takedowns) == []


def test_without_a_catalogue_there_are_none(in_folder: Path) -> None:
    assert held_out_faces("photo", Takedowns()) == []


def test_a_catalogue_newer_than_the_parts_is_an_error_that_names_the_fix(in_folder: Path) -> None:
    write_catalogue()
    gone = HeldOut("abd-0", "abd", "gallery", "part-00007.parquet")
    for ask in (picture_of, lambda face: crops_of([face])):
        with pytest.raises(UserError, match=r"abd-0 .* is not in gallery/part-00007.*dvc repro"):
            ask(gone)
    other = HeldOut("abd-0", "abd", "gallery", "part-00000.parquet")
    with pytest.raises(UserError, match="dvc repro"):
        picture_of(other)
