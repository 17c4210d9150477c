"""FID's Inception against torch-fidelity's and pytorch-fid's, given the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cleanfid import inception_pytorch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from benchmarks.metrics import draw, write_random_weights
from pipeline.errors import UserError
from pipeline.networks.fid_inception import FidInception, load_fid_inception
from pipeline.networks.resizing import prepare


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    write_random_weights(path)
    return path


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(np.stack([draw(place, 299) for place in range(2)]))


@torch.inference_mode()
@pytest.mark.parametrize("folded", [False, True])
def test_equals_torch_fidelity(folded: bool, weights: Path, images: torch.Tensor) -> None:
    names = ["2048", "logits_unbiased", "logits"]
    theirs = FeatureExtractorInceptionV3("inception", names, feature_extractor_weights_path=str(weights))
    theirs.double().feature_extractor_internal_dtype = torch.float64  # asked for float64, it takes float32
    features, logits, biased = theirs(images.permute(0, 3, 1, 2))
    network = load_fid_inception(weights).double()
    if folded:
        network.fold().to(memory_format=torch.channels_last)
    ours = network(prepare(images, 299, "fidelity").double())
    assert ours.shape == (2, 2048)
    assert (ours[0] - ours[1]).abs().max() > 0.1
    # Theirs are rounded to float32 in the end.
    torch.testing.assert_close(ours.float(), features, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(network.logits(ours).float(), logits, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close((network.logits(ours) + network.fc.bias).float(), biased, rtol=1e-6, atol=1e-7)


@torch.inference_mode()
def test_equals_pytorch_fid_s_network(
    weights: Path, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = torch.load(weights, weights_only=True)
    monkeypatch.setattr(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: read)
    theirs = inception_pytorch.InceptionV3([3], resize_input=False, normalize_input=False).eval().double()
    prepared = prepare(images, 299, "clean").double()
    features = load_fid_inception(weights).double()(prepared)
    torch.testing.assert_close(features, theirs(prepared)[0].flatten(1), rtol=1e-9, atol=1e-12)


def test_another_network_s_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights-inception.pth"
    torch.save({"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 3, 3)}, path)
    with pytest.raises(
        UserError, match=r"has no tensor Conv2d_1a_3x3\.bn\.weight; give the path of torch-fid"
    ):
        load_fid_inception(path)


def test_it_is_frozen_and_takes_no_randomness(weights: Path) -> None:
    state = torch.get_rng_state()
    network = load_fid_inception(weights)
    assert torch.equal(torch.get_rng_state(), state)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_small_images_run_too() -> None:
    assert FidInception().eval()(torch.zeros(1, 3, 75, 75)).shape == (1, 2048)
