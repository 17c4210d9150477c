"""Every named resizing against the library that it is named for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cleanfid.resize import build_resizer
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from pipeline.networks.resizing import RESIZINGS, prepare

SIZES = [(256, 256), (64, 64), (299, 299), (512, 512), (75, 130), (301, 40), (1, 1)]


def pictures(height: int, width: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def by_torch_fidelity(images: np.ndarray) -> torch.Tensor:
    """Return what its Inception gives its first convolution."""
    planes = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    resized = interpolate_bilinear_2d_like_tensorflow1x(planes, size=(299, 299), align_corners=False)
    return (resized - 128) / 128


def by_clean_fid(images: np.ndarray, mode: str) -> torch.Tensor:
    """Return what the network that clean-fid uses in this mode gives its first convolution."""
    resize = build_resizer(mode)
    resized = torch.stack([torch.from_numpy(resize(image).transpose(2, 0, 1)) for image in images])
    return 2 * (resized / 255) - 1 if mode == "legacy_pytorch" else (resized - 128) / 128


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["fidelity", "legacy_tensorflow"])
def test_tensorflow_1_s_rule_is_torch_fidelity_s(name: str, size: tuple[int, int]) -> None:
    images = pictures(*size)
    ours = prepare(torch.from_numpy(images), 299, name)
    torch.testing.assert_close(ours, by_torch_fidelity(images), rtol=0, atol=0)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["clean", "legacy_pytorch"])
def test_modes_of_clean_fid(name: str, size: tuple[int, int]) -> None:
    images = pictures(*size)
    ours = prepare(torch.from_numpy(images), 299, name)
    torch.testing.assert_close(ours, by_clean_fid(images, name), rtol=0, atol=1e-6)


def test_what_has_the_size_already_is_left_as_it_is() -> None:
    images = torch.from_numpy(pictures(64, 64))
    for resize, _ in RESIZINGS.values():
        torch.testing.assert_close(resize(images, 64), images.permute(0, 3, 1, 2).float(), rtol=0, atol=0)


def test_the_modes_differ_from_each_other() -> None:
    images = torch.from_numpy(pictures(512, 512))
    made = [prepare(images, 299, name) for name in ("fidelity", "clean", "legacy_pytorch")]
    assert (made[0] - made[1]).abs().mean() > 0.1
    assert (made[0] - made[2]).abs().mean() > 0.1
