from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from pipeline.datasets.loading import ROLES, Loader
from pipeline.errors import UserError
from pipeline.methods.base import Turn
from pipeline.methods.cyclegan import GENERATORS, CycleGan
from pipeline.methods.pool import ImagePool
from pipeline.networks.face_features import FaceTrunk
from pipeline.networks.inception_resnet_v1 import InceptionResnetV1
from pipeline.networks.vgg import Vgg16Features, load_vgg16
from tests.methods.stepping import (
    builder,
    changed,
    holding_gradients,
    in_blocks,
    l1,
    learn,
    random_batch,
    step,
    update,
    weights_of,
)
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(CycleGan)


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def random_weights(path: Path, make: Callable[[], torch.nn.Module]) -> Path:
    """Write what no training accepts in place of published weights, but a test does."""
    torch.manual_seed(3)
    torch.save(make().state_dict(), path)
    return path


def to_target(method: CycleGan) -> torch.nn.Module:
    return method.networks["generator_to_target"]


def to_source(method: CycleGan) -> torch.nn.Module:
    return method.networks["generator_to_source"]


def test_losses_are_weighted_as_in_the_paper() -> None:
    method, batch = build(lambda_cycle=4, lambda_identity=0.25), random_batch()
    source, target = batch["source"], batch["target"]
    with torch.no_grad():
        fake = to_target(method)(source)
        judged = method.networks["discriminator_target"](fake)
        expected = {
            "gan_target": ((judged - 1) ** 2).mean().item(),
            "cycle_source": 4 * l1(to_source(method)(fake), source),
            "cycle_target": 4 * l1(to_target(method)(to_source(method)(target)), target),
            "identity_target": l1(to_target(method)(target), target),
            "identity_source": l1(to_source(method)(source), source),
        }
        real = method.networks["discriminator_target"](target)
        expected["discriminator_target"] = (((real - 1) ** 2).mean() + (judged**2).mean()).item() / 2
    losses = step(method, batch)
    assert {name: losses[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert len(losses) == 8


def test_the_first_update_moves_the_generators_and_the_second_the_discriminators() -> None:
    method, turn = build(), Turn(random_batch(), 0)
    moved = [update(method, phase, turn) for phase in method.phases()]
    assert moved == [set(GENERATORS), {"discriminator_target", "discriminator_source"}]


def test_discriminators_gather_no_gradient_while_generators_learn() -> None:
    method = build()
    update(method, method.phases()[0], Turn(random_batch(), 0))
    assert holding_gradients(method) == set(GENERATORS)


def test_discriminators_judge_fakes_of_the_pool() -> None:
    method = build(pool_size=2)
    assert isinstance(method.pools["target"], ImagePool)
    for _ in range(3):
        step(method, random_batch())
    state = method.state_dict()
    assert {role: len(pool["images"]) for role, pool in state.items()} == {"target": 2, "source": 2}
    other = build(pool_size=2)
    other.load_state_dict(state, torch.device("cpu"))
    fakes = torch.zeros(20, 3, 32, 32)
    assert torch.equal(method.pools["source"].exchange(fakes), other.pools["source"].exchange(fakes))


@pytest.mark.parametrize(("lambda_identity", "passes"), [(0.5, 6), (0, 4)])
def test_without_identity_no_image_is_made_for_it(lambda_identity: float, passes: int) -> None:
    method, count = build(lambda_identity=lambda_identity), []
    for name in GENERATORS:
        method.networks[name].register_forward_hook(lambda *_: count.append(1))
    losses = step(method, random_batch())
    assert len(count) == passes
    assert ("identity_target" in losses) == (lambda_identity > 0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"generator": {"width": 4, "blocks": 2, "upsample": "resize"}},
        {"attention": "both"},
        {"conditions": ["landmarks"]},
        {"landmarks": "attention"},
    ],
    ids=str,
)
def test_the_way_back_of_one_batch_is_learnt_to_half_its_loss(options: dict) -> None:
    method = build(**options, learning_rate=4e-3)
    batch = in_blocks(random_batch(len(method.conditions)))
    cycles = learn(method, batch, 24, "cycle_source", "cycle_target")
    assert cycles[-1] < cycles[0] / 2


@pytest.mark.parametrize("attention", ["generator", "both"])
def test_attention_changes_nothing_at_first(attention: str) -> None:
    plain, method, batch = build(), build(attention=attention), random_batch()
    before = step(plain, batch)
    assert step(method, batch) == before
    for networks, has_attention in ((GENERATORS, True), (("discriminator_target",), attention == "both")):
        for name in networks:
            gammas = [value for key, value in method.networks[name].named_parameters() if "gamma" in key]
            assert len(gammas) == has_attention
            assert all(gamma.item() != 0 for gamma in gammas)  # it has learnt since


def test_upsampling_by_resizing_takes_the_place_of_transposed_convolutions() -> None:
    method = build(generator={"width": 4, "blocks": 2, "upsample": "resize"})
    assert not any(isinstance(module, torch.nn.ConvTranspose2d) for module in to_target(method).modules())


# Document 003: the perceptual loss.


@pytest.fixture(scope="module")
def vgg16_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_weights(tmp_path_factory.mktemp("vgg") / "vgg16.pth", Vgg16Features)


def test_the_perceptual_loss_is_the_mean_over_four_layers_of_the_way_back(vgg16_file: Path) -> None:
    method, batch = build(lambda_perceptual=3, perceptual_weights=str(vgg16_file)), random_batch()
    source, vgg = batch["source"], load_vgg16(vgg16_file)
    with torch.no_grad():
        back = to_source(method)(to_target(method)(source))
        layers = list(zip(vgg(source), vgg(back), strict=True))
    losses = step(method, batch)
    assert [real.shape[1] for real, _ in layers] == [64, 128, 256, 512]
    by_layer = [mse_loss(real, reconstructed).item() for real, reconstructed in layers]
    assert losses["perceptual_source"] == pytest.approx(3 * np.mean(by_layer), rel=1e-4)
    assert losses["perceptual_target"] > 0


def test_the_perceptual_loss_teaches_both_generators(vgg16_file: Path) -> None:
    weights = {"lambda_cycle": 0, "lambda_perceptual": 1, "perceptual_weights": str(vgg16_file)}
    method, turn = build(**weights), Turn(random_batch(), 0)
    losses = method.phases()[0].losses(turn)
    losses["perceptual_source"].backward()
    for name in GENERATORS:
        assert max(weight.grad.abs().max().item() for weight in method.networks[name].parameters()) > 0


def test_reading_the_perceptual_network_leaves_the_randomness_of_the_training_alone(vgg16_file: Path) -> None:
    method = build(lambda_perceptual=1, perceptual_weights=str(vgg16_file))
    before = torch.get_rng_state()
    step(method, random_batch())
    assert torch.equal(torch.get_rng_state(), before)


def test_the_perceptual_network_is_neither_saved_nor_needed_to_translate() -> None:
    method = build(lambda_perceptual=1)
    assert len(method.networks) == 4
    assert method.translate(random_batch()["source"], "anime").shape == (1, 3, 32, 32)


def test_without_perceptual_weights_training_stops_with_the_command_that_fetches_them() -> None:
    with pytest.raises(UserError, match="run python -m pipeline weights fetch vgg16"):
        step(build(lambda_perceptual=1), random_batch())


def test_perceptual_weights_other_than_the_published_ones_are_refused(
    nothing_fetched: Path, vgg16_file: Path
) -> None:
    nothing_fetched.mkdir(parents=True)
    (nothing_fetched / "vgg16-397923af.pth").write_bytes(vgg16_file.read_bytes())
    with pytest.raises(UserError, match=r"not the one known \(397923af… stated in the file's name\)"):
        step(build(lambda_perceptual=1), random_batch())


def test_a_mistyped_path_of_perceptual_weights_is_named() -> None:
    with pytest.raises(UserError, match=r"perceptual_weights: no/vgg\.pth is neither a file nor the name"):
        step(build(lambda_perceptual=1, perceptual_weights="no/vgg.pth"), random_batch())


# Document 003: what it compares with.


def test_pixel_consistency_compares_with_the_partner_of_a_pair() -> None:
    method, batch = build(lambda_pixel=7, pairing="pair_id"), random_batch()
    with torch.no_grad():
        expected = 7 * l1(to_target(method)(batch["source"]), batch["target"])
    assert step(method, batch)["pixel_target"] == pytest.approx(expected, rel=1e-5)
    assert method.draws == "pairs"
    assert build(pairing="pair_id").draws == "unpaired"


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_weights(tmp_path_factory.mktemp("encoder") / "encoder.pt", InceptionResnetV1)


def test_face_features_start_as_published_and_stay_so(encoder_file: Path) -> None:
    method, batch = build(encoder="face_features", encoder_weights=str(encoder_file)), random_batch()
    method.prepare()
    published = torch.load(encoder_file, weights_only=True)
    before = weights_of(method)
    step(method, batch)
    assert changed(before, weights_of(method)) == set(method.networks)
    for name in GENERATORS:
        trunk = method.networks[name].trunk
        assert isinstance(trunk, FaceTrunk)
        assert all(torch.equal(value, published[key]) for key, value in trunk.layers.state_dict().items())
    assert method.translate(batch["source"], "anime").shape == (1, 3, 32, 32)


def test_face_features_without_their_weights_are_named_when_training_starts_and_not_before() -> None:
    method = build(encoder="face_features")
    assert method.translate(random_batch()["source"], "anime").shape == (1, 3, 32, 32)
    with pytest.raises(UserError, match="run python -m pipeline weights fetch inception-resnet-v1"):
        method.prepare()


def test_other_encoders_have_nothing_to_prepare() -> None:
    method = build()
    before = weights_of(method)
    method.prepare()
    assert not changed(before, weights_of(method))


# Document 004: landmarks and colours.


@pytest.mark.parametrize(
    ("conditions", "channels"), [(["landmarks"], 4), (["colors"], 12), (["colors", "landmarks"], 13)]
)
def test_conditions_are_channels_in_and_out(tmp_path: Path, conditions: list[str], channels: int) -> None:
    dataset = open_dataset(tmp_path, "cyclegan", conditions=conditions)
    method = build(conditions=conditions)
    inputs = method.inputs(dataset.domains["photo"], np.array([1, 2]))
    assert inputs.shape == (2, channels, 32, 32)
    with torch.no_grad():
        there = to_target(method)(inputs)
        back = to_source(method)(there)
    assert there.shape == (2, channels, 32, 32)
    torch.testing.assert_close(method.translate(inputs, "anime"), there[:, :3])
    torch.testing.assert_close(method.translate_back(inputs, "anime", "photo"), back[:, :3])
    alone = method.translate(inputs[1:], "anime")
    torch.testing.assert_close(alone, there[1:, :3])

    loader = Loader(dataset, method.options, 0, method.draws, method.conditions)
    losses = step(method, loader.batch(0))
    assert {"plane_identity_target", "plane_identity_source"} < losses.keys()


def test_planes_are_part_of_cycle_and_identity_and_of_what_is_judged_and_pooled() -> None:
    method, batch = build(conditions=["landmarks"]), random_batch(planes=1)
    source, target = (torch.cat([batch[role], batch[f"{role}_planes"]], dim=1) for role in ROLES)
    with torch.no_grad():
        fake = to_target(method)(source)
        expected = {
            "gan_target": ((method.networks["discriminator_target"](fake) - 1) ** 2).mean().item(),
            "cycle_source": 10 * l1(to_source(method)(fake), source),
            "identity_target": 5 * l1(to_target(method)(target), target),
            "plane_identity_target": l1(fake[:, 3:], source[:, 3:]),
        }
    losses = step(method, batch)
    assert {name: losses[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert method.state_dict()["target"]["images"][0].shape == (4, 32, 32)


def test_a_copied_plane_has_no_plane_identity_loss() -> None:
    method, batch = build(conditions=["landmarks"]), random_batch(planes=1)
    method.networks["generator_to_target"] = torch.nn.Identity()
    turn = Turn(batch, 0)
    method.phases()[0].losses(turn)
    assert turn.logged["plane_identity_target"] == 0
    assert turn.logged["plane_identity_source"] > 0


@pytest.mark.parametrize(
    ("conditions", "place"), [(["landmarks", "colors"], 3), (["colors", "landmarks"], 12)]
)
def test_samples_show_the_landmarks_that_go_in_and_come_out(
    tmp_path: Path, conditions: list[str], place: int
) -> None:
    dataset, method = open_dataset(tmp_path, "cyclegan", conditions=conditions), build(conditions=conditions)
    inputs = method.sample_inputs(dataset, 4)
    columns = method.sample_columns(inputs)
    assert [column.shape[1] for column in columns] == [3, 1, 3, 1, 3] * 2
    given = inputs["source"]
    assert torch.equal(columns[1], given[:, place : place + 1])
    with torch.no_grad():
        torch.testing.assert_close(columns[3], to_target(method)(given)[:, place : place + 1])


def test_samples_without_landmarks_are_three_images_each_way(tmp_path: Path) -> None:
    dataset, method = open_dataset(tmp_path, "cyclegan"), build()
    columns = method.sample_columns(method.sample_inputs(dataset, 4))
    assert [column.shape for column in columns] == [(1, 3, 32, 32)] * 6


def guided() -> CycleGan:
    """Return a method whose landmark attention has learnt something."""
    method = build(landmarks="attention")
    for name in GENERATORS:
        torch.nn.init.constant_(method.networks[name].landmark_attention.soften.weight, 0.5)
    return method


def test_landmark_attention_changes_nothing_at_first() -> None:
    batch = random_batch(planes=1)
    plain = step(build(), {role: batch[role] for role in ROLES})
    assert step(build(landmarks="attention"), batch) == plain


def test_landmark_attention_guides_there_and_back_by_the_landmarks_of_the_input(tmp_path: Path) -> None:
    dataset, method = open_dataset(tmp_path, "cyclegan", landmarks="attention"), guided()
    inputs = method.inputs(dataset.domains["photo"], np.array([1, 2]))
    assert inputs.shape == (2, 4, 32, 32)
    images, guide = inputs[:, :3], inputs[:, 3:]
    with torch.no_grad():
        there = to_target(method)(images, guide)
        back = to_source(method)(there, guide)
        elsewhere = to_target(method)(images, guide.flip(-1))
    torch.testing.assert_close(method.translate(inputs, "anime"), there)
    torch.testing.assert_close(method.translate_back(inputs, "anime", "photo"), back)
    assert not torch.equal(there, elsewhere)
    assert [column.shape[1] for column in method.sample_columns({"source": inputs, "target": inputs})] == [
        3
    ] * 6


def test_landmark_attention_guides_every_loss_by_the_input(tmp_path: Path) -> None:
    method, batch = guided(), random_batch(planes=1)
    source, guide = batch["source"], batch["source_planes"]
    with torch.no_grad():
        fake = to_target(method)(source, guide)
        expected = {
            "gan_target": ((method.networks["discriminator_target"](fake) - 1) ** 2).mean().item(),
            "cycle_source": 10 * l1(to_source(method)(fake, guide), source),
            "identity_source": 5 * l1(to_source(method)(source, guide), source),
        }
    losses = step(method, batch)
    assert {name: losses[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_landmarks_that_guide_and_colours_in_planes_go_together(tmp_path: Path) -> None:
    options: dict[str, Any] = {"landmarks": "attention", "conditions": ["colors"]}
    dataset, method = open_dataset(tmp_path, "cyclegan", **options), build(**options)
    assert method.conditions == ("colors", "landmarks")
    inputs = method.inputs(dataset.domains["photo"], np.array([1]))
    with torch.no_grad():
        torch.testing.assert_close(
            method.translate(inputs, "anime"), to_target(method)(inputs[:, :12], inputs[:, 12:])[:, :3]
        )
    loader = Loader(dataset, method.options, 0, method.draws, method.conditions)
    assert np.isfinite(list(step(method, loader.batch(0)).values())).all()


@pytest.mark.parametrize("options", [{"landmarks": "attention"}, {"conditions": ["landmarks"]}], ids=str)
def test_faces_without_landmarks_are_left_out_where_landmarks_are_asked_for(options: dict) -> None:
    assert experiment("cyclegan", **options).needs_landmarks
    assert not experiment("cyclegan").needs_landmarks


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"lambda_pixel": 1}, "lambda_pixel needs pairs"),
        ({"lambda_perceptual": -1}, "lambda_perceptual must be at least 0"),
        ({"landmarks": "attention", "conditions": ["landmarks"]}, "leave them out of conditions"),
        ({"conditions": ["colors", "colors"]}, "conditions must name landmarks and colors once"),
        ({"encoder": "face_features", "conditions": ["colors"]}, "takes images alone"),
        ({"encoder": "face_features", "attention": "generator"}, "has no place for attention"),
        ({"attention": "both", "discriminator": {"layers": 1}}, "at least 2 layers"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together_are_named(options: dict, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        experiment("cyclegan", **options)


@pytest.mark.parametrize("options", [{}, {"attention": "both"}, {"conditions": ["landmarks"]}], ids=str)
def test_equal_seeds_give_equal_trainings(options: dict) -> None:
    def trained() -> list[dict[str, float]]:
        method = build(**options)
        return [step(method, random_batch(len(method.conditions))) for _ in range(2)]

    assert trained() == trained()
