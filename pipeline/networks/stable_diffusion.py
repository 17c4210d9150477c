"""Stable Diffusion from a folder on this machine: frozen, with low-rank changes and four more channels of input.

Rombach et al. 2022. The networks are those of diffusers and transformers, the changes those of peft (Hu et al. 2021);
all three are imported where they are used, since only this needs them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from pipeline.errors import UserError

# The projections of attention that document 002 and diffusers' own training change.
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
_ADAPTER = "default"
# Of noisy latents BxCxHxW, steps (B, or one for all) and texts BxNxD: what the U-Net finds, Bx4xHxW.
Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]
_UNREADABLE = (OSError, ValueError, RuntimeError, LookupError, TypeError, SafetensorError)


class LoraLayers(nn.Module):
    """The low-rank changes of linear layers, each `lora_B(lora_A(x))`, under the names of what they change.

    `shapes`: how many values each layer takes and gives.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, int]], rank: int) -> None:
        super().__init__()
        self._rank = rank
        for name, (taken, given) in shapes.items():
            place = self._place(name)
            place.add_module("lora_A", nn.Linear(taken, rank, bias=False))
            place.add_module("lora_B", nn.Linear(rank, given, bias=False))

    def _place(self, name: str) -> nn.Module:
        place: nn.Module = self
        for part in name.split("."):
            if part not in place._modules:
                place.add_module(part, nn.Module())
            place = place.get_submodule(part)
        return place

    @torch.no_grad()
    def start(self, generator: torch.Generator) -> None:
        """Draw A from N(0, 1 / rank) and set B to 0, so that nothing is changed at first."""
        for name, weights in self.named_parameters():
            if name.endswith("lora_A.weight"):
                weights.normal_(0, 1 / self._rank, generator=generator)
            else:
                weights.zero_()


class WidenedInput(nn.Module):
    """A U-Net's first layer for more channels: those that it has taken, and those that another layer adds."""

    def __init__(self, known: nn.Module, added: nn.Module, channels: int) -> None:
        super().__init__()
        self.known, self.added, self.channels = known, added, channels

    def forward(self, latents: Tensor) -> Tensor:
        """Return what both layers make of their channels, summed: one convolution of all of them."""
        return self.known(latents[:, : self.channels]) + self.added(latents[:, self.channels :])


def lora_shapes(unet: nn.Module) -> dict[str, tuple[int, int]]:
    """Return how many values each layer takes and gives that low-rank changes are for."""
    return {
        name: (layer.in_features, layer.out_features)
        for name, layer in unet.named_modules()
        if isinstance(layer, nn.Linear) and name.endswith(TARGETS)
    }


class StableDiffusion:
    """The networks of one folder, none of which learns; they are read at the first use, to the device that asks.

    `UserError` where the folder holds another kind of model, or where a file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config = self._read_config("unet")
        self._networks: _Networks | None = None
        self._texts: dict[str, Tensor] = {}
        self.channels = int(self._read_config("vae").get("latent_channels", 4))
        self._refuse_other_kinds()

    def _read_config(self, part: str) -> dict[str, Any]:
        path = self._folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
        with self._readable(path):
            return dict(json.loads(path.read_text(encoding="utf-8")))

    @contextmanager
    def _readable(self, path: Path) -> Iterator[None]:
        try:
            yield
        except _UNREADABLE as error:
            raise UserError(f"base: {path} cannot be read: {error}; fetch it again") from error

    def _refuse_other_kinds(self) -> None:
        taken = self._config.get("in_channels")
        if taken != self.channels:
            raise UserError(
                f"base: the U-Net of {self._folder} takes {taken} channels where the VAE gives {self.channels}; "
                "name a model that makes images of text alone"
            )
        if self._config.get("addition_embed_type"):
            raise UserError(
                f"base: {self._folder} is told more than a prompt, as Stable Diffusion XL is; name a version 1 or 2"
            )
        predicted = self._read_config("scheduler").get("prediction_type", "epsilon")
        if predicted not in ("epsilon", "v_prediction"):
            raise UserError(
                f"base: {self._folder} predicts {predicted}; name a model that predicts epsilon or v_prediction"
            )

    def lora_layers(self, rank: int) -> LoraLayers:
        """Return low-rank changes that fit the U-Net's attention."""
        return LoraLayers(lora_shapes(self._empty_unet()), rank)

    def added_input(self) -> nn.Conv2d:
        """Return a first layer for as many channels more, which is 0 and so changes nothing at first."""
        given, kernel = self._config["block_out_channels"][0], self._config.get("conv_in_kernel", 3)
        layer = nn.Conv2d(self.channels, given, kernel, padding=(kernel - 1) // 2, bias=False)
        nn.init.zeros_(layer.weight)
        return layer

    def _empty_unet(self) -> nn.Module:
        from diffusers import UNet2DConditionModel

        with self._readable(self._folder / "unet/config.json"), torch.device("meta"):
            return cast(nn.Module, UNet2DConditionModel.from_config(self._config))

    def schedule(self) -> Any:
        """Return the noise of each step, as DDIM takes it away (Song et al. 2021)."""
        from diffusers import DDIMScheduler

        # Images would be clipped to [-1, 1]; latents have no such bounds.
        return DDIMScheduler.from_config(self._read_config("scheduler"), clip_sample=False)

    def denoiser(
        self, device: torch.device, lora: nn.Module | None, added: nn.Module | None, alpha: int
    ) -> Denoiser:
        """Return the U-Net with what has been learnt; with `added` it takes as many channels more."""
        networks = self._on(device)
        if lora is not None:
            networks.change(lora, alpha)
        if added is not None:
            networks.widen(added, self.channels)
        return lambda latents, steps, texts: networks.unet(latents, steps, texts).sample

    def encode(self, images: Tensor) -> Any:
        """Return the distribution of the latents of Bx3xSxS images in [-1, 1]."""
        return self._on(images.device).vae.encode(images).latent_dist

    def decode(self, latents: Tensor) -> Tensor:
        """Return Bx3xSxS images in [-1, 1] of scaled latents."""
        images = self._on(latents.device).vae.decode(latents / self.latent_scale(latents.device)).sample
        return images.clamp(-1, 1)

    def latent_scale(self, device: torch.device) -> float:
        """Return what latents are multiplied by to have a variance of about 1."""
        return float(self._on(device).vae.config.scaling_factor)

    def texts(self, prompts: Sequence[str], device: torch.device) -> Tensor:
        """Return what the text encoder makes of prompts, BxNxC; each is read once, in fp32 on the CPU, and kept."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._texts]
        if new:
            with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
                self._texts |= dict(zip(new, self._on(device).read(new), strict=True))
        return torch.stack([self._texts[prompt] for prompt in prompts]).to(device, non_blocking=True)

    def _on(self, device: torch.device) -> _Networks:
        if self._networks is None:
            # What is made here may be differentiated through later, and draws nothing from the training's randomness.
            with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
                self._networks = self._load()
        self._networks.move(device)
        return self._networks

    def _load(self) -> _Networks:
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        with self._readable(self._folder / "tokenizer"):
            tokenizer = CLIPTokenizer.from_pretrained(self._folder / "tokenizer", local_files_only=True)
        return _Networks(
            self._load_network("unet", UNet2DConditionModel, torch_dtype=torch.float32),
            self._load_network("vae", AutoencoderKL, torch_dtype=torch.float32),
            self._load_network("text_encoder", CLIPTextModel, dtype=torch.float32),
            tokenizer,
        )

    def _load_network(self, part: str, kind: Any, **precision: torch.dtype) -> Any:
        """Read one network from safetensors alone, and refuse to let a part of it be random."""
        with self._readable(self._folder / part):
            network, info = kind.from_pretrained(
                self._folder / part,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **precision,
            )
        if missing := [*info["missing_keys"], *info["mismatched_keys"]]:
            raise UserError(f"base: {self._folder / part} lacks the weights {missing[0]}; fetch it again")
        return network.requires_grad_(False).eval()


@dataclass
class _Networks:
    """What a folder holds; the text encoder stays on the CPU, for it reads each prompt once."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    lora: nn.Module | None = None

    def move(self, device: torch.device) -> None:
        if device != self.device:
            with torch.inference_mode(False):
                self.unet.to(device)
                self.vae.to(device)
            self.device = device

    def read(self, prompts: list[str]) -> Tensor:
        tokens = self.tokenizer(
            prompts,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        return self.text_encoder(tokens.input_ids)[0]

    def change(self, lora: nn.Module, alpha: int) -> None:
        """Let the attention be changed by these layers from now on: an average may stand in for those that learn."""
        from peft import LoraConfig, inject_adapter_in_model

        if self.lora is None:
            rank = next(lora.parameters()).shape[0]
            config = LoraConfig(
                r=rank, lora_alpha=alpha, target_modules=list(TARGETS), init_lora_weights=False
            )
            with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
                inject_adapter_in_model(config, self.unet, _ADAPTER)
        if self.lora is not lora:
            for name, layer in self.unet.named_modules():
                if hasattr(layer, "lora_A"):
                    for half in ("lora_A", "lora_B"):
                        getattr(layer, half)[_ADAPTER] = lora.get_submodule(f"{name}.{half}")
            self.lora = lora

    def widen(self, added: nn.Module, channels: int) -> None:
        """Let the first layer take more channels, through this layer, from now on."""
        if not isinstance(self.unet.conv_in, WidenedInput):
            self.unet.conv_in = WidenedInput(self.unet.conv_in, added, channels)
        self.unet.conv_in.added = added
