"""The detectors and the landmarks of face-alignment, with stand-ins for the weights that it downloads.

The stand-ins lie under the expected names and say what is bright: so it is known where faces and points must come out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.workspace import Workspace
from pipeline import weights
from pipeline.errors import UserError
from pipeline.faces.detectors.face_alignment import FaceAlignmentDetector
from pipeline.faces.landmarks.fan_68 import Fan68

pytestmark = pytest.mark.skipif(
    find_spec("face_alignment") is None, reason="the extra `fan` is not installed"
)

Place = Callable[[str], Path]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return where to put a stand-in for weights; its hash is no longer the published one."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def prepared(name: str) -> Path:
        entry = replace(weights.FETCHED[name], stated=None)
        monkeypatch.setitem(weights.TABLE, name, entry)
        entry.place().parent.mkdir(parents=True, exist_ok=True)
        return entry.place()

    return prepared


class BrightCells(torch.nn.Module):
    """In place of FAN: each of the 68 heat maps is the brightness of the crop."""

    def __init__(self, size: int) -> None:
        super().__init__()

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(crops, 4).mean(1, keepdim=True).repeat(1, 68, 1, 1)


def bright_spot(x: float, y: float) -> np.ndarray:
    rows, columns = np.mgrid[:320, :320]
    spot = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6**2))
    return np.repeat(spot.astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("spot", [(160, 160), (120, 130), (200, 230)])
def test_points_come_out_where_the_network_sees_them(
    place: Place, monkeypatch: pytest.MonkeyPatch, spot: tuple[float, float]
) -> None:
    monkeypatch.setattr("face_alignment.api.FAN", BrightCells)
    torch.save({}, place("fan-68"))
    points = Fan68()(bright_spot(*spot), (60, 60, 260, 260))
    assert points.shape == (68, 2)
    assert np.abs(points - spot).max() < 3


def test_a_whole_network_with_random_weights_marks_what_it_sees(place: Place) -> None:
    """It sees as much again around the face as the face is large."""
    from face_alignment.models import FAN

    torch.manual_seed(0)
    torch.save(FAN(4).state_dict(), place("fan-68"))
    rgb = np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)
    marked = Fan68()(rgb, (60, 60, 260, 260))
    assert marked.shape == (68, 2)
    assert np.isfinite(marked).all()
    assert marked.min() > -60
    assert marked.max() < 380
    assert (Fan68()(rgb, (60, 60, 260, 260)) == marked).all()


def random_sfd() -> dict[str, torch.Tensor]:
    from face_alignment.detection.sfd.net_s3fd import s3fd

    return {
        name: torch.full_like(values, 20.0).index_fill_(0, torch.arange(len(values) - 1), 0.0)
        if name.endswith("mbox_conf.bias")
        else values * (0 if "mbox" in name else 1)
        for name, values in s3fd().state_dict().items()
    }


def test_sfd_gives_boxes_with_a_probability(place: Place) -> None:
    """A network that takes everything for a face, of the size that each of its layers looks for."""
    torch.manual_seed(0)
    torch.save(random_sfd(), place("sfd"))
    faces = FaceAlignmentDetector("sfd")(np.zeros((64, 96, 3), np.uint8))
    assert {round(face.box_xyxy[2] - face.box_xyxy[0]) for face in faces} >= {16, 32, 64}
    assert all(0.99 < face.score <= 1 for face in faces)
    assert all(type(side) is float for face in faces for side in face.box_xyxy)


def cells(
    kind: str, stride: int, weight: float, bias: float, width: int, side_px: int, outputs: int
) -> tuple:
    """Return the nodes and tensors of an ONNX head that gives `outputs` numbers for each cell of a picture."""
    from onnx import TensorProto, helper, numpy_helper

    name = f"{kind}_{stride}"
    kernel = np.full((outputs, 3, stride, stride), weight / (3 * stride * stride), np.float32)
    tensors = {"kernel": kernel, "bias": np.full(outputs, bias, np.float32)}
    shape = (1, -1, width) if kind.startswith(("cls", "obj", "bbox", "kps")) else (-1, width)
    tensors["shape"] = np.array(shape, np.int64)
    count = (side_px // stride) ** 2 * outputs // width
    return (
        [
            helper.make_node(
                "Conv",
                ["input", f"{name}kernel", f"{name}bias"],
                [f"{name}map"],
                kernel_shape=[stride] * 2,
                strides=[stride] * 2,
            ),
            helper.make_node("Transpose", [f"{name}map"], [f"{name}rows"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"{name}rows", f"{name}shape"], [name]),
        ],
        [numpy_helper.from_array(values, f"{name}{part}") for part, values in tensors.items()],
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, [*(side for side in shape[:-2]), count, width]
        ),
    )


def save_network(heads: list[tuple], side_px: int, path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side_px, side_px])
    graph = helper.make_graph(
        [node for nodes, _, _ in heads for node in nodes],
        "bright-cells",
        [picture],
        [output for _, _, output in heads],
        [tensor for _, tensors, _ in heads for tensor in tensors],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), path)


def yunet(path: Path) -> None:
    """A network that sees faces of 32 px in the bright ones of cells of 32 px."""
    brightness = {32: 1 / 255}
    save_network(
        [
            cells(kind, stride, brightness.get(stride, 0) if width == 1 else 0, 0, width, 640, width)
            for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
            for stride in (8, 16, 32)
        ],
        640,
        path,
    )


def scrfd(path: Path) -> None:
    """The same, with two boxes of 32 px for each cell."""
    score = {stride: (1.0 if stride == 32 else 0.0) for stride in (8, 16, 32)}
    save_network(
        [cells("score", stride, score[stride], 0, 1, 640, 2) for stride in (8, 16, 32)]
        + [cells("box", stride, 0, 16 / stride, 4, 640, 8) for stride in (8, 16, 32)],
        640,
        path,
    )


@pytest.mark.parametrize(
    ("name", "stand_in", "box"),
    [("yunet", yunet, (80, 48, 112, 80)), ("scrfd", scrfd, (80, 48, 112, 80))],
)
def test_a_box_lies_where_the_network_sees_a_face(
    place: Place, name: str, stand_in: Callable[[Path], None], box: tuple[float, ...]
) -> None:
    stand_in(place(name))
    rgb = np.zeros((640, 640, 3), np.uint8)
    rgb[64:96, 96:128] = 255
    (face,) = FaceAlignmentDetector(name)(rgb)
    assert face.box_xyxy == pytest.approx(box, abs=1)
    assert face.score == pytest.approx(1, abs=0.02)
    assert FaceAlignmentDetector(name)(np.zeros((640, 640, 3), np.uint8)) == []


@pytest.mark.parametrize("name", ["fan-68", "sfd", "yunet", "scrfd"])
def test_without_weights_the_user_is_told_how_to_fetch_them(place: Place, name: str) -> None:
    place(name)
    load = Fan68 if name == "fan-68" else lambda: FaceAlignmentDetector(name)
    with pytest.raises(UserError, match=f"is missing; run python -m pipeline weights fetch {name}"):
        load()


@pytest.mark.parametrize(
    ("stage", "setting", "name"),
    [("landmarks", {"landmarks": "fan-68"}, "fan-68"), ("detect", {"detector": ["blazeface", "sfd"]}, "sfd")],
)
def test_a_stage_without_its_weights_ends_before_it_rejects_a_face(
    workspace: Callable[[dict], Workspace], place: Place, stage: str, setting: dict, name: str
) -> None:
    here = workspace({"people": {"kind": "folder", "path": "pictures", "domain": "photo"}})
    photo = here.params()["domains"]["photo"] | setting
    here.set(domains={"photo": photo})
    said = here.run("pipeline", stage, "people", exit_code=2)
    assert f"run python -m pipeline weights fetch {name}" in said
    assert "Traceback" not in said
    assert not list((here.folder / "data").rglob("*.parquet"))
