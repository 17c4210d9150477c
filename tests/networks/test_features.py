"""Features come from genuine weights or not at all, and are the same however images are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from benchmarks.metrics import draw, write_random_weights
from pipeline import parts, weights
from pipeline.errors import UserError
from pipeline.metrics.fid import fid
from pipeline.networks.backbones import build_backbone
from pipeline.networks.features import Missing, inception, tagger
from pipeline.networks.fid_inception import load_fid_inception
from pipeline.networks.resizing import prepare

BACKBONE = "resnet10t"


def pictures(count: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    write_random_weights(path)
    return path


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing has been fetched yet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    weights.sha256.cache_clear()
    return tmp_path / "torch"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Return the folder of a tagger's weights, as a training leaves it."""
    network = build_backbone(BACKBONE)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "backbone.safetensors")
    return tmp_path


def test_without_genuine_weights_there_are_no_features_but_the_command_that_fetches_them(
    torch_home: Path,
) -> None:
    with pytest.raises(Missing) as caught:
        inception()
    assert str(caught.value) == "weights missing: run python -m pipeline weights fetch inception-fid"


def test_other_weights_under_the_published_name_are_refused(torch_home: Path) -> None:
    place = weights.FETCHED["inception-fid"].place()
    place.parent.mkdir(parents=True)
    place.write_bytes(b"something else")
    with pytest.raises(UserError, match="not the one known"):
        inception()


def test_a_given_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        Missing, match=r"weights missing: .*nowhere\.pth is not here; correct metrics\.inception"
    ):
        inception(str(tmp_path / "nowhere.pth"))


def test_a_damaged_file_is_named_when_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="damaged"):
        inception(str(path)).extract(pictures(1))


def test_inception_is_the_unfolded_network_to_the_digits_of_float32(random_weights: Path) -> None:
    images = np.stack([draw(place, 128) for place in range(12)])
    source = inception(str(random_weights))
    assert (source.name, source.resizing) == ("inception", "fidelity")
    assert source.weights == parts.content_hash(random_weights)
    folded = source.extract(images)
    with torch.inference_mode():
        plain = load_fid_inception(random_weights)(prepare(torch.from_numpy(images), 299, "fidelity"))
    np.testing.assert_allclose(folded, plain.numpy(), rtol=1e-4, atol=1e-4)
    assert fid(folded[::2], folded[1::2]) == pytest.approx(
        fid(plain[::2].numpy(), plain[1::2].numpy()), rel=1e-6
    )


def test_the_resizing_is_part_of_the_name(random_weights: Path) -> None:
    assert inception(str(random_weights), "clean").name == "inception_clean"


def test_logits_are_made_of_the_features(random_weights: Path) -> None:
    source = inception(str(random_weights))
    assert source.logits is not None
    logits = source.logits(source.extract(pictures(2)))
    assert logits.shape == (2, 1008)
    assert np.isfinite(logits).all()


def test_images_on_the_disk_and_none_at_all(random_weights: Path, tmp_path: Path) -> None:
    images, source = pictures(3), inception(str(random_weights))
    np.save(tmp_path / "images.npy", images)
    on_disk = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(source.extract(on_disk), source.extract(images))
    assert source.extract(images[:0]).shape == (0, 2048)


def test_a_tagger_s_features_are_those_of_its_trunk(trained: Path) -> None:
    images = pictures(11)
    source = tagger(trained, BACKBONE, size_px=32)
    network = build_backbone(BACKBONE).eval()
    network.load_state_dict(safetensors.torch.load_file(trained / "backbone.safetensors"))
    with torch.inference_mode():
        expected = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1)
    assert source.name == "tagger"
    np.testing.assert_allclose(source.extract(images), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_a_tagger_takes_images_of_any_size(trained: Path) -> None:
    source = tagger(trained, BACKBONE, size_px=32)
    assert source.extract(pictures(2, side=50)).shape == source.extract(pictures(2)).shape


def test_a_tagger_that_is_not_trained_is_missing(tmp_path: Path) -> None:
    with pytest.raises(
        Missing, match=r"weights missing: .*backbone\.safetensors is not here; train the tagger"
    ):
        tagger(tmp_path / "seed-0", BACKBONE, size_px=32)
