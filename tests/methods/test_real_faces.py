"""Every method learns one batch of real aligned faces by heart: what it minimises falls by the factor named here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.real_pictures import MISSING, find_real_pictures
from pipeline.datasets.loading import Loader
from pipeline.experiments import read_experiment
from pipeline.methods import build_method
from pipeline.methods.base import Turn, train_step
from tests.methods.real_faces import real_dataset

PICTURES = find_real_pictures()
pytestmark = pytest.mark.skipif(PICTURES is None, reason=MISSING)
RESNET = {"generator": {"width": 16, "blocks": 2}, "discriminator": {"width": 16, "layers": 2}}
# The method, its options, the losses whose sum is watched (by the beginning of their names), steps, and the factor.
LEARNT: list[Any] = [
    pytest.param("cyclegan", RESNET, "cycle", 80, 3, id="cyclegan"),
    pytest.param(
        "pix2pix", {"generator": {"width": 16}, "discriminator": {"width": 16}}, "l1", 80, 3, id="pix2pix"
    ),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("name", "options", "watched", "steps", "factor"), LEARNT)
def test_a_batch_of_real_faces_is_learnt_by_heart(
    tmp_path: Path, name: str, options: dict[str, Any], watched: str, steps: int, factor: float
) -> None:
    assert PICTURES is not None
    common = {"method": name, "domains": ["photo", "anime"], "size_px": 64, "steps": steps}
    experiment = read_experiment({**common, "learning_rate": 1e-3, "augment": {"enlarge": 1.0}, **options})
    dataset = real_dataset(tmp_path, PICTURES, experiment, count=4)
    method = build_method(experiment, torch.Generator().manual_seed(0))
    batch = Loader(dataset, experiment, 0, method.draws, method.conditions).batch(0)
    torch.manual_seed(0)
    history = []
    for step in range(steps):
        losses = train_step(method, [Turn(batch, step)])
        history.append(sum(loss.item() for key, loss in losses.items() if key.startswith(watched)))
    assert history[-1] < history[0] / factor, (history[0], history[-1])
