"""Every method learns one batch of real aligned faces by heart: what it minimises falls by the factor named here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.real_pictures import MISSING, find_real_pictures
from pipeline.datasets.loading import Loader
from pipeline.experiments import read_experiment
from pipeline.methods import build_method
from tests.methods.real_faces import real_dataset
from tests.methods.stepping import learn

PICTURES = find_real_pictures()
pytestmark = pytest.mark.skipif(PICTURES is None, reason=MISSING)
RESNET = {"generator": {"width": 8, "blocks": 2}, "discriminator": {"width": 8, "layers": 2}}
UNET = {"generator": {"width": 8}, "discriminator": {"width": 8}, "learning_rate": 2e-3}
UGATIT = {
    "generator": {"width": 8, "blocks": 1},
    "discriminator": {"width": 8, "global_layers": 4, "local_layers": 3},
    "lambda_cam": 1,
}
DISCOGAN = {"batch_size": 4, "width": 8, "rate": 0.9, "starting_steps": 0}
MUNIT = {
    "generator": {"width": 8, "blocks": 1, "mlp": 16},
    "discriminator": {"width": 8, "layers": 2, "scales": 2},
}
long = pytest.mark.long
# The method, its options, the losses whose sum is watched, steps, and the factor.
LEARNT: list[Any] = [
    pytest.param("cyclegan", RESNET, ("cycle_source", "cycle_target"), 45, 3, id="cyclegan"),
    pytest.param("pix2pix", UNET, ("l1",), 40, 3, id="pix2pix"),
    pytest.param("getgan", RESNET, ("rec_source", "rec_target"), 100, 5, id="getgan", marks=long),
    pytest.param("ugatit", UGATIT, ("cycle_source", "cycle_target"), 100, 3, id="ugatit", marks=long),
    pytest.param(
        "discogan",
        DISCOGAN,
        ("reconstruction_source", "reconstruction_target"),
        149,
        2,
        id="discogan",
        marks=long,
    ),
    pytest.param("munit", MUNIT, ("image_source", "image_target"), 100, 5, id="munit", marks=long),
    pytest.param("cut", {**RESNET, "patches": 64}, ("nce", "nce_identity"), 100, 2, id="cut", marks=long),
]


@pytest.mark.parametrize(("name", "options", "watched", "steps", "factor"), LEARNT)
def test_a_batch_of_real_faces_is_learnt_by_heart(
    tmp_path: Path, name: str, options: dict[str, Any], watched: tuple[str, ...], steps: int, factor: float
) -> None:
    assert PICTURES is not None
    common = {"method": name, "domains": ["photo", "anime"], "size_px": 64, "steps": steps}
    experiment = read_experiment({**common, "learning_rate": 1e-3, "augment": {"enlarge": 1.0}, **options})
    dataset = real_dataset(tmp_path, PICTURES, experiment, count=4)
    method = build_method(experiment, torch.Generator().manual_seed(0))
    batch = Loader(dataset, experiment, 0, method.draws, method.conditions).batch(0)
    torch.manual_seed(0)
    history = learn(method, batch, steps, *watched)
    assert history[-1] < history[0] / factor, (history[0], history[-1])
