"""A Stable Diffusion of a few thousand random weights, as a folder that diffusers reads."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from string import ascii_lowercase

import torch

_START, _END = "<|startoftext|>", "<|endoftext|>"


@cache
def tiny_base() -> Path:
    """Return a folder that lasts as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="likeness-tiny-base-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return write_base(folder)


def write_base(folder: Path, **schedule: object) -> Path:
    """Write a base for images of 32 px: two levels in the U-Net, latents of 4x4, one layer that reads prompts."""
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        UNet2DConditionModel(
            sample_size=4,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=4,
            norm_num_groups=4,
        ).save_pretrained(folder / "unet")
        AutoencoderKL(
            latent_channels=4,
            block_out_channels=(4, 4, 4, 4),
            down_block_types=4 * ("DownEncoderBlock2D",),
            up_block_types=4 * ("UpDecoderBlock2D",),
            norm_num_groups=2,
            sample_size=32,
        ).save_pretrained(folder / "vae")
        CLIPTextModel(
            CLIPTextConfig(
                vocab_size=54,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
            )
        ).save_pretrained(folder / "text_encoder")
    PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
        **schedule,
    ).save_pretrained(folder / "scheduler")
    _write_tokenizer(folder / "tokenizer")
    return folder


def _write_tokenizer(folder: Path) -> None:
    """Write a tokenizer that knows single letters, and those at the end of a word."""
    folder.mkdir()
    tokens = [_START, _END, *ascii_lowercase, *(f"{letter}</w>" for letter in ascii_lowercase)]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {
        "model_max_length": 77,
        "bos_token": _START,
        "eos_token": _END,
        "pad_token": _END,
        "unk_token": _END,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
