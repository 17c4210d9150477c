"""LPIPS against the package whose heads it takes, on one random trunk; what happens without genuine weights."""

from __future__ import annotations

import warnings
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline import weights
from pipeline.errors import UserError
from pipeline.metrics.measurable import NotMeasurable
from pipeline.networks.lpips import Lpips, Trunk, load_lpips, lpips_per_image

TRUNKS: tuple[Trunk, ...] = ("alex", "vgg")


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    weights.sha256.cache_clear()


def packaged(trunk: Trunk) -> tuple[lpips.LPIPS, dict[str, Tensor]]:
    """Return the package's metric on a random trunk, and that trunk's tensors as torchvision names them."""
    with warnings.catch_warnings(action="ignore"):
        theirs = lpips.LPIPS(net=trunk, pnet_rand=True, verbose=False)
    named = {f"features.{name.split('.', 1)[1]}": tensor for name, tensor in theirs.net.state_dict().items()}
    return theirs, named


def loaded(trunk: Trunk, folder: Path) -> tuple[Lpips, lpips.LPIPS]:
    """Return our metric, read from a file with the package's random trunk, and the package's."""
    theirs, tensors = packaged(trunk)
    torch.save(tensors, folder / "trunk.pth")
    return load_lpips(trunk, str(folder / "trunk.pth")), theirs


def pictures(seed: int, count: int = 3, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("size", [(64, 64), (71, 50)])
def test_equals_the_package_on_the_same_trunk(trunk: Trunk, size: tuple[int, int], tmp_path: Path) -> None:
    ours, theirs = loaded(trunk, tmp_path)
    one, other = (torch.rand(2, 3, *size) * 2 - 1 for _ in range(2))
    expected = theirs(one, other).flatten()
    assert (expected > 0.01).all()
    torch.testing.assert_close(ours(one, other), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(ours(other, one), ours(one, other), atol=1e-7, rtol=0)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_pairs_of_pictures_are_measured_in_batches(trunk: Trunk, tmp_path: Path) -> None:
    ours, theirs = loaded(trunk, tmp_path)
    outputs, targets = pictures(0, 19, 32), pictures(1, 19, 32)
    outputs[4] = targets[4]
    found = lpips_per_image(outputs, targets, ours)
    tensors = (torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1 for images in (outputs, targets))
    assert found == pytest.approx(theirs(*tensors).flatten().detach().numpy(), abs=1e-6)
    assert found[4] == 0
    assert found.dtype == np.float64


@pytest.mark.parametrize("trunk", TRUNKS)
def test_gradients_reach_both_images_and_no_weights_and_are_numbers_where_nothing_is_seen(
    trunk: Trunk,
) -> None:
    network = Lpips(trunk)
    for layer in network.trunk.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.bias.fill_(-10)  # the whole image has features of length 0
    one, other = (torch.rand(1, 3, 64, 64, requires_grad=True) for _ in range(2))
    network(one, other).sum().backward()
    assert one.grad is not None
    assert torch.isfinite(one.grad).all()

    network = Lpips(trunk)
    network(one, other).sum().backward()
    assert other.grad is not None
    assert other.grad.any()
    assert not any(each.requires_grad for each in network.parameters())


@pytest.mark.parametrize(("trunk", "name"), [("alex", "alexnet"), ("vgg", "vgg16")])
def test_without_the_published_weights_there_is_no_number(trunk: Trunk, name: str) -> None:
    with pytest.raises(UserError, match=f"^weights missing: run python -m pipeline weights fetch {name}$"):
        load_lpips(trunk)


def test_a_file_put_in_their_place_is_not_taken_for_them() -> None:
    _, tensors = packaged("alex")
    place = weights.FETCHED["alexnet"].place()
    place.parent.mkdir(parents=True)
    torch.save(tensors, place)
    with pytest.raises(UserError, match=r"not the one known \(7be5be79… stated in the file's name\)"):
        load_lpips("alex")


def test_a_path_must_hold_that_network(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.pth is missing; give .*alexnet-owt-7be5be79\.pth"):
        load_lpips("alex", str(tmp_path / "nowhere.pth"))
    _, tensors = packaged("vgg")
    torch.save(tensors, tmp_path / "vgg.pth")
    with pytest.raises(UserError, match=r"features\.0\.weight has the shape \(64, 3, 3, 3\) instead of"):
        load_lpips("alex", str(tmp_path / "vgg.pth"))


def test_loading_draws_no_random_numbers(tmp_path: Path) -> None:
    _, tensors = packaged("alex")
    torch.save(tensors, tmp_path / "trunk.pth")
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load_lpips("alex", str(tmp_path / "trunk.pth"))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(("trunk", "least"), [("alex", 31), ("vgg", 16)])
def test_the_smallest_images_have_a_value_and_smaller_ones_none(trunk: Trunk, least: int) -> None:
    network = Lpips(trunk)
    assert np.isfinite(lpips_per_image(pictures(0, 1, least), pictures(1, 1, least), network)).all()
    with pytest.raises(NotMeasurable, match=f"the network needs {least}"):
        lpips_per_image(pictures(0, 1, least - 1), pictures(1, 1, least - 1), network)


@pytest.mark.parametrize(
    ("outputs", "targets", "said"),
    [
        (pictures(0), pictures(0, 2), "one shape"),
        (pictures(0, 0), pictures(0, 0), "no images"),
        (pictures(0).astype(float), pictures(0), "uint8"),
    ],
)
def test_what_is_no_pair_is_a_clear_error(outputs: np.ndarray, targets: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lpips_per_image(outputs, targets, Lpips("alex"))
