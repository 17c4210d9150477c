"""A method is told another face's landmarks or colours: what changes, with methods whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.datasets.arrays import DomainArrays
from pipeline.evaluation.condition_swap import (
    NOT_TOLD,
    condition_swap,
    delta_e_differences,
    next_faces,
    pixel_differences,
)
from tests.evaluation.held_out import built, held_out

SPLITS = "rrtttttt"
TEST = np.arange(2, 8)


def faces_of(folder: Path, method: str = "pix2pix", **options: Any) -> tuple[Any, DomainArrays]:
    """Return a tiny method and the faces of `anime`, each with landmarks and colours of its own."""
    data = held_out(folder, method, splits=SPLITS, **options)
    domain = data.domains["anime"]
    rows = domain.rows
    for column in ("skin_rgb", "hair_rgb", "left_eye_rgb"):
        colors = np.random.default_rng(len(column)).integers(0, 256, (len(SPLITS), 3)).tolist()
        place = rows.schema.get_field_index(column)
        rows = rows.set_column(
            place, rows.schema.field(place), pa.array(colors, rows.schema.field(place).type)
        )
    return built(data), replace(domain, rows=rows)


def telling(method: Any, monkeypatch: pytest.MonkeyPatch, shown: slice) -> Any:
    """Let a method's output be the mean of some of the planes that it is told."""
    monkeypatch.setattr(
        method, "translate", lambda told, _: told[:, shown].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    )
    return method


BOTH: dict[str, Any] = {"conditions": ["landmarks", "colors"]}


def test_a_network_that_ignores_the_landmarks_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, domain = faces_of(tmp_path, **BOTH)
    found, missing = condition_swap(telling(method, monkeypatch, slice(1, 10)), domain, TEST, "anime", 0)
    response = found["condition_swap"]
    assert missing == {}
    assert response["landmarks_pixels"] == (0, 0, 0)
    assert response["landmarks_relative_pixels"] == (0, 0, 0)
    assert response["colors_relative_pixels"] == (1, 1, 1)
    assert response["colors_relative_delta_e"] == (1, 1, 1)
    assert response["colors_delta_e"].low > 1


def test_a_network_that_follows_the_landmarks_alone_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, domain = faces_of(tmp_path, **BOTH)
    found, _ = condition_swap(telling(method, monkeypatch, slice(0, 1)), domain, TEST, "anime", 0)
    response = found["condition_swap"]
    assert response["colors_pixels"].value == 0
    assert response["landmarks_relative_pixels"].value == 1


def test_a_network_that_follows_both_answers_to_each(tmp_path: Path) -> None:
    method, domain = faces_of(tmp_path, **BOTH)
    found, _ = condition_swap(method, domain, TEST, "anime", 0)
    response = found["condition_swap"]
    for name in ("landmarks", "colors"):
        assert response[f"{name}_relative_pixels"].value > 0
        assert response[f"{name}_pixels"].low <= response[f"{name}_pixels"].value


def test_noise_and_kept_dropout_are_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, domain = faces_of(tmp_path, conditions=["landmarks", "noise"], test_dropout=True)
    own = method.translate

    def without_landmarks(told: torch.Tensor, to: str) -> torch.Tensor:
        return own(torch.cat([0 * told[:, :1], told[:, 1:]], dim=1), to)

    monkeypatch.setattr(method, "translate", without_landmarks)
    before = torch.random.get_rng_state()
    found, _ = condition_swap(method, domain, TEST, "anime", 0)
    assert found["condition_swap"]["landmarks_pixels"].value == 0
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"conditions": ["landmarks", "colors"]}, {"landmarks", "colors"}),
        ({"landmarks": "attention"}, {"landmarks"}),
    ],
)
def test_the_image_of_cyclegan_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], names: set[str]
) -> None:
    method, domain = faces_of(tmp_path, "cyclegan", **options)
    images: list[torch.Tensor] = []
    own = method.translate

    def noting(told: torch.Tensor, to: str) -> torch.Tensor:
        images.append(told[:, :3])
        return own(told, to)

    monkeypatch.setattr(method, "translate", noting)
    found, _ = condition_swap(method, domain, TEST, "photo", 0)
    assert {name.split("_")[0] for name in found["condition_swap"]} == names
    assert all(torch.equal(images[0], each) for each in images)


def test_a_method_that_is_told_nothing_is_not_measured(tmp_path: Path) -> None:
    method, domain = faces_of(tmp_path, "cut")
    assert condition_swap(method, domain, TEST, "anime", 0) == ({}, {"condition_swap": NOT_TOLD})


def test_faces_that_are_told_the_same_are_no_test(tmp_path: Path) -> None:
    data = held_out(tmp_path, "pix2pix", splits=SPLITS, **BOTH)
    found, missing = condition_swap(built(data), data.domains["anime"], TEST, "anime", 0)
    assert set(missing) == {"condition_swap.colors"}
    assert {name.split("_")[0] for name in found["condition_swap"]} == {"landmarks"}


def test_one_face_has_no_next(tmp_path: Path) -> None:
    method, domain = faces_of(tmp_path, **BOTH)
    found, missing = condition_swap(method, domain, TEST[:1], "anime", 0)
    assert found == {}
    assert set(missing) == {"condition_swap.landmarks", "condition_swap.colors"}


def test_the_turn_is_one_by_which_faces_differ() -> None:
    told = np.array([1, 1, 2, 2])
    partners = next_faces(4, lambda others: told != told[others])
    assert partners.tolist() == [2, 3, 0, 1]
    told = np.array([1, 1, 1, 2])
    assert next_faces(4, lambda others: told != told[others]).tolist() == [-1, -1, 3, 0]


def test_differences_of_black_and_white() -> None:
    black, white = np.zeros((2, 4, 4, 3), np.uint8), np.full((2, 4, 4, 3), 255, np.uint8)
    assert pixel_differences(black, white).tolist() == [255, 255]
    assert delta_e_differences(black, white) == pytest.approx([100, 100], abs=0.01)
    assert delta_e_differences(white, white).tolist() == [0, 0]
