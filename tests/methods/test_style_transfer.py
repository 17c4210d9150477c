"""Style transfer: what is gathered, what is learnt, what is sought, and with which network's eyes."""

import gc
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from pipeline.datasets.loading import Loader
from pipeline.errors import UserError
from pipeline.experiments import read_experiment
from pipeline.experiments.styles import StyleTransfer as Options
from pipeline.methods.base import Turn
from pipeline.methods.losses import relative_distance
from pipeline.methods.style_transfer import StyleTransfer
from pipeline.networks.style_features import FaceStyle, gram, moments
from pipeline.networks.vgg import Vgg19Features
from pipeline.training.checkpoints import load_weights
from pipeline.training.loop import train
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
from tests.methods.tiny_dataset import experiment, open_dataset, write_dataset, write_tagger

NAME = "style-transfer"
GATYS: dict[str, Any] = {"variant": "gatys", "adain": {}, "gatys": {"iterations": 5}}
VGG19: dict[str, Any] = {"perceptual_weights": "vgg19", "backbone": None}

build = builder(StyleTransfer)


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def vgg19_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of weights that no training accepts in place of published ones, but a test does."""
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.manual_seed(3)
    torch.save(Vgg19Features((30,)).state_dict(), path)
    return path


def style_of(method: StyleTransfer) -> FaceStyle:
    style = method.networks["style"]
    assert isinstance(style, FaceStyle)
    return style


def with_style(seed: int = 0, **options: Any) -> StyleTransfer:
    """Return a method that has seen some faces."""
    method = build(seed, **options)
    step(method, random_batch(count=2))
    return method


# What is gathered.


def test_gatys_learns_nothing_and_gathers_the_mean_gram_matrices_of_the_target_s_faces() -> None:
    method = build(**GATYS)
    batches = [random_batch(count=2, seed=seed) for seed in (1, 2, 3)]
    losses = [step(method, {"target": batch["target"]}, number) for number, batch in enumerate(batches)]
    assert [loss.keys() for loss in losses] == 3 * [{"style_spread"}]
    assert method.optimizers == {}
    assert method.draws == "target"
    faces = torch.cat([batch["target"] for batch in batches])
    with torch.no_grad():
        expected = [gram(each).mean(dim=0) for each in style_of(method)(faces).style]
    for mean, wanted in zip(style_of(method).means, expected, strict=True):
        torch.testing.assert_close(mean.data, wanted, rtol=1e-4, atol=1e-7)


def test_adain_gathers_the_means_of_mean_and_deviation_of_the_content_s_maps() -> None:
    method = build()
    batches = [random_batch(count=2, seed=seed) for seed in (1, 2)]
    for number, batch in enumerate(batches):
        step(method, batch, number)
    faces = torch.cat([batch["target"] for batch in batches])
    with torch.no_grad():
        expected = moments(style_of(method)(faces).content)
    for mean, each in zip(style_of(method).means, expected, strict=True):
        torch.testing.assert_close(mean.data, each.mean(dim=0), rtol=1e-4, atol=1e-6)


def test_the_spread_is_0_for_faces_that_are_all_alike() -> None:
    face = random_batch()["target"]
    assert step(build(**GATYS), {"target": face.expand(3, -1, -1, -1)})["style_spread"] < 1e-8
    assert step(build(**GATYS), random_batch(count=3))["style_spread"] > 1e-4


# What is learnt.


def test_each_phase_moves_its_own_network_and_the_encoder_stays() -> None:
    method, turn = build(), Turn(random_batch(count=2), 0)
    before = {name: value.clone() for name, value in style_of(method).encoder.state_dict().items()}
    decoder, gather = method.phases()
    assert update(method, decoder, turn) == {"decoder"}
    assert holding_gradients(method) == {"decoder"}
    assert update(method, gather, turn) == {"style"}
    after = style_of(method).encoder.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_losses_are_the_distance_to_the_restyled_features_and_of_all_statistics() -> None:
    method, batch = build(adain={"width": 8, "lambda_content": 3.0, "lambda_style": 5.0}), random_batch()
    look = style_of(method)
    with torch.no_grad():
        content, style = look(batch["source"]).content, look(batch["target"])
        (own_mean, own), (mean, deviation) = moments(content), moments(style.content)
        wanted = (content - own_mean[..., None, None]) / own[..., None, None]
        wanted = wanted * deviation[..., None, None] + mean[..., None, None]
        made = look(method.networks["decoder"](wanted))
        statistics = [
            mse_loss(found, meant)
            for layer, other in zip(made.style, style.style, strict=True)
            for found, meant in zip(moments(layer), moments(other), strict=True)
        ]
    losses = step(method, batch)
    assert len(statistics) == 2 * 3
    assert losses["content"] == pytest.approx(3 * mse_loss(made.content, wanted).item(), rel=1e-3)
    assert losses["style"] == pytest.approx(5 * sum(each.item() for each in statistics), rel=1e-3)


def test_the_learning_rate_falls_as_the_authors_have_it() -> None:
    method = build(adain={"width": 8, "learning_rate_decay": 0.5})
    assert [method.learning_rate_factor(number, 10) for number in (0, 2, 6)] == [1, 1 / 2, 1 / 4]


def test_one_batch_is_learnt_by_heart(tmp_path: Path) -> None:
    options = {"learning_rate": 3e-3}
    method, batch = build(**options), in_blocks(first_batch(tmp_path, NAME, **options))
    history = learn(method, batch, 40, "content", "style")
    assert history[-1] < history[0] / 5, history


# What is translated.


@pytest.mark.parametrize("options", [{}, GATYS, {**GATYS, "gatys": {"iterations": 5, "optimizer": "adam"}}])
def test_a_translation_is_repeatable_draws_nothing_and_needs_no_gradients_of_its_caller(
    options: dict[str, Any],
) -> None:
    method, inputs = with_style(**options), random_batch(count=2)["source"]
    randomness = torch.get_rng_state()
    first = method.translate(inputs, "anime")
    with torch.inference_mode():
        again = method.translate(inputs, "anime")
        alone = method.translate(inputs[1:], "anime")
    assert torch.equal(randomness, torch.get_rng_state())
    assert not first.requires_grad
    assert not holding_gradients(method) - {"decoder"}
    torch.testing.assert_close(first, again)
    torch.testing.assert_close(alone, first[1:], rtol=1e-4, atol=1e-5)
    assert first.abs().max() <= 1


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_what_is_sought_has_more_of_the_style_the_longer_it_is_sought(optimizer: str) -> None:
    inputs, target = random_batch(seed=1)["source"], in_blocks(random_batch(count=2, seed=2))["target"]
    distances = []
    for iterations in (1, 10, 40):
        options = {"optimizer": optimizer, "iterations": iterations, "lambda_content": 0.0, "lambda_tv": 0.0}
        method = build(**{**GATYS, "gatys": options})
        step(method, {"target": target})
        with torch.no_grad():
            seen = style_of(method)(method.translate(inputs, "anime")).style
        means = style_of(method).means
        distances.append(
            sum(relative_distance(gram(f)[0], w).item() for f, w in zip(seen, means, strict=True))
        )
    assert distances[0] > distances[1] > distances[2]


def test_without_a_style_to_take_on_an_image_stays_what_it_is() -> None:
    method = build(**{**GATYS, "gatys": {"iterations": 5, "lambda_style": 0.0, "lambda_tv": 0.0}})
    step(method, random_batch())
    inputs = random_batch()["source"]
    torch.testing.assert_close(method.translate(inputs, "anime"), inputs)


def test_total_variation_alone_smooths() -> None:
    method = build(**{**GATYS, "gatys": {"iterations": 5, "lambda_style": 0.0, "lambda_content": 0.0}})
    step(method, random_batch())
    inputs = random_batch()["source"]
    smooth = method.translate(inputs, "anime")
    assert smooth.diff(dim=-1).abs().mean() < inputs.diff(dim=-1).abs().mean() / 2


def test_the_loss_of_an_image_is_weighted_as_the_options_say() -> None:
    options = {"lambda_content": 2.0, "lambda_style": 3.0, "lambda_tv": 5.0}
    method = with_style(**{**GATYS, "gatys": options})
    image, other = random_batch(seed=4)["source"], random_batch(seed=5)["source"]
    style = style_of(method)
    with torch.no_grad():
        seen, content = style(image), style(other).content
        found = method._image_loss(image, content, list(style.means)).item()
    relative = [
        ((gram(each)[0] - mean) ** 2).sum().item() / (mean**2).sum().item()
        for each, mean in zip(seen.style, style.means, strict=True)
    ]
    expected = 2 * ((seen.content - content) ** 2).sum().item() / (content**2).sum().item()
    expected += 3 * sum(relative) / 5
    squares = [(image[..., 1:] - image[..., :-1]) ** 2, (image[..., 1:, :] - image[..., :-1, :]) ** 2]
    expected += 5 * sum(each.mean().item() for each in squares)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("options", [{}, GATYS])
def test_an_example_gives_its_style_each_its_own_or_one_for_all(options: dict[str, Any]) -> None:
    method = with_style(**options)
    inputs, examples = random_batch(count=2, seed=6)["source"], in_blocks(random_batch(count=2))["target"]
    guided = method.translate_with(inputs, "anime", like=examples)
    assert guided.shape == inputs.shape
    one_for_all = method.translate_with(inputs, "anime", like=examples[1:])
    torch.testing.assert_close(guided[1], one_for_all[1], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(guided[0], one_for_all[0], atol=1e-4)


def test_alpha_says_how_much_of_the_style_is_taken_on() -> None:
    inputs, made = random_batch()["source"], []
    for alpha in (0.0, 0.5, 1.0):
        method = with_style(adain={"width": 8, "alpha": alpha})
        made.append(method.translate(inputs, "anime"))
    with torch.no_grad():
        content = style_of(method)(inputs).content
        plain = method.networks["decoder"](content).clamp(-1, 1)
    torch.testing.assert_close(made[0], plain)
    assert not torch.allclose(made[1], made[0], atol=1e-4)
    assert not torch.allclose(made[1], made[2], atol=1e-4)


@pytest.mark.parametrize("options", [{}, GATYS])
@pytest.mark.parametrize(("pairing", "truth"), [("none", "none"), ("pair_id", "pair")])
def test_it_goes_one_way(options: dict[str, Any], pairing: str, truth: str) -> None:
    [way] = build(pairing=pairing, **options).ways()
    assert (way.of, way.to, way.truth) == ("photo", "anime", truth)


@pytest.mark.parametrize("options", [{}, GATYS])
def test_samples_show_source_translation_guided_translation_and_example(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    method = with_style(**options)
    inputs = method.sample_inputs(open_dataset(tmp_path, NAME, **options), 4)
    inputs["source"] = inputs["source"].expand(2, -1, -1, -1)
    columns = method.sample_columns(inputs)
    assert [tuple(column.shape) for column in columns] == 4 * [(2, 3, 32, 32)]
    assert torch.equal(columns[0], inputs["source"])
    assert torch.equal(columns[3][1], inputs["target"][0])


@pytest.mark.long
@pytest.mark.parametrize("options", [{}, {**GATYS, "gatys": {"iterations": 1}}])
def test_200_translations_leave_nothing_behind(options: dict[str, Any]) -> None:
    method, inputs = with_style(**options), random_batch(count=1)["source"]
    alive = []
    with torch.inference_mode():
        for number in range(200):
            method.translate(inputs, "anime")
            if number in (9, 199):
                gc.collect()
                alive.append(sum(issubclass(type(each), Tensor) for each in gc.get_objects()))
    assert alive[0] == alive[1]


# Which network looks.


def test_training_starts_with_the_file_that_is_named(vgg19_file: Path) -> None:
    for options in ({}, GATYS):
        method = build(**{**options, **VGG19, "perceptual_weights": str(vgg19_file)})
        method.prepare()
        published = torch.load(vgg19_file, weights_only=True)
        network = style_of(method).encoder.network
        assert all(torch.equal(value, published[name]) for name, value in network.state_dict().items())


def test_without_the_published_file_training_stops_with_the_command_that_fetches_it() -> None:
    with pytest.raises(UserError, match="run python -m pipeline weights fetch vgg19"):
        build(**VGG19).prepare()


def test_another_file_in_the_published_one_s_place_is_refused(
    nothing_fetched: Path, vgg19_file: Path
) -> None:
    nothing_fetched.mkdir(parents=True)
    (nothing_fetched / "vgg19-dcbb9e9d.pth").write_bytes(vgg19_file.read_bytes())
    with pytest.raises(UserError, match=r"not the one known \(dcbb9e9d… stated in the file's name\)"):
        build(**VGG19).prepare()


def test_a_tagger_s_backbone_comes_with_the_dataset(tmp_path: Path) -> None:
    method = build()
    method.equip(open_dataset(tmp_path / "dataset", NAME))
    method.prepare()
    other = build(seed=1)
    assert experiment(NAME).perceptual_tagger == "tiny"
    assert changed(weights_of(method), weights_of(other)) == {"decoder", "style"}
    other.equip(open_dataset(tmp_path / "dataset", NAME))
    other.prepare()
    assert changed(weights_of(method), weights_of(other)) == {"decoder"}


def test_a_tagger_that_the_dataset_does_not_hold_is_named(tmp_path: Path) -> None:
    method, dataset = build(), open_dataset(tmp_path, NAME)
    method.equip(dataset)
    (tmp_path / "tagger" / "experiment.json").unlink()
    with pytest.raises(UserError, match="the dataset does not hold tagger:tiny; run the stage `dataset`"):
        method.prepare()


def test_a_tagger_of_another_backbone_is_named(tmp_path: Path) -> None:
    method, dataset = build(), open_dataset(tmp_path, NAME)
    method.equip(dataset)
    write_tagger(tmp_path / "tagger", "test_vit")
    with pytest.raises(
        UserError, match="tagger:tiny has test_vit, not test_resnet; write backbone: test_vit"
    ):
        method.prepare()


def test_a_backbone_whose_maps_do_not_double_to_the_image_has_no_decoder() -> None:
    with pytest.raises(UserError, match=r"test_vit sees images of 32 px as maps of .*variant: gatys"):
        build(backbone="test_vit")
    assert build(**{**GATYS, "backbone": "test_vit"}).networks.keys() == {"style"}


@pytest.mark.parametrize("options", [{}, GATYS])
def test_a_finished_model_translates_without_the_file_it_started_from(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    dataset = write_dataset(tmp_path / "dataset", NAME, steps=2, **options)
    train(dataset, tmp_path / "checkpoints", tmp_path / "out", accelerator="cpu")
    learnt = read_experiment(json.loads((dataset / "experiment.json").read_text()))
    (dataset / "tagger" / "backbone.safetensors").unlink()
    method = load_weights(tmp_path / "out/weights/seed-0", learnt)
    assert isinstance(method, StyleTransfer)
    assert style_of(method).seen.item() == 4
    batch = random_batch()
    assert method.translate(batch["source"], "anime").isfinite().all()


def test_gatys_goes_on_bit_for_bit_where_it_was_interrupted(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", NAME, ema=0.9, accumulate=2, **GATYS)
    train(dataset, tmp_path / "whole/checkpoints", tmp_path / "whole/out", accelerator="cpu")
    for steps in (5, None):
        train(
            dataset,
            tmp_path / "halves/checkpoints",
            tmp_path / "halves/out",
            accelerator="cpu",
            max_steps=steps,
        )
    whole, halves = (
        {
            str(path.relative_to(tmp_path / run)): path.read_bytes()
            for path in sorted((tmp_path / run / "out").rglob("*.safetensors"))
        }
        for run in ("whole", "halves")
    )
    assert list(whole) == ["out/weights/seed-0/style.safetensors"]
    assert whole == halves


def test_gatys_draws_faces_of_the_target_alone(tmp_path: Path) -> None:
    method, dataset = build(**GATYS), open_dataset(tmp_path, NAME, **GATYS)
    batch = Loader(dataset, experiment(NAME, **GATYS), 0, method.draws, method.conditions).batch(0)
    assert "source" not in batch
    assert step(method, batch).keys() == {"style_spread"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gatys": {"iterations": 5}}, "gatys: variant adain does not use it; leave it out"),
        ({"variant": "gatys"}, "adain: variant gatys does not use it; leave it out"),
        ({"adain": {"alpha": 1.5}}, r"alpha must be from 0 to 1, got 1\.5"),
        ({"adain": {"width": 0}}, "width must be at least 1"),
        ({"adain": {"lambda_style": -1}}, "lambda_style must be at least 0"),
        ({"adain": {"learning_rate_decay": -1}}, "learning_rate_decay must be at least 0"),
        ({**GATYS, "gatys": {"iterations": 0}}, "iterations must be at least 1"),
        ({**GATYS, "gatys": {"lambda_tv": -1}}, "lambda_tv must be at least 0"),
        ({"backbone": None}, "backbone: name the one of tagger:tiny here too"),
        ({"perceptual_weights": "vgg19"}, "backbone: vgg19 is VGG19; leave it out"),
        ({"adain": {"blend": 1}}, "blend unknown; there are alpha, "),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        experiment(NAME, **options)


def test_the_defaults_are_those_of_the_papers() -> None:
    options = Options(domains=("before", "after"), size_px=512, steps=1)
    assert (options.variant, options.perceptual_weights, options.gatys.optimizer) == (
        "gatys",
        "vgg19",
        "lbfgs",
    )
    assert (options.adain.lambda_content, options.adain.lambda_style) == (1, 10)
    assert (options.learning_rate, options.batch_size, options.gatys.iterations) == (1e-4, 8, 300)
