import math

import pytest
import torch

from pipeline.methods.losses import bce_gan, l1, lsgan
from pipeline.methods.pool import ImagePool

LOGITS = torch.tensor([[0.0, 2.0], [-1.0, 1.0]])


def test_lsgan_is_the_mean_square_distance_to_1_or_0() -> None:
    assert lsgan(LOGITS, is_real=True).item() == pytest.approx((1 + 1 + 4 + 0) / 4)
    assert lsgan(LOGITS, is_real=False).item() == pytest.approx((0 + 4 + 1 + 1) / 4)


def test_bce_is_the_mean_cross_entropy() -> None:
    logits = torch.tensor([0.0, 2.0])
    assert bce_gan(logits, is_real=True).item() == pytest.approx(
        (math.log(2) + math.log(1 + math.exp(-2))) / 2
    )
    assert bce_gan(logits, is_real=False).item() == pytest.approx(
        (math.log(2) + math.log(1 + math.exp(2))) / 2
    )


def test_l1_is_the_mean_absolute_difference() -> None:
    assert l1(LOGITS, torch.zeros(2, 2)).item() == pytest.approx(1.0)


def _exchanged(pool: ImagePool, numbers: range) -> list[float]:
    return [pool.exchange(torch.full((1, 3, 2, 2), float(number)))[0, 0, 0, 0].item() for number in numbers]


def test_a_pool_that_fills_returns_what_comes() -> None:
    assert _exchanged(ImagePool(5, seed=0), range(5)) == [0, 1, 2, 3, 4]


def test_a_full_pool_returns_an_older_image_half_of_the_time() -> None:
    returned = _exchanged(ImagePool(50, seed=0), range(1000))
    new = sum(number == value for number, value in zip(range(50, 1000), returned[50:], strict=True))
    assert 0.45 < new / 950 < 0.55
    assert len(set(returned)) > 500


def test_a_pool_of_none_returns_what_comes() -> None:
    assert _exchanged(ImagePool(0, seed=0), range(5)) == [0, 1, 2, 3, 4]


def test_a_pool_goes_on_from_its_state() -> None:
    pool = ImagePool(3, seed=0)
    _exchanged(pool, range(7))
    state = pool.state_dict()
    other = ImagePool(3, seed=1)
    other.load_state_dict(state, torch.device("cpu"))
    assert _exchanged(other, range(7, 30)) == _exchanged(pool, range(7, 30))
