"""Screens: classifiers that look at an image before it is stored, loaded only where a source asks for one."""

from __future__ import annotations

import io
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field, NonNegativeInt, ValidationError, model_validator

from pipeline import weights
from pipeline.crawl.fetching import Screen
from pipeline.errors import UserError
from pipeline.images import decode
from pipeline.params import Classifier, Positive, Screening, Section, explain_validation
from pipeline.project import load_yaml

Scale = Annotated[float, Field(gt=0)]
GREY = np.full((64, 64, 3), 127, np.uint8)


class Description(Section):
    """How a picture becomes the input of an ONNX classifier, and how its first output becomes a score.

    The picture is stretched to a square of `resize_px`, becomes a JPEG of `jpeg_quality` and pixels again where
    the classifier learnt from such, and its middle of `size_px` is cut out. Its values, from 0 to 1, lose `mean`
    and are divided by `std`, both in the order of `channels`. The score is the sum of the classes at `score`,
    counted from 0, after the `activation`: from 0 to 1.
    """

    resize_px: Positive
    jpeg_quality: Annotated[int, Field(ge=1, le=95)] | None = None
    size_px: Positive
    channels: Literal["rgb", "bgr"]
    layout: Literal["nchw", "nhwc"]
    mean: tuple[float, float, float]
    std: tuple[Scale, Scale, Scale]
    activation: Literal["none", "sigmoid", "softmax"]
    score: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _cuts_out_what_is_there(self) -> Description:
        if self.size_px > self.resize_px:
            raise ValueError("size_px must be at most resize_px")
        return self


# As the model's own classify_nsfw.py prepares pictures: https://github.com/yahoo/open_nsfw
OPEN_NSFW = Description(
    resize_px=256,
    jpeg_quality=75,
    size_px=224,
    channels="bgr",
    layout="nhwc",
    mean=(104 / 255, 117 / 255, 123 / 255),
    std=(1 / 255, 1 / 255, 1 / 255),
    activation="none",
    score=(1,),
)
SHIPPED: dict[str, dict[str, Description]] = {"unsafe": {"open-nsfw": OPEN_NSFW}, "apparent_minor": {}}


def build_screen(screening: Screening) -> Screen | None:
    """Return the screen that a source's entry asks for; None where it asks for none.

    Raises `UserError` with lines of the form `screen.REASON.classifier: what is wrong with it`.
    """
    asked = {reason: getattr(screening, reason) for reason in SHIPPED}
    checks = [_Check(reason, _load(reason, entry), entry) for reason, entry in asked.items() if entry]
    return _Checks(checks) if checks else None


@dataclass(frozen=True)
class _Check:
    """One question put to an image."""

    reason: str
    classifier: OnnxClassifier
    entry: Classifier

    def refuse(self, batch: np.ndarray) -> tuple[str, str] | None:
        # Rounded before it is compared: the last digits differ between processors.
        score = round(self.classifier.score(batch), 2)
        if score <= self.entry.max_score:
            return None
        return self.reason, f"score {score:.2f}, at most {self.entry.max_score:g} ({self.classifier.name})"


@dataclass(frozen=True)
class _Checks:
    """What is asked of every image of a source, by any number of threads at once."""

    checks: list[_Check]
    _decoding: threading.Lock = field(default_factory=threading.Lock)

    def refuse(self, data: bytes) -> tuple[str, str] | None:
        """Return the first reason against an image and its detail.

        Raises `ImageProblem` where the bytes cannot be decoded: what cannot be looked at is not stored.
        """
        with self._decoding:  # one after the other: the pixels of a large image take hundreds of megabytes
            pixels = decode(data)
            batches = [prepare(pixels, check.classifier.description) for check in self.checks]
            del pixels
        for check, batch in zip(self.checks, batches, strict=True):
            if verdict := check.refuse(batch):
                return verdict
        return None


class OnnxClassifier:
    """An ONNX file that gives a picture a score; any number of threads may ask it at once."""

    def __init__(self, name: str, path: Path, description: Description) -> None:
        import onnxruntime

        self.name = name
        self.description = description
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # as many threads as fetch ask at once
        options.log_severity_level = 4
        self._session: Any = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])

    def score(self, batch: np.ndarray) -> float:
        """Return the score of a picture that was prepared as described."""
        output = self._session.run(None, {self._session.get_inputs()[0].name: batch})[0]
        classes = np.atleast_1d(np.squeeze(np.asarray(output, np.float64)))
        if classes.ndim > 1:
            raise ValueError(f"its first output has the shape {output.shape}, not one number for each class")
        return float(_activate(classes, self.description.activation)[list(self.description.score)].sum())


def prepare(pixels: np.ndarray, description: Description) -> np.ndarray:
    """Return HxWx3 uint8 RGB pixels as a batch of one picture, float32, as a classifier wants it."""
    side, margin = description.resize_px, (description.resize_px - description.size_px) // 2
    stretched = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
    if description.jpeg_quality:
        stretched = _through_jpeg(stretched, description.jpeg_quality)
    kept = slice(margin, margin + description.size_px)
    values = np.asarray(stretched)[kept, kept, :: -1 if description.channels == "bgr" else 1] / 255
    batch = ((values - description.mean) / description.std).astype(np.float32)[None]
    return np.ascontiguousarray(batch if description.layout == "nhwc" else batch.transpose(0, 3, 1, 2))


def _through_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def _activate(values: np.ndarray, activation: str) -> np.ndarray:
    if activation == "sigmoid":
        return (1 + np.tanh(values / 2)) / 2
    if activation == "softmax":
        powers = np.exp(values - values.max())
        return powers / powers.sum()
    return values


def _load(reason: str, entry: Classifier) -> OnnxClassifier:
    try:
        return _load_and_try(*_find(reason, entry.classifier))
    except UserError as error:
        lines = str(error).splitlines()
        raise UserError("\n".join(f"screen.{reason}.classifier: {line}" for line in lines)) from None


def _find(reason: str, classifier: str) -> tuple[Path, Description]:
    """Return where a classifier's file lies, and its description."""
    shipped = SHIPPED[reason]
    if classifier in shipped:
        return weights.SHIPPED[classifier].path(), shipped[classifier]
    path = Path(os.path.expandvars(classifier)).expanduser()
    if path.suffix != ".onnx":
        raise UserError(
            f"{classifier!r} is neither the path of an .onnx file nor a classifier that there is for {reason}: "
            + (", ".join(shipped) or "for this, give a file of your own")
        )
    if not path.is_file():
        raise UserError(f"{classifier}: no such file (looked at {path})")
    beside = path.with_suffix(".yaml")
    if not beside.is_file():
        keys = ", ".join(Description.model_fields)
        raise UserError(f"{classifier}: its description is missing; write {beside} with the keys {keys}")
    try:
        return path, Description.model_validate(load_yaml(beside))
    except ValidationError as error:
        raise UserError(explain_validation(error, beside)) from None


def _load_and_try(path: Path, description: Description) -> OnnxClassifier:
    """Return a classifier that has given a grey picture a score."""
    # onnxruntime raises a class of its own for each of its error codes: hence every Exception.
    try:
        classifier = OnnxClassifier(path.stem, path, description)
    except ImportError:
        raise UserError(f"onnxruntime is not installed; run {weights.INSTALL_SCREEN}") from None
    except Exception as error:
        raise UserError(f"{path} is no ONNX file that can be run: {_first_line(error)}") from None
    try:
        score = classifier.score(prepare(GREY, description))
    except Exception as error:
        raise UserError(f"{path} does not fit its description: {_first_line(error)}") from None
    if not -0.01 <= score <= 1.01:
        raise UserError(
            f"{path} gives a grey picture the score {score:.2f}, which is not from 0 to 1: where its outputs are "
            "logits, activation must be sigmoid or softmax"
        )
    return classifier


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:200]
