"""What is measured of a translation, and what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.evaluation.features import dlib_resnet128
from pipeline.evaluation.judges import Judges, Tags
from pipeline.evaluation.looking import Looking
from pipeline.evaluation.measures import Case, measure, nearest_in_pixels
from pipeline.evaluation.translations import Translation
from pipeline.faces.detection import Search
from pipeline.networks.features import Features
from tests.evaluation.held_out import SIZE, Negative, held_out

SPLITS = "r" * 12 + "v" * 2 + "t" * 6
WHOLE = Looking(None, "none")
DRAWN = Looking(Search("cartoon", ("animeface",)), "dlib-68")
REASON = "weights missing: run python -m pipeline weights fetch inception-fid"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Return noise pictures whose landmarks are unknown, six of each domain for tests."""
    monkeypatch.chdir(tmp_path)
    tiny = held_out(tmp_path, "cyclegan", SPLITS)
    domains = {name: noise(arrays, seed) for seed, (name, arrays) in enumerate(tiny.domains.items())}
    return replace(tiny, domains=domains)


def noise(arrays: DomainArrays, seed: int) -> DomainArrays:
    count = len(SPLITS)
    images = np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
    return replace(arrays, images=images, points=np.full((count, 68, 2), np.nan, np.float32))


def case(data: Dataset, outputs: np.ndarray, looking: Looking = WHOLE, judges: Judges | None = None) -> Case:
    photo, anime = data.domains.values()
    faces = photo.indices("test")[: len(outputs)]
    translation = Translation("photo", "anime", faces, outputs, None, None, asks_colors=False)
    none = Judges((dlib_resnet128(),), None, None, {"kid_inception": REASON})
    return Case(translation, Negative(data), photo, anime, WHOLE, looking, judges or none, 0)


def mean_colors(images: np.ndarray) -> np.ndarray:
    """Return 48 numbers of each image: the colours of a grid of 4x4 fields."""
    fields = np.asarray(images, np.float32).reshape(len(images), 4, SIZE // 4, 4, SIZE // 4, 3)
    return fields.mean(axis=(2, 4)).reshape(len(images), -1)


TAGGER = Judges(
    (Features("tagger", "0" * 64, "none", mean_colors), dlib_resnet128()),
    None,
    Tags(("bright",), lambda images: images.mean(axis=(1, 2, 3))[:, None] / 255),
    {},
)


def test_what_cannot_be_measured_says_why(data: Dataset) -> None:
    measured = measure(case(data, data.domains["anime"].images[-6:], DRAWN))
    reasons = measured.not_measured
    assert reasons["kid_inception"] == REASON
    assert "no landmarks are asked for" in reasons["landmark_consistency"]
    assert "unpaired" in reasons["psnr, ssim, lpips"]
    assert "not told" in reasons["color_consistency"]
    assert "not told" in reasons["condition_swap"]
    assert "drawn" in reasons["identity_dlib_resnet128"]
    assert not {*reasons} & {*measured.metrics}
    assert measured.landmark_errors == [None] * 6


def test_a_network_that_is_here_measures_everything_that_features_can(data: Dataset) -> None:
    measured = measure(case(data, data.domains["anime"].images[-6:], judges=TAGGER))
    metrics = measured.metrics
    for name in ("kid", "fid", "precision", "recall", "density", "coverage", "copies"):
        assert "value" in metrics[f"{name}_tagger"]
    assert metrics["fid_tagger"]["images"] == 6
    assert "fid_dlib_resnet128" not in metrics, "it was trained to overlook what FID is asked for"
    assert measured.attributes["bright"]["unit"] == "probability"
    assert measured.attributes["brightness"]["verdict"] in ("kept", "undecided")
    assert metrics["mismatched_attributes"] == {"value": 0, "of": 0}, "noise has nothing that should be kept"


def test_noise_holds_no_face_and_real_faces_stand_beside_it(data: Dataset) -> None:
    found = measure(case(data, data.domains["anime"].images[-6:], DRAWN)).metrics["one_face"]
    assert (found["value"], found["none"], found["of"], found["real"]) == (0, 6, 6, 0)


def test_copied_training_images_are_suspected_and_others_are_not(data: Dataset) -> None:
    anime = data.domains["anime"].images
    copied, fresh = (case(data, anime[places], judges=TAGGER) for places in (slice(0, 6), slice(-6, None)))
    shares = [measure(each).metrics for each in (copied, fresh)]
    for of in ("pixels", "tagger"):
        assert [metrics[f"copies_{of}"]["value"] for metrics in shares] == [1, 0]
    assert nearest_in_pixels(copied, {}).indices.tolist() == list(range(6))


def test_the_target_without_held_out_faces_is_a_reason_and_no_failure(data: Dataset) -> None:
    given = case(data, data.domains["anime"].images[:6], judges=TAGGER)
    rows = given.to.rows.set_column(2, "split", [["train"] * len(SPLITS)])
    measured = measure(replace(given, to=replace(given.to, rows=rows)))
    assert "0 held-out real faces" in measured.not_measured["kid_tagger"]
    assert "no held-out faces" in measured.not_measured["copies_pixels"]
