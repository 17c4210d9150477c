"""Stable Diffusion taught by LoRA: its loss, what it withholds, how prompt and image are weighed, and without LoRA."""

import json
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipeline.datasets.arrays import load_dataset
from pipeline.errors import UserError
from pipeline.experiments import read_experiment
from pipeline.methods.base import Turn
from pipeline.methods.diffusion import Diffusion
from pipeline.training.checkpoints import load_weights
from pipeline.training.loop import train
from tests.methods.stepping import builder, first_batch, flat, l1, random_batch, step, update
from tests.methods.tiny_dataset import experiment, open_dataset, write_dataset
from tests.methods.tiny_stable_diffusion import tiny_base, write_base

CPU = torch.device("cpu")
build = builder(Diffusion)
IMG2IMG: dict[str, Any] = {"conditioning": "img2img", "pairing": "none"}
UNTAUGHT: dict[str, Any] = {**IMG2IMG, "lora": "none"}
REGIONS: dict[str, Any] = {
    "labels": {"eyes": ["eyes"], "chin": ["chin"], "nose": ["nose"]},
    "prompts": {"nose": "a person after nose surgery", "eyes": "a person after eye surgery"},
}


def _batch(count: int = 2, labels: int = 0) -> dict[str, Tensor]:
    return random_batch(count=count) | {"target_labels": torch.zeros(count, labels)}


def _told(count: int = 1, seed: int = 0, prompt: int = 0) -> Tensor:
    """Return what a translation takes: images, the seed of the noise, the number of the prompt."""
    numbers = torch.tensor([float(seed), float(prompt)])[None, :, None, None]
    return torch.cat([random_batch(count=count)["source"], numbers.expand(count, 2, 32, 32)], dim=1)


def test_a_step_moves_what_is_added_and_nothing_of_the_base() -> None:
    method = build()
    [phase] = method.phases()
    method.translate(_told(), "anime")
    unet = method._base._on(CPU).unet
    before = {name: weights.clone() for name, weights in unet.named_parameters()}
    assert update(method, phase, Turn(_batch(), 0)) == {"lora", "conv_in"}
    moved = {
        name for name, weights in unet.named_parameters() if not torch.equal(weights.detach(), before[name])
    }
    assert moved
    assert all("lora_" in name or name == "conv_in.added.weight" for name in moved)


@pytest.mark.parametrize("predicted", ["epsilon", "v_prediction"])
def test_the_loss_is_the_mean_square_error_of_the_noise_or_of_v(tmp_path: Path, predicted: str) -> None:
    base = write_base(tmp_path / "base", prediction_type=predicted)
    method, batch = build(base=str(base), caption_dropout=0.0), _batch()
    torch.manual_seed(3)
    with torch.no_grad():
        found = method.phases()[0].losses(Turn(batch, 0))["denoising"]
    torch.manual_seed(3)
    parts = method._base
    latents = parts.encode(batch["target"]).sample() * parts.latent_scale(CPU)
    noise, steps = torch.randn_like(latents), torch.randint(1000, (2,))
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    kept = torch.cumprod(1 - betas, dim=0)[steps][:, None, None, None]
    noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
    wanted = noise if predicted == "epsilon" else kept.sqrt() * noise - (1 - kept).sqrt() * latents
    # What is learnt changes nothing yet, so this is the base's own answer.
    plain = parts.denoiser(CPU, None, method.networks["conv_in"], 32)
    told = torch.cat([noisy, parts.encode(batch["source"]).mode()], dim=1)
    with torch.no_grad():
        answer = plain(told, steps, parts.texts(2 * [method.options.prompt], CPU))
    torch.testing.assert_close(found, F.mse_loss(answer, wanted))


def test_prompt_and_image_are_withheld_each_alone_and_together_equally_often() -> None:
    prompt, image = build(caption_dropout=0.1)._kept(20_000, CPU)
    shares = [(~prompt & image).float().mean(), (prompt & ~image).float().mean()]
    shares += [(~prompt & ~image).float().mean(), (prompt & image).float().mean()]
    assert [round(share.item(), 2) for share in shares] == [0.1, 0.1, 0.1, 0.7]
    assert all(kept.all() for kept in build(caption_dropout=0.0)._kept(20_000, CPU))


def test_low_rank_changes_learn_more_slowly_by_what_they_are_scaled_with() -> None:
    [first, second] = build(learning_rate=1e-4).optimizers["adapter"].param_groups
    assert (first["lr"], second["lr"]) == (pytest.approx(1e-4 / 8), 1e-4)
    assert first["weight_decay"] == second["weight_decay"] == 1e-2


def test_the_rate_rises_and_stays_and_gradients_are_clipped() -> None:
    method = build(warmup_steps=4, clip_norm=0.5)
    assert [method.learning_rate_factor(number, 100) for number in (0, 1, 3, 4, 99)] == [0.25, 0.5, 1, 1, 1]
    assert build(warmup_steps=0).learning_rate_factor(0, 100) == 1
    [phase] = method.phases()
    assert phase.clip_norm == 0.5
    update(method, phase, Turn(_batch(), 0))
    weights = method.parameters("lora", "conv_in")
    norm = torch.stack([each.grad.norm() for each in weights if each.grad is not None]).norm()
    assert norm <= 0.5001


def test_one_batch_is_learnt_by_heart(tmp_path: Path) -> None:
    """With the same noise each time; the base's weights are random, so that only what is added can help."""
    options: dict[str, Any] = {"rank": 8, "alpha": 8, "learning_rate": 1e-2, "caption_dropout": 0.0}
    method = build(batch_size=1, **options)
    batch = first_batch(tmp_path, "diffusion", batch_size=1, **options)
    history = []
    for number in range(60):
        torch.manual_seed(0)
        history.append(step(method, batch, number)["denoising"])
    assert history[-1] < 0.7 * history[0]


def _rehearsed(method: Diffusion) -> Diffusion:
    """Let what is learnt change something."""
    for weights in method.parameters(*method.networks):
        torch.nn.init.normal_(weights, std=0.1)
    return method


def test_prompt_and_image_count_more_than_nothing_by_their_guidance() -> None:
    method, asked = build(guidance=7.5, image_guidance=1.5), []

    def denoise(latents: Tensor, step: Tensor, texts: Tensor) -> Tensor:
        asked.append((latents, texts))
        return torch.tensor([4.0, 2.0, 1.0])[:, None, None, None].expand(3, 4, 4, 4)

    latents, source = torch.randn(2, 1, 4, 4, 4)
    found = method._guided(denoise, latents, torch.tensor(1), source, "nose")
    assert found.unique().item() == 1 + 1.5 * (2 - 1) + 7.5 * (4 - 2)
    [(told, texts)] = asked
    assert torch.equal(
        told, torch.stack([torch.cat([latents[0], each]) for each in (source[0], source[0], 0 * source[0])])
    )
    assert torch.equal(texts, method._base.texts(["nose", "", ""], CPU))


def test_a_translation_is_what_diffusers_own_instruct_pix2pix_makes() -> None:
    from diffusers import DDIMScheduler, StableDiffusionInstructPix2PixPipeline

    method = _rehearsed(build(inference_steps=3))
    told = _told(seed=5)
    translated = method.translate(told, "anime")
    parts = method._base._on(CPU)
    parts.unet.register_to_config(in_channels=8)
    pipe = StableDiffusionInstructPix2PixPipeline(
        **_parts(parts), scheduler=DDIMScheduler.from_config(method._schedule.config)
    )
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        prompt=method.options.prompt,
        image=told[:, :3] / 2 + 0.5,
        num_inference_steps=3,
        guidance_scale=7.5,
        image_guidance_scale=1.5,
        latents=_noise(5),
        output_type="pt",
    ).images
    torch.testing.assert_close(translated, theirs * 2 - 1, rtol=1e-3, atol=1e-4)


def test_an_untaught_translation_is_what_diffusers_own_image_to_image_makes() -> None:
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline

    method, told = build(**UNTAUGHT, inference_steps=4, strength=0.5), _told(seed=5)
    translated = method.translate(told, "anime")
    parts = method._base._on(CPU)
    start = method._base.encode(told[:, :3]).mode() * method._base.latent_scale(CPU)
    pipe = StableDiffusionImg2ImgPipeline(
        **_parts(parts), scheduler=DDIMScheduler.from_config(method._schedule.config)
    )
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        prompt=method.options.prompt,
        image=start,
        num_inference_steps=4,
        strength=0.5,
        guidance_scale=7.5,
        generator=torch.Generator().manual_seed(5),
        output_type="pt",
    ).images
    torch.testing.assert_close(translated, theirs * 2 - 1, rtol=1e-3, atol=1e-4)


def _parts(networks: Any) -> dict[str, Any]:
    names = ("unet", "vae", "text_encoder", "tokenizer")
    return {name: getattr(networks, name) for name in names} | {
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def _noise(seed: int) -> Tensor:
    return torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_a_face_has_noise_of_its_own_which_is_always_the_same() -> None:
    method, randomness = build(), torch.get_rng_state()
    first = method.translate(_told(seed=1), "anime")
    assert torch.equal(first, method.translate(_told(seed=1), "anime"))
    assert not torch.allclose(first, method.translate(_told(seed=2), "anime"))
    assert torch.equal(randomness, torch.get_rng_state())


def test_a_taught_translation_sees_the_source_in_pure_noise() -> None:
    method = _rehearsed(build())
    first, second = (method.translate(told, "anime") for told in (_told(), -_told()))
    assert not torch.allclose(first, second)


def test_with_little_noise_a_translation_is_near_its_source() -> None:
    told = _told()
    parts = build(**UNTAUGHT)._base
    with torch.no_grad():
        there_and_back = parts.decode(parts.encode(told[:, :3]).mode() * parts.latent_scale(CPU))
    near, far = (
        l1(build(**UNTAUGHT, strength=strength, inference_steps=20).translate(told, "anime"), there_and_back)
        for strength in (0.05, 1.0)
    )
    assert near < 0.6 * far


@pytest.mark.parametrize("options", [{}, UNTAUGHT], ids=["instruct", "img2img"])
def test_strength_is_the_share_of_the_steps_that_are_made(options: dict[str, Any]) -> None:
    method = build(**options, inference_steps=8, strength=0.5)
    with patch.object(method, "_guided", wraps=method._guided) as guided:
        translated = method.translate(_told(), "anime")
    steps = [call.args[2].item() for call in guided.call_args_list]
    assert steps == [376, 251, 126, 1]
    assert translated.shape == (1, 3, 32, 32)


def test_other_domains_than_the_target_are_refused() -> None:
    with pytest.raises(ValueError, match="makes images of anime only, not of photo"):
        build().translate(_told(), "photo")


def test_a_face_is_called_by_the_prompts_of_its_labels(tmp_path: Path) -> None:
    method = build(**REGIONS)
    labels = torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    nose, eyes = REGIONS["prompts"].values()
    assert method._prompts.of_labels(labels) == [
        method.options.prompt,
        method.options.prompt,
        nose,
        f"{nose}, {eyes}",
    ]
    # The tiny dataset's faces have two of the three labels at most: even ones the first, eyes.
    tiny = {"labels": {"eyes": ["eyes"], "nose": ["nose"]}, "prompts": REGIONS["prompts"]}
    domain = open_dataset(tmp_path, "diffusion", **tiny).domains["photo"]
    numbers = build(**tiny).inputs(domain, np.array([1, 2]))[:, 3:]
    assert torch.equal(numbers[..., 0, 0], torch.tensor([[1.0, 0.0], [2.0, 2.0]]))
    assert torch.equal(numbers, numbers[..., :1, :1].expand(-1, -1, 32, 32))


def test_another_prompt_is_another_translation_and_another_loss() -> None:
    method = build(**REGIONS)
    assert not torch.allclose(*(method.translate(_told(prompt=prompt), "anime") for prompt in (0, 1)))
    losses = []
    for label in (0.0, 1.0):
        torch.manual_seed(0)
        with torch.no_grad():
            turn = Turn(_batch(labels=3) | {"target_labels": torch.full((2, 3), label)}, 0)
            losses.append(method.phases()[0].losses(turn)["denoising"].item())
    assert losses[0] != losses[1]


def test_samples_show_partners_where_pairs_are_known(tmp_path: Path) -> None:
    for options, columns in (({}, 3), (UNTAUGHT, 2)):
        method = build(**options)
        dataset = open_dataset(tmp_path / str(columns), "diffusion", **options)
        inputs = method.sample_inputs(dataset, 4)
        shown = method.sample_columns(inputs)
        assert [tuple(column.shape) for column in shown] == columns * [(1, 3, 32, 32)]
        assert torch.equal(shown[1], method.translate(inputs["source"], "anime"))


def test_image_to_image_can_be_taught_the_target_s_faces_alone() -> None:
    method = build(**IMG2IMG)
    assert (method.draws, method.shipped) == ("target", ("lora",))
    assert method.options.start_strength == 0.8
    alone = {name: tensor for name, tensor in _batch().items() if name.startswith("target")}
    assert update(method, method.phases()[0], Turn(alone, 0)) == {"lora"}


def test_untaught_it_goes_through_the_whole_training_with_nothing_to_learn(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "dataset", "diffusion", **UNTAUGHT, steps=1, ema=0.9)
    out = tmp_path / "out"
    for _ in range(2):
        train(folder, tmp_path / "checkpoints", out, accelerator="cpu")
    assert (out / "samples/seed-0/step-000001.png").exists()
    assert not list((out / "weights").rglob("*.safetensors"))
    dataset = load_dataset(folder)
    method = load_weights(out / "weights/seed-0", read_experiment(dataset.experiment))
    assert isinstance(method, Diffusion)
    assert method.phases() == ()
    inputs = method.inputs(dataset.domains["photo"], np.array([1]))
    assert torch.equal(method.translate(inputs, "anime"), build(**UNTAUGHT).translate(inputs, "anime"))


def test_only_what_was_learnt_is_written_and_the_base_is_read_from_its_folder(tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base(), base)
    folder = write_dataset(tmp_path / "dataset", "diffusion", base=str(base), steps=2)
    train(folder, tmp_path / "checkpoints", tmp_path / "out", accelerator="cpu")
    weights = tmp_path / "out/weights/seed-0"
    assert {path.name for path in weights.iterdir()} == {"lora.safetensors", "conv_in.safetensors"}
    learnt = read_experiment(load_dataset(folder).experiment)
    method = load_weights(weights, learnt)
    assert flat(method.networks["conv_in"]).any()
    shutil.rmtree(base)
    with pytest.raises(UserError, match=r"base: .* is neither a folder nor one of"):
        load_weights(weights, learnt)


def test_the_experiment_is_read_back_as_it_was_written() -> None:
    said = experiment("diffusion", **REGIONS)
    assert read_experiment(json.loads(json.dumps(vars(said), default=vars))) == said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pairing": "none"}, "conditioning: instruct learns from pairs: set pairing"),
        ({"lora": "none"}, "conditioning: instruct has to be learnt; set conditioning: img2img"),
        ({"prompts": {"nose": "a nose"}}, "prompts: 'nose' is not one of the experiment's labels"),
        ({"caption_dropout": 0.4}, "caption_dropout must be from 0 to 1/3"),
        ({"strength": 0}, "strength must be above 0 and at most 1"),
        ({"inference_steps": 0}, "inference_steps must be from 1 to 1000"),
        ({"rank": 0}, "rank must be at least 1"),
        ({"clip_norm": 0}, "clip_norm must be above 0"),
        ({"guidance": -1}, "guidance must be at least 0"),
        ({"compile": "default"}, "compile: the U-Net is not a network of this experiment"),
        ({"base": ""}, "base must be the folder of a diffusers model"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        experiment("diffusion", **options)
