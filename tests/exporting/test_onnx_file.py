"""Every method's translation as ONNX: equal to PyTorch's, or refused in words."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from pipeline.errors import UserError
from pipeline.experiments import read_experiment
from pipeline.exporting import onnx_file
from pipeline.exporting.channels import Channels, channels_of
from pipeline.exporting.one_pass import one_pass
from pipeline.exporting.onnx_file import TOLERANCE, compare, require_packages, write_onnx
from pipeline.methods import TRANSLATORS, build_method
from pipeline.methods.base import Translator
from tests.methods.tiny_dataset import open_dataset

IN_SHORT = ("pix2pix", "stargan")
REFUSED: dict[str, dict[str, Any]] = {
    "diffusion": {},
    "style-transfer": {"variant": "gatys", "adain": {}},
    "pix2pix": {"test_dropout": True},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "pix2pix": {"conditions": ["landmarks", "colors", "noise"], "colors": "film", "landmark_shape": "lines"},
    "cyclegan": {"conditions": ["colors"], "landmarks": "attention"},
    "stargan": {"attention": "both", "heads": 2},
    "starganv2": {"w_hpf": 0},
    "gan": {"architecture": "sagan"},
    "ugatit": {"generator": {"width": 4, "blocks": 1, "light": True}},
}


def built(folder: Path, method: str, **options: Any) -> tuple[Translator, torch.Tensor]:
    """Return a method with drawn weights, and what it takes of five faces."""
    dataset = open_dataset(folder, method, **options)
    made = build_method(read_experiment(dataset.experiment), torch.Generator().manual_seed(0))
    assert isinstance(made, Translator)
    for name in made.shipped:
        made.networks[name].eval()
    return made, made.inputs(dataset.domains[made.source], np.arange(5))


Export = tuple[Path, Translator, torch.Tensor]


def exported(folder: Path, method: str, **options: Any) -> Export:
    made, inputs = built(folder, method, **options)
    path = folder / "made.onnx"
    write_onnx(path, one_pass(made, made.target), inputs, {"experiment": "x"})
    return path, made, inputs


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Export:
    return exported(tmp_path_factory.mktemp("cut"), "cut")


def assert_equal(path: Path, method: Translator, inputs: torch.Tensor) -> None:
    found = compare(path, method, inputs, method.target)
    assert found.faces == 5
    assert found.mean <= found.largest <= TOLERANCE
    assert sum(each.count for each in channels_of(method, inputs)) == inputs.shape[1]


@pytest.mark.parametrize("method", IN_SHORT)
def test_a_file_makes_what_the_method_makes(tmp_path: Path, method: str) -> None:
    assert_equal(*exported(tmp_path, method))


@pytest.mark.long
@pytest.mark.parametrize("method", [name for name in TRANSLATORS if name not in (*IN_SHORT, "diffusion")])
def test_so_do_those_of_all_others(tmp_path: Path, method: str) -> None:
    assert_equal(*exported(tmp_path, method))


@pytest.mark.long
@pytest.mark.parametrize("method", VARIANTS)
def test_and_with_other_options(tmp_path: Path, method: str) -> None:
    assert_equal(*exported(tmp_path, method, **VARIANTS[method]))


@pytest.mark.long
@pytest.mark.parametrize("method", ["cyclegan", "stargan", "munit", "starganv2"])
def test_the_way_to_the_source_is_its_own_file(tmp_path: Path, method: str) -> None:
    made, inputs = built(tmp_path, method)
    path = tmp_path / "back.onnx"
    write_onnx(path, one_pass(made, made.source), inputs, {})
    assert compare(path, made, inputs, made.source).largest <= TOLERANCE


@pytest.mark.parametrize("method", REFUSED)
def test_what_no_file_can_hold_is_refused(tmp_path: Path, method: str) -> None:
    made, _ = built(tmp_path, method, **REFUSED[method])
    with pytest.raises(UserError, match=r"^(method|variant|test_dropout): .*export"):
        one_pass(made, made.target)


def test_a_file_names_no_path_of_this_machine(cut: Export) -> None:
    written = cut[0].read_bytes()
    for trace in (b".py", b"/pipeline", b"site-packages", str(Path.cwd()).encode()):
        assert trace not in written


def test_a_file_says_what_it_is_and_takes_any_number_of_faces(cut: Export) -> None:
    path, method, inputs = cut
    assert_equal(path, method, inputs)
    model = onnx.load(path)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"experiment": "x"}
    for value, name in ((model.graph.input[0], "inputs"), (model.graph.output[0], "images")):
        batch, *others = value.type.tensor_type.shape.dim
        assert (value.name, batch.dim_param) == (name, "batch")
        assert [side.dim_value for side in others] == [3, 32, 32]


def test_a_file_of_other_weights_is_found_out(cut: Export) -> None:
    path, made, inputs = cut
    other = deepcopy(made)
    with torch.no_grad():
        for weights in other.networks["generator"].parameters():
            weights.mul_(1.1)
    with pytest.raises(UserError, match=r"images to anime differ by up to .*, more than 0\.001"):
        compare(path, other, inputs, made.target)


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    require_packages()
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(UserError, match=r"onnxscript not installed; run .*\[export\]"):
        require_packages()


def test_weights_that_no_file_can_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, inputs = built(tmp_path, "cut")
    monkeypatch.setattr(onnx_file, "_MOST_BYTES", 100)
    with pytest.raises(UserError, match="GiB of weights"):
        write_onnx(tmp_path / "large.onnx", one_pass(made, made.target), inputs, {})
    assert not (tmp_path / "large.onnx").exists()


def test_channels_are_described_in_the_order_of_the_inputs(tmp_path: Path) -> None:
    conditions = ["landmarks", "colors"]
    made, inputs = built(tmp_path, "pix2pix", conditions=conditions)
    landmarks, colors = channels_of(made, inputs)
    assert landmarks == Channels(
        1, "the face's 68 landmarks (iBUG order): 1 on discs of 0.5 px around each, 0 elsewhere"
    )
    assert (colors.count, colors.meaning[:19]) == (9, "the colours of skin")
    with pytest.raises(ValueError, match="10 channels are described, and 9 are there"):
        channels_of(made, inputs[:, 1:])


def test_labels_are_described_by_their_names(tmp_path: Path) -> None:
    _, *labels = channels_of(*built(tmp_path, "stargan"))
    assert [label.meaning for label in labels] == [
        f"1 on the whole plane to ask for `{name}`, else 0" for name in ("even", "anime")
    ]
