"""Stable Diffusion from a folder: what is learnt beside it, how that changes it, and which folders are refused."""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.networks.stable_diffusion import LoraLayers, StableDiffusion, WidenedInput, lora_shapes
from tests.methods.tiny_stable_diffusion import tiny_base, write_base

CPU = torch.device("cpu")
ALPHA = 32


def _count(network: nn.Module) -> int:
    return sum(weights.numel() for weights in network.parameters())


def test_document_002_s_lora_has_the_specification_s_weights() -> None:
    """Rank 4 on a U-Net of Stable Diffusion 1.5's shape; peft changes the same layers."""
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig, inject_adapter_in_model

    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768)
        layers = LoraLayers(lora_shapes(unet), rank=4)
        assert (_count(layers), _count(unet)) == (797_184, 859_520_964)
        config = LoraConfig(r=4, lora_alpha=ALPHA, target_modules=["to_q", "to_k", "to_v", "to_out.0"])
        inject_adapter_in_model(config, unet)
    changed = {
        name.replace(".default", "") for name, weights in unet.named_parameters() if weights.requires_grad
    }
    assert changed == {name for name, _ in layers.named_parameters()}


def test_low_rank_changes_start_as_none_and_from_their_seed() -> None:
    first, again, other = (LoraLayers({"to_q": (500, 40)}, rank=4) for _ in range(3))
    for layers, seed in ((first, 0), (again, 0), (other, 1)):
        layers.start(torch.Generator().manual_seed(seed))
    weights = first.state_dict()
    assert set(weights) == {"to_q.lora_A.weight", "to_q.lora_B.weight"}
    assert weights["to_q.lora_A.weight"].std().item() == pytest.approx(1 / 4, rel=0.1)
    assert not weights["to_q.lora_B.weight"].any()
    assert torch.equal(weights["to_q.lora_A.weight"], again.state_dict()["to_q.lora_A.weight"])
    assert not torch.equal(weights["to_q.lora_A.weight"], other.state_dict()["to_q.lora_A.weight"])


def test_an_input_of_eight_channels_is_one_convolution_of_all_of_them() -> None:
    known, added = nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1, bias=False)
    whole = nn.Conv2d(8, 6, 3, padding=1)
    whole.load_state_dict({"weight": torch.cat([known.weight, added.weight], dim=1), "bias": known.bias})
    latents = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(WidenedInput(known, added, 4)(latents), whole(latents))


@pytest.fixture
def model() -> StableDiffusion:
    return StableDiffusion(tiny_base())


def _asked(model: StableDiffusion, channels: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Return noisy latents, their steps and their texts."""
    texts = model.texts(["a nose", "two eyes"], CPU)
    return torch.randn(2, channels, 4, 4), torch.tensor([10, 900]), texts


def _started(model: StableDiffusion) -> LoraLayers:
    """Return low-rank changes that do change something."""
    layers = model.lora_layers(rank=2)
    for weights in layers.parameters():
        nn.init.normal_(weights, std=0.2)
    return layers


@torch.no_grad()
def test_what_is_learnt_changes_nothing_at_first(model: StableDiffusion) -> None:
    latents, steps, texts = _asked(model, channels=8)
    plain = model.denoiser(CPU, None, None, ALPHA)(latents[:, :4], steps, texts)
    layers = model.lora_layers(rank=2)
    layers.start(torch.Generator())
    learning = model.denoiser(CPU, layers, model.added_input(), ALPHA)
    assert torch.equal(learning(latents, steps, texts), plain)


@torch.no_grad()
def test_the_attention_s_weights_are_changed_by_alpha_over_rank_times_the_product(
    model: StableDiffusion,
) -> None:
    layers, asked = _started(model), _asked(model)
    changed = model.denoiser(CPU, layers, None, ALPHA)(*asked)
    merged = StableDiffusion(tiny_base())
    plain = merged.denoiser(CPU, None, None, ALPHA)(*asked)
    unet = merged._on(CPU).unet
    for name in lora_shapes(unet):
        down, up = (layers.get_submodule(f"{name}.{half}").weight for half in ("lora_A", "lora_B"))
        unet.get_submodule(name).weight += ALPHA / 2 * up @ down
    torch.testing.assert_close(changed, merged.denoiser(CPU, None, None, ALPHA)(*asked))
    assert not torch.allclose(changed, plain)


@torch.no_grad()
def test_averaged_changes_can_stand_in_for_those_that_learn(model: StableDiffusion) -> None:
    layers, asked = _started(model), _asked(model)
    first = model.denoiser(CPU, layers, None, ALPHA)(*asked)
    average = deepcopy(layers)
    for weights in average.parameters():
        weights.mul_(0.5)
    assert not torch.allclose(model.denoiser(CPU, average, None, ALPHA)(*asked), first)
    assert torch.equal(model.denoiser(CPU, layers, None, ALPHA)(*asked), first)


def test_reading_draws_nothing_and_a_first_use_in_inference_does_no_harm(
    model: StableDiffusion,
) -> None:
    layers, added, randomness = _started(model), model.added_input(), torch.get_rng_state()
    with torch.inference_mode():
        model.texts(["a nose", "two eyes"], CPU)
        model.decode(model.encode(torch.zeros(1, 3, 32, 32)).mode())
        model.denoiser(CPU, layers, added, ALPHA)
    assert torch.equal(randomness, torch.get_rng_state())
    model.denoiser(CPU, layers, added, ALPHA)(*_asked(model, channels=8)).sum().backward()
    assert all(weights.grad is not None for weights in layers.parameters())


@torch.no_grad()
def test_a_prompt_is_read_once_and_alone(model: StableDiffusion) -> None:
    together = model.texts(["a nose", "two eyes", "a nose"], CPU)
    assert together.shape == (3, 77, 16)
    assert torch.equal(together[0], together[2])
    assert not torch.allclose(together[0], together[1])
    torch.testing.assert_close(StableDiffusion(tiny_base()).texts(["two eyes"], CPU)[0], together[1])


def _edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda folder: _edit(folder / "unet/config.json", in_channels=9),
            "takes 9 channels where the VAE gives 4",
        ),
        (
            lambda folder: _edit(folder / "unet/config.json", addition_embed_type="text_time"),
            "as Stable Diffusion XL is; name",
        ),
        (
            lambda folder: _edit(folder / "scheduler/scheduler_config.json", prediction_type="sample"),
            "predicts sample; name a model that predicts epsilon or v_prediction",
        ),
        (lambda folder: (folder / "unet/config.json").write_text("{"), r"unet/config\.json cannot be read"),
    ],
    ids=["inpainting", "XL", "predicts images", "no JSON"],
)
def test_another_kind_of_model_is_refused(tmp_path: Path, change: Callable[[Path], Any], words: str) -> None:
    folder = tmp_path / "base"
    shutil.copytree(tiny_base(), folder)
    change(folder)
    with pytest.raises(UserError, match=words):
        StableDiffusion(folder)


@pytest.mark.parametrize(
    ("part", "file"), [("vae", "diffusion_pytorch_model.safetensors"), ("text_encoder", "model.safetensors")]
)
def test_weights_that_are_damaged_or_not_all_there_are_never_random_ones(
    tmp_path: Path, part: str, file: str
) -> None:
    folder = tmp_path / "base"
    shutil.copytree(tiny_base(), folder)
    weights = safetensors.torch.load_file(folder / part / file)
    left_out = sorted(weights)[0]
    del weights[left_out]
    safetensors.torch.save_file(weights, folder / part / file, metadata={"format": "pt"})
    with pytest.raises(UserError, match=f"base: .*{part} lacks the weights {left_out}; fetch it again"):
        StableDiffusion(folder).texts(["a nose"], CPU)
    (folder / part / file).write_bytes(b"damaged")
    with pytest.raises(UserError, match=f"base: .*{part} cannot be read"):
        StableDiffusion(folder).texts(["a nose"], CPU)


def test_weights_that_could_run_code_are_never_read(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base")
    path = folder / "unet/diffusion_pytorch_model.safetensors"
    torch.save(safetensors.torch.load_file(path), path.with_suffix(".bin"))
    path.unlink()
    with pytest.raises(UserError, match=r"base: .*unet cannot be read"):
        StableDiffusion(folder).texts(["a nose"], CPU)
