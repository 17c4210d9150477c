from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pipeline.datasets.loading import ROLES
from pipeline.methods.base import Turn, Way, train_step
from pipeline.methods.cut import Cut, patch_nce
from tests.methods.stepping import builder, changed, first_batch, learn, update, weights_of
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(Cut)


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every coin that a step throws shows heads: FastCUT mirrors the image."""
    rand = torch.rand
    monkeypatch.setattr(torch, "rand", lambda *size: torch.zeros(()) if size == ((),) else rand(*size))


def test_patch_nce_is_the_cross_entropy_of_the_own_place() -> None:
    """Two places whose keys are 60 degrees apart, T = 0.5: likenesses 1/T and 0.5/T, the queries being the keys."""
    keys = torch.tensor([[[1.0, 0.0], [0.5, math.sqrt(3) / 2]]])
    by_hand = -math.log(math.exp(2) / (math.exp(2) + math.exp(1)))
    assert patch_nce(keys, keys, 0.5).item() == pytest.approx(by_hand, rel=1e-6)
    swapped = -math.log(math.exp(1) / (math.exp(2) + math.exp(1)))
    assert patch_nce(keys.flip(1), keys, 0.5).item() == pytest.approx(swapped, rel=1e-6)


def test_patch_nce_vanishes_where_places_agree_and_differ_from_all_others() -> None:
    places = torch.eye(16)[None]
    assert patch_nce(places, places, 0.07).item() == pytest.approx(15 * math.exp(-1 / 0.07), rel=1e-2)
    assert patch_nce(places, places, 0.01).item() < 1e-12
    assert patch_nce(places, -places, 0.07).item() > 14


def test_patch_nce_of_places_that_all_look_alike_is_that_of_a_guess() -> None:
    alike = torch.nn.functional.normalize(torch.ones(1, 10, 4), dim=-1)
    assert patch_nce(alike, alike, 0.07).item() == pytest.approx(math.log(10), rel=1e-6)


def test_the_negatives_are_of_the_same_image() -> None:
    """Another image with the same vectors would make every place ambiguous."""
    places = torch.eye(4)[None]
    alone, together = (
        patch_nce(places, places, 0.07),
        patch_nce(places.repeat(3, 1, 1), places.repeat(3, 1, 1), 0.07),
    )
    torch.testing.assert_close(alone, together)


def test_patch_nce_is_computed_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    queries, keys = (torch.nn.functional.normalize(torch.randn(1, 8, 16), dim=-1) for _ in range(2))
    exact = patch_nce(queries, keys, 0.07)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(patch_nce(queries, keys, 0.07), exact)


def test_the_variants_are_the_papers() -> None:
    cut, fast = build(), build(variant="fast")
    assert (cut.lambda_nce, cut.with_identity) == (1, True)
    assert (fast.lambda_nce, fast.with_identity) == (10, False)
    own = build(variant="fast", lambda_nce=3, identity=True)
    assert (own.lambda_nce, own.with_identity) == (3, True)
    assert build(generator={"width": 4, "blocks": 9}).layers == (0, 4, 8, 12, 16)


def test_learning_rates_fall_over_the_second_half_or_the_last_quarter() -> None:
    cut, fast = build(), build(variant="fast")
    for method, factors in ((cut, [1, 1, 1, 0.5, 0]), (fast, [1, 1, 1, 1, 0])):
        assert [method.learning_rate_factor(step, 400) for step in (0, 100, 200, 300, 400)] == factors
    assert fast.learning_rate_factor(350, 400) == 0.5
    assert fast.learning_rate_factor(0, 1) == 1
    for optimizer in cut.optimizers.values():
        assert optimizer.defaults["betas"] == (0.5, 0.999)


@pytest.mark.parametrize("variant", ["cut", "fast"])
def test_losses_are_those_of_the_paper(tmp_path: Path, variant: str, heads: None) -> None:
    batch, method = first_batch(tmp_path, "cut", variant=variant), build(variant=variant, patches=10_000)
    generator, sampler, judge = (method.networks[name] for name in ("generator", "sampler", "discriminator"))
    turned = (lambda maps: maps.flip(-1)) if variant == "fast" else (lambda maps: maps)

    def nce(image: Tensor) -> Tensor:
        features = [turned(maps) for maps in generator.features(generator(turned(image)), method.layers)]
        keys = generator.features(image, method.layers)
        places = [torch.arange(maps.shape[-2] * maps.shape[-1]) for maps in keys]
        vectors = zip(sampler(features, places), sampler(keys, places), strict=True)
        layers = []
        for query, key in vectors:
            likeness = (query @ key.transpose(1, 2) / 0.07)[0]
            layers.append((likeness.logsumexp(dim=1) - likeness.diagonal()).mean())
        return sum(layers) / len(layers)

    turn = Turn(batch, 0)
    discriminator_phase, generator_phase = method.phases()
    with torch.no_grad():
        fake = generator(turned(batch["source"]))
        first = discriminator_phase.losses(turn)
        losses = generator_phase.losses(turn)
        real_loss, fake_loss = ((judge(batch["target"]) - 1) ** 2).mean(), (judge(fake) ** 2).mean()
        torch.testing.assert_close(first, {"discriminator": 0.5 * (real_loss + fake_loss)})
        expected = {"gan": ((judge(fake) - 1) ** 2).mean()}
        if variant == "fast":
            expected["nce"] = 10 * nce(batch["source"])
        else:
            expected["nce"] = 0.5 * nce(batch["source"])
            expected["nce_identity"] = 0.5 * nce(batch["target"])
        torch.testing.assert_close(losses, expected, rtol=1e-4, atol=1e-5)


def test_fastcut_mirrors_half_of_the_images(tmp_path: Path) -> None:
    batch, method = first_batch(tmp_path, "cut", variant="fast"), build(variant="fast")
    straight = method.networks["generator"](batch["source"])
    torch.manual_seed(0)
    mirrored = []
    for step in range(40):
        turn = Turn(batch, step)
        with torch.no_grad():
            method.phases()[0].losses(turn)
        mirrored.append(bool(turn["mirrored"]))
        assert torch.allclose(turn["fake"], straight, atol=1e-5) != mirrored[-1]
    assert 10 < sum(mirrored) < 30


def test_cut_mirrors_no_image(tmp_path: Path, heads: None) -> None:
    batch, method = first_batch(tmp_path, "cut"), build()
    turn = Turn(batch, 0)
    method.phases()[0].losses(turn)
    torch.testing.assert_close(turn["fake"], method.networks["generator"](batch["source"]))
    torch.testing.assert_close(turn["same"], method.networks["generator"](batch["target"]))


def test_an_image_and_its_translation_are_read_at_the_same_places_drawn_anew_each_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, method = first_batch(tmp_path, "cut"), build()
    read: list[list[Tensor]] = []
    sampler = method.networks["sampler"]
    sampler.register_forward_pre_hook(lambda _, given: read.append(given[1]))
    for step in range(2):
        turn = Turn(batch, step)
        torch.manual_seed(step)
        for phase in method.phases():
            phase.losses(turn)
    assert len(read) == 8, "two steps, source and identity, keys and queries"
    for keys, queries in zip(read[::2], read[1::2], strict=True):
        assert all(torch.equal(*both) for both in zip(keys, queries, strict=True))
        assert all(len(places) == len(places.unique()) == 8 for places in keys)
    assert not any(torch.equal(read[0][0], other[0]) for other in read[2::2])


def test_small_layers_give_all_the_places_they_have(tmp_path: Path) -> None:
    method = build(patches=100)
    read: list[list[Tensor]] = []
    method.networks["sampler"].register_forward_pre_hook(lambda _, given: read.append(given[1]))
    losses = train_step(method, [Turn(first_batch(tmp_path, "cut"), 0)])
    assert [len(places) for places in read[0]] == [100, 100, 100, 64, 64][: len(read[0])]
    assert math.isfinite(losses["nce"])


def test_each_phase_moves_its_own_networks(tmp_path: Path) -> None:
    method, turn = build(), Turn(first_batch(tmp_path, "cut"), 0)
    moved = [update(method, phase, turn) for phase in method.phases()]
    assert moved == [{"discriminator"}, {"generator", "sampler"}]


def test_keys_teach_nothing(tmp_path: Path) -> None:
    """The features of the given image are what is to be found; only those of what was made of it learn."""
    method, batch = build(), first_batch(tmp_path, "cut")
    batch = batch | {"source": batch["source"].requires_grad_()}
    made = method.networks["generator"](batch["source"]).detach()
    turn = Turn(batch, 0)
    turn.hold(mirrored=torch.tensor(False), fake=made)
    method._nce(turn, "source", "fake").backward()
    assert batch["source"].grad is None
    assert any(weights.grad is not None for weights in method.networks["sampler"].parameters())


@pytest.mark.parametrize("variant", ["cut", "fast"])
def test_one_batch_is_learnt_by_heart(tmp_path: Path, variant: str) -> None:
    """The patches' cross entropy falls to less than half, in an image whose places all differ."""
    method = build(variant=variant, learning_rate=1e-2, lambda_gan=0)
    torch.manual_seed(0)
    spots = {role: 2 * torch.rand(1, 3, 8, 8) - 1 for role in ROLES}
    batch = {role: interpolate(image, size=32, mode="bilinear") for role, image in spots.items()}
    history = learn(method, batch, 20, "nce")
    assert np.mean(history[-10:]) < history[0] / 2, (history[0], history[-10:])


def test_steps_are_repeated_from_the_state_of_the_global_generator(tmp_path: Path) -> None:
    batch = first_batch(tmp_path, "cut", variant="fast")
    results = []
    for _ in range(2):
        method = build(variant="fast")
        torch.manual_seed(3)
        learn(method, batch, 3)
        results.append(weights_of(method))
    assert not changed(*results)


def test_a_translation_depends_on_its_own_input_alone(tmp_path: Path) -> None:
    method = build()
    photos = open_dataset(tmp_path, "cut").domains["photo"]
    inputs = method.inputs(photos, np.array([1, 2, 3]))
    together = method.translate(inputs, "anime")
    assert together.shape == (3, 3, 32, 32)
    assert not together.requires_grad
    torch.testing.assert_close(together[1:2], method.translate(inputs[1:2], "anime"))
    assert method.translate(inputs[:, :, :27, :30], "anime").shape == (3, 3, 27, 30)


def test_there_is_no_way_back() -> None:
    assert build().ways() == (Way("photo", "anime", "none"),)
    with pytest.raises(ValueError, match="images of anime only, not of photo"):
        build().translate(torch.zeros(1, 3, 32, 32), "photo")


def test_samples_show_both_domains(tmp_path: Path) -> None:
    method, dataset = build(), open_dataset(tmp_path, "cut")
    columns = method.sample_columns(method.sample_inputs(dataset, 4))
    assert [tuple(column.shape) for column in columns] == [(1, 3, 32, 32)] * 4
    torch.testing.assert_close(columns[1], method.translate(columns[0], "anime"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda_nce": -1}, "lambda_nce must be at least 0, got -1"),
        ({"temperature": 0}, "temperature must be above 0, got 0"),
        ({"patches": 0}, "patches must be at least 1, got 0"),
        ({"generator": {"upsample": "resize"}}, "generator: upsample unknown; there are blocks, width"),
    ],
)
def test_options_that_make_no_sense_are_said(options: dict, message: str) -> None:
    with pytest.raises(Exception, match=message):
        experiment("cut", **options)
