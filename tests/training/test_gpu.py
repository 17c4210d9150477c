"""On a GPU: bit for bit where the experiment asks for it, and otherwise as far apart as is printed."""

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from pipeline.training.loop import train
from tests.methods.tiny_dataset import METHODS, write_dataset

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def _weights(folder: Path, name: str, halves: bool, **options: Any) -> dict[str, torch.Tensor]:
    dataset = write_dataset(folder / "dataset", name, **options)
    run = folder / ("halves" if halves else "whole")
    for steps in (5, 10) if halves else (10,):
        train(dataset, run / "checkpoints", run / "out", accelerator="cuda", max_steps=steps)
    return {
        f"{path.stem}.{key}": value
        for path in (run / "out/weights/seed-0").iterdir()
        for key, value in safetensors.torch.load_file(path).items()
    }


@pytest.mark.parametrize("name", METHODS)
def test_5_steps_and_5_more_are_10_steps_bit_for_bit(tmp_path: Path, name: str) -> None:
    whole, halves = (_weights(tmp_path, name, halves, deterministic=True) for halves in (False, True))
    assert all(torch.equal(whole[key], halves[key]) for key in whole)


@pytest.mark.parametrize("name", METHODS)
def test_without_that_they_are_as_near_as_is_printed(tmp_path: Path, name: str) -> None:
    whole, halves = (_weights(tmp_path, name, halves) for halves in (False, True))
    furthest = max((whole[key] - halves[key]).abs().max().item() for key in whole)
    print(f"{name}: weights differ by {furthest:.2e} at most after 10 steps")
    assert furthest < 10 * 2e-4  # no further than Adam can move them


@pytest.mark.parametrize(
    "options", [{"precision": "bf16"}, {"compile": "default"}, {"compile": "reduce-overhead"}]
)
def test_the_options_for_speed_train(tmp_path: Path, options: dict[str, Any]) -> None:
    assert all(value.isfinite().all() for value in _weights(tmp_path, "cyclegan", False, **options).values())
