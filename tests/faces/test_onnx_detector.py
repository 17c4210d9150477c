"""A detector of the user's, from an ONNX file that the test builds."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.errors import UserError
from pipeline.faces.detection import Search, find_faces
from pipeline.faces.detectors import load_detector

# Centre, width and height in pixels of the input, then the scores of two classes.
BOXES = [
    (160, 160, 80, 80, 0.9, 0.1),
    (164, 160, 80, 80, 0.6, 0.0),
    (260, 100, 40, 40, 0.0, 0.7),
    (60, 100, 40, 40, 0.1, 0.1),
]


def save_detector(path: Path, boxes: list[tuple[float, ...]], input_shape: tuple[int, ...]) -> Path:
    """Save a detector that finds these boxes in any picture that is not black."""
    found = np.array(boxes, np.float32).T[None]
    nodes = [
        # Something of the picture must count, or the graph has no use for its input.
        helper.make_node("ReduceMax", ["images"], ["brightest"], keepdims=0),
        helper.make_node("Ceil", ["brightest"], ["anything"]),
        helper.make_node("Mul", ["boxes", "anything"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "faces",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, found.shape)],
        [numpy_helper.from_array(found, "boxes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save_detector(tmp_path / "faces.onnx", BOXES, (1, 3, 320, 320))


def test_boxes_are_in_the_pictures_pixels_and_overlapping_ones_are_one(path: Path) -> None:
    # 640x320 lies at half its size in the middle of 320x320, 80 px down.
    faces = load_detector(f"onnx:{path}")(np.full((320, 640, 3), 200, np.uint8))
    assert [(face.box_xyxy, round(face.score, 2)) for face in faces] == [
        ((240, 80, 400, 240), 0.9),
        ((480, 0, 560, 80), 0.7),
    ]
    assert not any(face.points for face in faces)


def test_a_small_picture_is_not_enlarged(path: Path) -> None:
    (face, *_) = load_detector(f"onnx:{path}")(np.full((100, 100, 3), 200, np.uint8))
    assert face.box_xyxy == (10, 10, 90, 90)


def test_it_is_a_detector_of_a_domain_of_cartoons(path: Path) -> None:
    found = find_faces(np.full((320, 320, 3), 200, np.uint8), Search("cartoon", (f"onnx:{path}",)))
    assert [round(face.score, 1) for face in found.faces] == [0.9, 0.7]
    assert found.detector == f"onnx:{path}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.onnx: there is no such file"):
        load_detector(f"onnx:{tmp_path / 'nothing.onnx'}")


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(UserError, match=r"text\.onnx: it is no ONNX model"):
        load_detector(f"onnx:{tmp_path / 'text.onnx'}")


def test_a_model_of_another_interface_is_refused(tmp_path: Path) -> None:
    wrong = save_detector(tmp_path / "grey.onnx", BOXES, (1, 1, 320, 320))
    with pytest.raises(UserError, match="1x3xHxW"):
        load_detector(f"onnx:{wrong}")
