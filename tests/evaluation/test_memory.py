"""Translating many images takes no more memory than translating a few, whatever the method."""

import gc
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from pipeline.evaluation.translations import translate_faces
from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Translator
from tests.methods.stepping import build
from tests.methods.tiny_dataset import open_dataset


def _held_bytes() -> int:
    """Return the memory of all tensors that something still refers to."""
    gc.collect()
    tensors = [each for each in gc.get_objects() if type(each) in (torch.Tensor, torch.nn.Parameter)]
    storages = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors}
    return sum(storages.values())


def _parameter(name: str) -> Any:
    """Return the method as a parameter; one that goes through a network many times for each image is `long`."""
    return pytest.param(name, marks=pytest.mark.long) if name == "diffusion" else name


@pytest.mark.parametrize("name", [_parameter(name) for name in TRANSLATORS])
def test_200_images_leave_nothing_behind_that_8_do_not(tmp_path: Path, name: str) -> None:
    dataset, method = open_dataset(tmp_path, name), build(name)
    assert isinstance(method, Translator)
    way = method.ways()[0]
    domain, faces = dataset.domains[way.of], np.resize([1, 2, 3, 4], 200)
    translate, under_inference = method.translate, []

    def noting(inputs: torch.Tensor, to: str) -> torch.Tensor:
        under_inference.append(torch.is_inference_mode_enabled())
        return translate(inputs, to)

    translate_faces(method, domain, faces[:8], way.to)
    held = _held_bytes()
    with patch.object(method, "translate", noting):
        assert len(translate_faces(method, domain, faces, way.to)) == 200
    assert all(under_inference)
    assert _held_bytes() == held
