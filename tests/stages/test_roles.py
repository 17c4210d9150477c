"""A source of pairs may show two domains, one for each role."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline import images
from pipeline.faces.detection import Search
from pipeline.params import ByRole, SourceEntry
from pipeline.stages import align, detect, landmarks

BY_ROLE = {"ultrasound": "whole", "baby": "real"}


def image(role: str | None) -> dict:
    pixels = np.full((64, 80, 3), 128, np.uint8)
    return {"image_id": "i", "bytes": images.encode(pixels, "png"), "role": role}


def detected(role: str | None) -> list[dict]:
    searches = ByRole({"ultrasound": None, "baby": Search("real", ("blazeface", "dlib-hog"))})
    return detect.detect(detect.Options(searches), image(role))


def test_each_role_is_searched_as_its_domain_says() -> None:
    (whole,) = detected("ultrasound")
    assert whole["box_xyxy"] == [0, 0, 80, 64]
    (nothing,) = detected("baby")
    assert (nothing["reason"], nothing["detail"]) == ("no_face", "blazeface, then dlib-hog found nothing")


@pytest.mark.parametrize("role", ["mother", None])
def test_an_image_of_another_role_is_rejected(role: str | None) -> None:
    (row,) = detected(role)
    assert row["reason"] == "no_domain"


def test_a_whole_picture_of_one_role_is_aligned_whole() -> None:
    kinds = ByRole(BY_ROLE)
    markings = kinds.map(lambda kind: landmarks.Marking(kind, "none", 0.3, 45))
    face = detected("ultrasound")
    marked = landmarks.landmarks(landmarks.Options(markings), image("ultrasound"), face)
    cuts = kinds.map(lambda kind: align.Cut(kind, "eyes", "none", 64, 0.45, 0.3, "png"))
    (crop,) = align.align(align.Options(cuts), image("ultrasound"), marked)
    assert (crop["faces"], crop["size_px"]) == ("whole", 64)


def test_an_entry_names_one_domain_or_one_for_each_role() -> None:
    one = SourceEntry(kind="folder", domain="photo")
    two = SourceEntry(kind="folder", domain={"before": "photo", "after": "anime"})
    assert [one.domains.of(role) for role in ("before", None)] == ["photo", "photo"]
    assert [two.domains.of(role) for role in ("before", "after", None)] == ["photo", "anime", None]
