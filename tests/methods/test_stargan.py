from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn

from pipeline.datasets.arrays import DomainArrays
from pipeline.datasets.loading import Batch
from pipeline.errors import UserError
from pipeline.methods import stargan
from pipeline.methods.base import Arithmetic, Turn, train_step
from pipeline.methods.stargan import StarGan, gradient_penalty, label_loss, shuffled
from pipeline.networks.stargan import StarGanDiscriminator
from tests.methods.stepping import (
    builder,
    changed,
    first_batch,
    holding_gradients,
    in_blocks,
    learn,
    random_batch,
    step,
    update,
    weights_of,
)
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(StarGan)
# Wide enough for 8 heads.
WIDE = {"generator": {"width": 16, "blocks": 1}, "discriminator": {"width": 16, "layers": 3}}
ATTENTION: list[dict[str, Any]] = [
    {"attention": "generator"},
    {"attention": "generator", "heads": 8},
    {"attention": "both"},
    {"attention": "both", "heads": 8},
]


def labelled(batch: Batch, labels: list[list[int]]) -> Batch:
    """Return a batch whose target faces have these labels; its source faces carry all labels of their cases."""
    known = torch.tensor(labels, dtype=torch.float32)
    return batch | {"target_labels": known, "source_labels": torch.ones_like(known)}


def two_faces() -> Batch:
    """Return two faces of each domain; those of the target have the first label and both."""
    return labelled(random_batch(count=2), [[1, 0], [1, 1]])


class Lighter(nn.Module):
    """Makes an image lighter by a quarter for each label that is asked for."""

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return images + labels.sum(dim=1)[:, None, None, None] / 4


class Critic(nn.Module):
    """Finds a pixel as real as it is bright, twice; is sure by 2 that each image has the first label alone."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return 2 * images, torch.tensor([[2.0, -2]]).expand(len(images), -1)


def with_stubs(monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[StarGan, Turn]:
    """Return a method to be computed by hand: a source image of 0, a target image of .5 with the first label.

    Each is asked for the other's labels.
    """
    method = build(**options)
    method.networks = {"generator": Lighter(), "discriminator": Critic()}
    monkeypatch.setattr(stargan, "shuffled", lambda labels: labels.flip(0))
    images = {"source": torch.zeros(1, 3, 4, 4), "target": torch.full((1, 3, 4, 4), 0.5)}
    return method, Turn(labelled(images, [[1, 0]]), 0)


def cross_entropy(logit: float, label: int) -> float:
    return float(np.log1p(np.exp(-logit if label else logit)))


def test_the_critic_s_losses_are_those_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    method, turn = with_stubs(monkeypatch, lambda_cls=3.0, lambda_gp=5.0)
    losses = method._discriminator_losses(turn)
    # The source has no label, though its case has all; the target has the first.
    wrong, right = cross_entropy(2, 0) + cross_entropy(-2, 0), cross_entropy(2, 1) + cross_entropy(-2, 0)
    expected = {
        "critic": 2 * (0.25 + 0.5) / 2 - 2 * (0 + 0.5) / 2,
        "labels_real": 3 * (wrong + right) / 2,
        "gradient_penalty": 5 * (2 * (3 * 4 * 4) ** 0.5 - 1) ** 2,
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_the_generator_s_losses_are_those_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    method, turn = with_stubs(monkeypatch, lambda_cls=3.0, lambda_rec=7.0)
    losses = method._generator_losses(turn)
    # The source, asked for the first label, is .25; asked back for none it stays so. The target, asked for none, is
    # .5; asked back for its own label it is .75.
    right, wrong = cross_entropy(2, 1) + cross_entropy(-2, 0), cross_entropy(2, 0) + cross_entropy(-2, 0)
    expected = {
        "gan": -2 * (0.25 + 0.5) / 2,
        "labels_fake": 3 * (right + wrong) / 2,
        "reconstruction": 7 * (0.25 + 0.25) / 2,
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_without_labels_there_is_one_that_the_target_has(monkeypatch: pytest.MonkeyPatch) -> None:
    method = build(labels={})
    batch = random_batch(count=2) | {"target_labels": torch.zeros(2, 0)}
    images, labels = method._mixed(Turn(batch, 0))
    assert images.shape == (4, 3, 32, 32)
    assert labels.tolist() == [[0], [0], [1], [1]]
    assert np.isfinite(list(step(method, batch, 1).values())).all()


def test_what_is_asked_for_are_the_batch_s_labels_in_another_order() -> None:
    labels = torch.eye(8)
    torch.manual_seed(0)
    first, second = shuffled(labels), shuffled(labels)
    assert not torch.equal(first, second)
    for asked in (first, second):
        assert sorted(asked.tolist()) == sorted(labels.tolist())


def test_label_losses_are_summed_over_labels_and_averaged_over_images() -> None:
    logits, labels = torch.tensor([[3.0, -1], [0, 2]]), torch.tensor([[1.0, 1], [0, 0]])
    expected = [cross_entropy(3, 1), cross_entropy(-1, 1), cross_entropy(0, 0), cross_entropy(2, 0)]
    assert label_loss(logits, labels).item() == pytest.approx(sum(expected) / 2)


class Slope(nn.Module):
    """Finds an image real by a weight times the sum of its pixels; keeps what it was shown."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.shown: list[Tensor] = []

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.shown.append(images.detach())
        realness = self.weight * images.sum(dim=(1, 2, 3))
        return realness, realness


def test_the_penalty_is_how_far_the_slope_is_from_1() -> None:
    real, fake = torch.rand(2, 3, 2, 2), torch.rand(2, 3, 2, 2)
    norm = 12**0.5
    steep = Slope(3 / norm)
    penalty = gradient_penalty(steep, real, fake)
    assert penalty.item() == pytest.approx((3 - 1) ** 2)
    penalty.backward()
    assert steep.weight.grad.item() == pytest.approx(2 * (3 - 1) * norm)
    assert gradient_penalty(Slope(1 / norm), real, fake).item() == pytest.approx(0, abs=1e-10)


def test_each_image_is_mixed_with_its_fake_in_a_share_of_its_own() -> None:
    critic = Slope(1.0)
    gradient_penalty(critic, torch.ones(64, 3, 2, 2), torch.zeros(64, 3, 2, 2))
    shares = critic.shown[0][:, 0, 0, 0]
    assert torch.equal(critic.shown[0], shares[:, None, None, None].expand(-1, 3, 2, 2))
    assert len(shares.unique()) == 64
    assert 0 <= shares.min() < 0.2
    assert 0.8 < shares.max() <= 1


@pytest.mark.parametrize("heads", [1, 8])
def test_the_penalty_teaches_a_critic_with_attention(heads: int) -> None:
    critic = StarGanDiscriminator(2, 32, 16, 3, attention=True, heads=heads)
    nn.init.constant_(critic.attention.gamma, 0.5)
    gradient_penalty(critic, torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)).backward()
    assert critic.attention.gamma.grad.abs() > 0
    assert critic.attention.values.weight.grad.abs().max() > 0


def test_the_penalty_is_computed_in_full_precision() -> None:
    critic = StarGanDiscriminator(2, 32, 4, 3)
    real, fake = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32).bfloat16()
    torch.manual_seed(0)
    plain = gradient_penalty(critic, real, fake)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = gradient_penalty(critic, real, fake)
    assert torch.equal(plain, mixed)


def test_a_compiled_critic_learns_too() -> None:
    critic = StarGanDiscriminator(2, 32, 4, 3)
    critic.compile(backend="aot_eager", dynamic=False)
    images = torch.rand(1, 3, 32, 32)
    critic(images)
    gradient_penalty(critic, images, images).backward()
    assert next(critic.parameters()).grad.abs().max() > 0


def test_bf16_keeps_the_losses_in_fp32() -> None:
    method = build(attention="both", **WIDE)
    arithmetic = Arithmetic(autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    losses = train_step(method, [Turn(two_faces(), 1)], arithmetic)
    assert len(losses) == 6
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize(("moving", "name"), [(0, "discriminator"), (1, "generator")])
def test_each_phase_moves_its_own_network(moving: int, name: str) -> None:
    method = build()
    assert update(method, method.phases()[moving], Turn(two_faces(), 1)) == {name}
    assert holding_gradients(method) == {name}


def test_the_generator_learns_in_every_fifth_step() -> None:
    method = build(n_critic=5)
    learning = [number for number in range(11) if method.phases()[1].when(number)]
    assert learning == [4, 9]
    before = weights_of(method)
    assert "gan" not in step(method, two_faces(), 3)
    assert changed(before, weights_of(method)) == {"discriminator"}
    assert "gan" in step(method, two_faces(), 4)
    assert changed(before, weights_of(method)) == {"discriminator", "generator"}


@pytest.mark.parametrize("options", ATTENTION, ids=str)
def test_an_attention_whose_gamma_is_0_makes_a_variant_equal_its_base(options: dict[str, Any]) -> None:
    """So are the gradients of all weights that both have."""
    plain, attentive = build(**WIDE), build(**WIDE, **options)
    losses = [_losses_of_both_phases(method) for method in (plain, attentive)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 6
    ours, theirs = _gradients(plain), _gradients(attentive)
    for key, gradient in ours.items():
        torch.testing.assert_close(theirs[key], gradient, rtol=1e-3, atol=1e-5)
    places = {"generator", "discriminator"} if options["attention"] == "both" else {"generator"}
    assert {key.split(".")[0] for key in theirs.keys() - ours.keys()} == places
    for place in places:
        assert theirs[f"{place}.attention.gamma"] != 0, "it learns from the first step on"


def _losses_of_both_phases(method: StarGan) -> dict[str, float]:
    """Return what both phases minimise, and leave the gradients of all of it."""
    found = {}
    for phase in method.phases():
        torch.manual_seed(3)
        losses = phase.losses(Turn(two_faces(), 0))
        torch.stack(list(losses.values())).sum().backward()
        found |= {name: loss.item() for name, loss in losses.items()}
    return found


def _gradients(method: StarGan) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": weights.grad
        for name, network in method.networks.items()
        for key, weights in network.named_parameters()
        if weights.grad is not None
    }


def test_labels_reach_the_loss_as_they_are_on_the_disk(tmp_path: Path) -> None:
    batch = first_batch(tmp_path, "stargan", batch_size=8)
    _, labels = build()._mixed(Turn(batch, 0))
    assert not labels[:8].any()
    assert torch.equal(labels[8:], batch["target_labels"])
    assert labels[8:, 1].all()


def domain_with(labels: list[list[int]]) -> DomainArrays:
    images = np.full((len(labels), 32, 32, 3), 128, np.uint8)
    points = np.zeros((len(labels), 68, 2), np.float32)
    return DomainArrays(images, points, pa.table({"labels": labels}))


def test_a_face_is_translated_to_what_its_case_plans_and_else_to_everything() -> None:
    domain = domain_with([[1, 0], [0, 1], [0, 0]])
    inputs = build().inputs(domain, np.array([2, 0]))
    assert inputs.shape == (2, 5, 32, 32)
    assert (inputs[0, 3:] == 1).all()
    assert (inputs[1, 3] == 1).all()
    assert (inputs[1, 4] == 0).all()
    assert (build(labels={}).inputs(domain_with([[], []]), np.array([0, 1]))[:, 3:] == 1).all()


@torch.no_grad()
def test_the_way_to_the_target_asks_for_the_labels_and_the_way_to_the_source_for_none() -> None:
    method, images = build(), torch.rand(2, 3, 32, 32) * 2 - 1
    labels = torch.tensor([[1.0, 0], [0, 1]])
    inputs = torch.cat([images, labels[:, :, None, None].expand(-1, -1, 32, 32)], dim=1)
    generator, none = method.networks["generator"], torch.zeros(2, 2)
    there, without = generator(images, labels), generator(images, none)
    assert torch.equal(method.translate(inputs, "anime"), there)
    assert torch.equal(method.translate(inputs, "photo"), without)
    assert not torch.equal(there, without)
    back = method.translate_back(inputs, "anime", "photo")
    assert torch.equal(back, generator(there, none))
    assert torch.equal(method.translate_back(inputs, "photo", "anime"), generator(without, labels))


def test_any_labels_can_be_asked_for() -> None:
    method, images = build(), torch.rand(2, 3, 32, 32) * 2 - 1
    one_for_all = method.translate_as(images, torch.tensor([[1.0, 0]]))
    each_its_own = method.translate_as(images, torch.tensor([[1.0, 0], [1, 1]]))
    assert one_for_all.shape == (2, 3, 32, 32)
    assert one_for_all.is_inference()
    torch.testing.assert_close(one_for_all[0], each_its_own[0])
    assert not torch.equal(one_for_all[1], each_its_own[1])
    with pytest.raises(ValueError, match="3 labels are asked for, and the method knows 2"):
        method.translate_as(images, torch.ones(1, 3))


@pytest.mark.parametrize(("labels", "alone"), [({"even": ["even"], "anime": ["anime"]}, 2), ({}, 0)], ids=str)
def test_samples_show_each_label_alone_where_there_are_several(
    tmp_path: Path, labels: dict[str, list[str]], alone: int
) -> None:
    method = build(labels=labels)
    inputs = method.sample_inputs(open_dataset(tmp_path, "stargan", labels=labels), 4)
    columns = method.sample_columns(inputs)
    assert [tuple(column.shape) for column in columns] == (6 + alone) * [(1, 3, 32, 32)]
    assert torch.equal(columns[0], inputs["source"][:, :3])
    assert torch.equal(columns[1], method.translate(inputs["source"], "anime"))
    if alone:
        only_anime = torch.tensor([[0.0, 1]])
        assert torch.equal(columns[3], method.translate_as(inputs["source"][:, :3], only_anime))
    assert torch.equal(columns[3 + alone], inputs["target"][:, :3])


@pytest.mark.parametrize("pairing", ["none", "pair_id"])
def test_pairs_are_what_translations_are_compared_with_and_never_learnt_from(pairing: str) -> None:
    method = build(pairing=pairing)
    assert method.draws == "unpaired"
    expected = "pair" if pairing == "pair_id" else "way_back"
    assert [(way.of, way.to, way.truth) for way in method.ways()] == [
        ("photo", "anime", expected),
        ("anime", "photo", expected),
    ]


def _reconstructions(steps: int, **options: Any) -> list[float]:
    """Return how the way back of one face of each domain is learnt, where it counts much."""
    values = {
        "lambda_rec": 100.0,
        "learning_rate": 4e-3,
        "n_critic": 1,
        "generator": {"width": 8, "blocks": 1},
    }
    method = build(**{**values, **options})
    return learn(method, in_blocks(labelled(random_batch(), [[1, 0]])), steps, "reconstruction")


def test_the_way_back_of_one_batch_is_learnt_to_half_its_loss() -> None:
    history = _reconstructions(40)
    assert min(history[-5:]) < history[0] / 2, history


@pytest.mark.long
@pytest.mark.parametrize("options", [*ATTENTION, {"labels": {}}], ids=str)
def test_every_variant_learns_one_batch_by_heart(options: dict[str, Any]) -> None:
    history = _reconstructions(150, **WIDE, **options)
    assert min(history[-5:]) < history[0] / 4, history


def _cases(random: torch.Generator) -> Batch:
    """Return four faces of each domain; the first label is a red band above, the second a blue one below."""
    labels = torch.tensor([[1.0, 0], [0, 1], [1, 1]])[torch.randint(3, (4,), generator=random)]
    images = torch.rand(8, 3, 4, 4, generator=random) - 0.5
    source, target = images.repeat_interleave(8, 2).repeat_interleave(8, 3).split(4)
    target[:, 0, :8] += 0.8 * labels[:, 0, None, None]
    target[:, 2, 24:] += 0.8 * labels[:, 1, None, None]
    return {"source": source, "target": target, "target_labels": labels}


@pytest.mark.long
def test_each_label_brings_what_faces_with_it_have() -> None:
    """Learnt without pairs, from labels that often come together: each can be asked for alone."""
    options = {"generator": {"width": 16, "blocks": 2}, "discriminator": {"width": 16, "layers": 3}}
    method, random = build(learning_rate=1e-3, **options), torch.Generator().manual_seed(0)
    for number in range(150):
        step(method, _cases(random), number)
    faces = torch.cat([_cases(random)["source"] for _ in range(4)])
    made = {
        asked: method.translate_as(faces, torch.tensor([asked], dtype=torch.float32)) - faces
        for asked in ((0, 0), (1, 0), (0, 1), (1, 1))
    }
    red = {asked: change[:, 0, :8].mean().item() for asked, change in made.items()}
    blue = {asked: change[:, 2, 24:].mean().item() for asked, change in made.items()}
    for other in (0, 1):
        assert red[1, other] > red[0, other] + 0.25, red
        assert blue[other, 1] > blue[other, 0] + 0.25, blue


def test_the_paper_s_numbers_are_the_defaults() -> None:
    options = experiment("stargan", batch_size=8, n_critic=5)
    assert (options.learning_rate, options.lambda_cls, options.lambda_rec, options.lambda_gp) == (
        1e-4,
        1,
        10,
        10,
    )
    method = build()
    assert method.optimizers["generator"].param_groups[0]["betas"] == (0.5, 0.999)
    assert [method.learning_rate_factor(number, 200_000) for number in (0, 99_999, 100_000, 150_000)] == [
        1,
        1,
        1,
        0.5,
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"discriminator": {"width": 4, "layers": 6}},
            r"discriminator\.layers: 6 layers need a larger image than 32 px; set it to 5 or fewer",
        ),
        (
            {"attention": "both", "discriminator": {"width": 4, "layers": 2}},
            "attention: both needs a discriminator of at least 3 layers, got 2",
        ),
        ({"heads": 8}, "heads: 8 heads share an attention; set attention to generator or both"),
        (
            {"attention": "generator", "heads": 8, "generator": {"width": 24}},
            r"heads: 8 heads need a generator\.width that is a multiple of 16, got 24",
        ),
        (
            {"attention": "both", "heads": 8, "generator": {"width": 16}},
            r"heads: 8 heads need a discriminator\.width that is a multiple of 16, got 4",
        ),
        ({"n_critic": 0}, "n_critic must be at least 1"),
        ({"lambda_rec": -1}, "lambda_rec must be at least 0"),
        ({"generator": {"blocks": 0}}, "blocks must be at least 1"),
    ],
    ids=str,
)
def test_options_out_of_range_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        experiment("stargan", **options)
