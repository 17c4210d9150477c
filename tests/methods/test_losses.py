import math

import pytest
import torch

from pipeline.methods.losses import (
    bce_gan,
    feature_distance,
    judged_lsgan,
    l1,
    lsgan,
    relative_distance,
    total_variation,
)
from pipeline.methods.pool import ImagePool, image_pools

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


def test_a_discriminator_pays_half_for_real_and_half_for_fake() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 2.0])
    assert judged_lsgan(real, fake).item() == pytest.approx((2 + 2) / 2)


def test_a_relative_distance_is_1_where_nothing_is_found() -> None:
    wanted = torch.tensor([[1.0, -3.0]])
    assert relative_distance(torch.zeros(1, 2), wanted).item() == pytest.approx(1)
    assert relative_distance(wanted, wanted).item() == 0
    found = torch.tensor([[1.0, -1.0], [1.0, -3.0]])
    assert relative_distance(found, wanted).item() == pytest.approx(0.5 * 4 / (1 + 9))


def test_total_variation_is_the_mean_square_difference_of_neighbours_both_ways() -> None:
    image = torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]]])
    assert total_variation(image).item() == pytest.approx((1 + 9) / 2 + (0 + 4) / 2)


def test_features_differ_by_the_mean_of_their_layers_however_large_these_are() -> None:
    features = [torch.zeros(1, 1, 4, 4), torch.zeros(1, 8, 2, 2)]
    wanted = [torch.full((1, 1, 4, 4), 2.0), torch.full((1, 8, 2, 2), 1.0)]
    assert feature_distance(features, wanted).item() == pytest.approx((4 + 1) / 2)
    with pytest.raises(ValueError, match="shorter"):
        feature_distance(features, wanted[:1])


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


def test_each_pool_has_a_randomness_of_its_own_that_depends_on_the_generator_alone() -> None:
    once, again = (image_pools(("target", "source"), 3, torch.Generator().manual_seed(5)) for _ in range(2))
    exchanged = {name: _exchanged(pool, range(50)) for name, pool in once.items()}
    assert exchanged == {name: _exchanged(pool, range(50)) for name, pool in again.items()}
    assert exchanged["target"] != exchanged["source"]
