"""A laboratory of toy size, and faces that are drawn in no time in place of the demo's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.claims.effort import Effort
from pipeline.claims.lab import Lab
from pipeline.faces.mean_face import MEAN_FACE
from pipeline.sources.demo import cartoons, portraits, surgery
from pipeline.sources.demo.truth import Face, Picture, face_box

TOY = Effort(
    name="toy",
    size_px=32,
    large_px=64,
    steps=2,
    large_steps=2,
    seeds=(0, 1),
    pictures=30,
    picture_px=64,
    width=16,
    blocks=2,
    photographs=44,
)
_PICTURE_PX = 128


@pytest.fixture
def lab(tmp_path: Path, quick_faces: None) -> Lab:
    return Lab(tmp_path / "lab", TOY)


@pytest.fixture
def quick_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a disc of skin with eyes on a ground of hair, turned and sized by lot."""
    for style in (portraits, cartoons):
        monkeypatch.setattr(style, "draw", draw)
    monkeypatch.setattr(surgery, "draw", lambda seed, case, role: draw(seed + (role == "after"), case))


def draw(seed: int, index: int) -> Picture:
    random = np.random.default_rng([seed, index])
    skin, hair, eye = (tuple(random.integers(20, 255, 3).tolist()) for _ in range(3))
    scale, yaw = random.uniform(18, 26), random.uniform(-20, 20)
    middle = _PICTURE_PX / 2 - np.array([0, 10])
    points = np.asarray(MEAN_FACE) * scale + middle
    y, x = np.mgrid[:_PICTURE_PX, :_PICTURE_PX]
    pixels = np.full((_PICTURE_PX, _PICTURE_PX, 3), hair, np.uint8)
    pixels[np.hypot(x - middle[0], y - middle[1] - scale * 0.4) < 1.3 * scale] = skin
    for at in (points[36:42].mean(axis=0), points[42:48].mean(axis=0)):
        pixels[np.hypot(x - at[0], y - at[1]) < 0.2 * scale] = eye
    face = Face(points, face_box(points), skin, hair, eye, eye, yaw, 0.0, 0.0, True)
    return Picture(pixels, (face,))
