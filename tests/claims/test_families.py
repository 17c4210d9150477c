"""Each claim's experiment from beginning to end, at toy size: every measure gives a figure, or says why it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import weights
from pipeline.claims import cartoons, faithful, judges, memory, near_infrared, occlusions, surgery
from pipeline.claims.lab import Lab
from pipeline.claims.verdicts import NotMeasured
from pipeline.networks.lpips import Lpips
from pipeline.parts import read_table
from tests.claims.conftest import draw


@pytest.mark.parametrize(
    ("run", "measures"),
    [
        (faithful.lambda_cycle, 2),
        (faithful.matched, 2),
        (cartoons.plane_default, 2),
        (cartoons.color_distribution, 1),
        pytest.param(memory.memorised, 4, marks=pytest.mark.long),
        pytest.param(surgery.autoencoder, 2, marks=pytest.mark.long),
        pytest.param(surgery.painterly, 2, marks=pytest.mark.long),
        (surgery.lips_and_skin, 1),
        pytest.param(surgery.face_shape, 2, marks=pytest.mark.long),
        pytest.param(surgery.attention, 3, marks=pytest.mark.long),
    ],
)
def test_claims_about_rendered_faces(lab: Lab, run, measures: int):
    findings = run(lab)
    assert len(findings) == measures
    for finding in findings:
        assert np.isfinite(finding.figure).all()
        assert finding.figure.low <= finding.figure.value <= finding.figure.high


def test_landmarks_are_measured_on_outputs_without_a_face(lab: Lab):
    findings = cartoons.landmarks(lab)
    assert [len(finding.sides) for finding in findings] == [3] * 4
    errors = findings[::2]
    assert all(finding.figure.low < finding.figure.high for finding in errors)
    # Held-out cartoons are judged alike beside each arm.
    assert len({finding.sides["real cartoons"] for finding in errors}) == 1


def test_colours_that_cannot_be_seen_are_not_measured(lab: Lab):
    for finding in cartoons.colors(lab):
        assert (finding.figure is None) == (finding.verdict == "not measured")
        assert finding.figure is not None or "can be seen" in finding.reason


@pytest.mark.long
def test_what_is_worst_is_compared_with_the_worst_of_the_others(lab: Lab):
    *findings, perceptual = surgery.worst(lab)
    assert [set(finding.sides) for finding in findings] == [{"basic GAN", "worst other"}] * 3
    assert (perceptual.verdict == "not measured") == bool(judges.why_not("alexnet"))


def test_style_transfer_waits_for_its_weights(lab: Lab):
    (finding,) = surgery.style_transfer(lab)
    assert finding.verdict == "not measured"
    assert "weights fetch vgg19" in finding.reason


@pytest.mark.long
def test_tone_and_contour(lab: Lab):
    skin, contour = surgery.tone_and_contour(lab)
    assert np.isfinite(contour.figure).all()
    assert skin.figure is not None or "cannot be seen" in skin.reason


@pytest.mark.long
def test_batches(lab: Lab):
    assert [finding.sides.keys() for finding in cartoons.batch_size(lab)] == [{"batch 1", "batch 4"}] * 2


@pytest.mark.parametrize("weights_are_here", [False, pytest.param(True, marks=pytest.mark.long)])
def test_occluders_are_compared_class_by_class(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights_are_here: bool
):
    folder = tmp_path / "identity" / "baby"
    folder.mkdir(parents=True)
    for number in range(20):
        Image.fromarray(draw(1, number).pixels).save(folder / f"{number:02}.png")
    monkeypatch.setenv("LIKENESS_IMAGES", str(tmp_path))
    loaded = Lpips("alex") if weights_are_here else None
    monkeypatch.setattr(occlusions, "find_lpips", lambda: (loaded, "weights missing: fetch them"))
    findings = occlusions.removed(lab)
    assert len(findings) == 2 * 3 * 3
    for finding in findings:
        is_missing = "LPIPS" in finding.measure and not weights_are_here
        assert (finding.verdict == "not measured") == is_missing
        assert finding.reason == ("weights missing: fetch them" if is_missing else "")


def test_without_its_weights_lpips_says_how_to_fetch_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(weights.Fetched, "place", lambda file: tmp_path / file.file)
    network, reason = judges.find_lpips()
    assert network is None
    assert reason == "weights missing: run python -m pipeline weights fetch alexnet"


@pytest.mark.long
def test_near_infrared_faces_and_who_they_show(
    lab: Lab, real_pictures: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LIKENESS_IMAGES", str(real_pictures))
    generators, recognition = near_infrared.generators(lab), near_infrared.recognition(lab)
    is_missing = not weights.FETCHED["vgg16"].place().is_file()
    assert [finding.figure is None for finding in generators] == [False] * 3 + [is_missing] * 3
    assert not is_missing or "weights fetch vgg16" in generators[-1].reason
    assert [finding.figure is None for finding in recognition] == [False, False, is_missing]


def test_the_matched_domains_are_more_alike_in_pose_than_the_unmatched_ones(lab: Lab):
    apart = {}
    for name, folder in faithful._unlike(lab).items():
        rows = [
            read_table(folder / f"{domain}.rows.parquet").to_pandas() for domain in ("ultrasound", "baby")
        ]
        training = [each[each["split"] == "train"] for each in rows]
        means = [np.average(each["yaw_deg"], weights=each["weight"]) for each in training]
        apart[name] = abs(means[0] - means[1])
    assert apart["matched"] < apart["unmatched"]


def test_a_claim_without_its_pictures_says_so(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIKENESS_IMAGES", str(tmp_path / "nowhere"))
    with pytest.raises(NotMeasured, match="identity/baby"):
        occlusions.removed(lab)
