"""Each way of a method is tried on test faces, and compared with what the way says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.errors import UserError
from pipeline.evaluation.translations import translations
from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Way
from tests.evaluation.held_out import Negative, built, held_out, negative, with_pairs


def test_a_way_back_is_compared_with_the_input(tmp_path: Path) -> None:
    data = held_out(tmp_path, "cyclegan")
    [made] = translations(Negative(data, Way("photo", "anime", "way_back")), data)
    faces = data.domains["photo"].images[5:]
    assert made.name == "photo_to_anime"
    assert made.faces.tolist() == [5, 6, 7]
    assert (made.outputs == negative(faces)).all()
    assert made.truth is not None
    assert (made.truth == faces).all()
    assert (made.compared == faces).all(), "the negative of the negative"
    assert made.asks_colors


def test_a_face_made_of_its_own_landmarks_is_compared_with_itself(tmp_path: Path) -> None:
    data = held_out(tmp_path, "pix2pix")
    method = Negative(data, Way("anime", "anime", "itself", asks_colors=False))
    [made] = translations(method, data)
    assert made.truth is not None
    assert (made.truth == data.domains["anime"].images[5:]).all()
    assert made.compared is made.outputs
    assert not made.asks_colors


@pytest.mark.parametrize(
    ("of", "to", "faces", "partners"),
    [("photo", "anime", [7, 5], [5, 6]), ("anime", "photo", [5, 6], [7, 5])],
)
def test_a_pair_is_compared_with_the_partner(
    tmp_path: Path, of: str, to: str, faces: list[int], partners: list[int]
) -> None:
    pairs = [(0, 1, "train"), (7, 5, "test"), (3, 4, "val"), (5, 6, "test")]
    data = with_pairs(held_out(tmp_path, "cyclegan"), pairs)
    [made] = translations(Negative(data, Way(of, to, "pair")), data)
    assert made.faces.tolist() == faces
    assert made.partners is not None
    assert made.partners.tolist() == partners
    assert made.truth is not None
    assert (made.truth == data.domains[to].images[partners]).all()
    assert made.compared is made.outputs


def test_without_a_truth_nothing_is_compared(tmp_path: Path) -> None:
    data = held_out(tmp_path, "cyclegan")
    [made] = translations(Negative(data, Way("photo", "anime", "none")), data)
    assert made.truth is None
    assert made.compared is None
    assert made.partners is None


@pytest.mark.parametrize(("method", "expected"), [("cyclegan", [0, 1, 2]), ("pix2pix", [1, 2])])
def test_faces_without_landmarks_are_left_out_where_they_are_needed(
    tmp_path: Path, method: str, expected: list[int]
) -> None:
    data = held_out(tmp_path, method, "tttvvrrr")  # the first face lacks landmarks
    [made] = translations(Negative(data, Way("photo", "anime", "none")), data)
    assert made.faces.tolist() == expected


@pytest.mark.parametrize(
    ("splits", "truth", "pairs", "message"),
    [
        ("rrrrrrvt", "none", [], r"photo: 1 test faces with landmarks; raise catalogue\.split\.test"),
        ("rrrrrrtt", "pair", [(6, 6, "test")], r"photo to anime: 1 test pairs; raise catalogue\.split\.test"),
    ],
)
def test_too_little_to_test_on_is_a_clear_error(
    tmp_path: Path, splits: str, truth: str, pairs: list[tuple[int, int, str]], message: str
) -> None:
    data = with_pairs(held_out(tmp_path, "pix2pix", splits), pairs)
    with pytest.raises(UserError, match=message):
        next(translations(Negative(data, Way("photo", "anime", truth)), data))


def test_pairs_that_are_missing_are_a_clear_error(tmp_path: Path) -> None:
    data = held_out(tmp_path, "cyclegan")
    with pytest.raises(UserError, match="set pairing to pair_id or nearest_landmarks"):
        next(translations(Negative(data, Way("photo", "anime", "pair")), data))


@pytest.mark.parametrize("method", TRANSLATORS)
def test_every_method_is_tried_on_each_of_its_ways(tmp_path: Path, method: str) -> None:
    data = held_out(tmp_path, method)
    model = built(data)
    torch.manual_seed(0)
    made = list(translations(model, data))
    assert [(each.of, each.to) for each in made] == [(way.of, way.to) for way in model.ways()]
    size = data.experiment["size_px"]
    for each in made:
        assert each.outputs.shape == (3, size, size, 3)
        assert (each.truth is None) == (each.compared is None)
