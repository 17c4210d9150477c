"""Colours of simple faces drawn here, whose skin, hair and irises are known."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from pipeline.faces.colors import Rgb, estimate_colors, name_of
from pipeline.faces.ibug import eye_centers
from pipeline.metrics.color_consistency import delta_e

SIZE = 256
SKIN, HAIR, IRIS, WALL = (222, 178, 150), (70, 44, 30), (70, 120, 170), (120, 150, 120)
EYES = np.array([(90.0, 115.0), (166.0, 115.0)])


@dataclass
class Drawn:
    """A head before a wall, and its 68 landmarks."""

    pixels: np.ndarray
    points: np.ndarray

    def colors(self, drawn: bool = False, known: dict[str, Rgb] | None = None, scale: float = 1.0) -> dict:
        eyes = eye_centers(self.points)
        return estimate_colors(self.pixels, self.points, eyes, drawn, known or {}, scale)


def head(skin: Rgb = SKIN, hair: Rgb | None = HAIR, iris: Rgb = IRIS, open_px: int = 9) -> Drawn:
    """Return a frontal face of one tone; without hair it is bald, with `open_px` of 0 its eyes are closed."""
    pixels = np.full((SIZE, SIZE, 3), WALL, np.uint8)
    cv2.ellipse(pixels, (128, 120), (94, 122), 0, 0, 360, hair or skin, -1)
    cv2.ellipse(pixels, (128, 135), (84, 105), 0, 0, 360, skin, -1)
    for x, y in EYES.astype(int).tolist():
        eye = np.zeros((SIZE, SIZE), np.uint8)
        cv2.ellipse(eye, (x, y), (17, max(open_px, 1)), 0, 0, 360, 1, -1)
        inside = np.zeros_like(pixels) + np.array((232, 228, 224), np.uint8)
        cv2.circle(inside, (x, y), 8, iris, -1)
        cv2.circle(inside, (x, y), 3, (12, 10, 10), -1)
        if open_px:
            pixels[eye == 1] = inside[eye == 1]
        else:
            cv2.line(pixels, (x - 17, y), (x + 17, y), (50, 30, 25), 1)
    cv2.ellipse(pixels, (128, 195), (24, 7), 0, 0, 360, (170, 70, 75), -1)
    return Drawn(pixels, landmarks(open_px))


def landmarks(open_px: int = 9) -> np.ndarray:
    """Return the 68 landmarks of `head`."""
    turn = np.radians(np.linspace(180, 0, 17))
    jaw = np.stack([128 + 84 * np.cos(turn), 120 + 115 * np.sin(turn)], axis=1)
    brows = [(x, 95.0) for x in (*np.linspace(68, 110, 5), *np.linspace(146, 188, 5))]
    nose = [(128.0, y) for y in np.linspace(115, 155, 4)] + [(x, 163.0) for x in np.linspace(114, 142, 5)]
    lids = [(-17, 0), (-8, -open_px), (8, -open_px), (17, 0), (8, open_px), (-8, open_px)]
    eyes = [center + np.array(lid) for center in EYES for lid in lids]
    angles = np.radians(np.linspace(180, -150, 12))
    lips = [(128 + 24 * np.cos(angle), 195 - 7 * np.sin(angle)) for angle in angles]
    inner = [(128 + 16 * np.cos(angle), 195 - 3 * np.sin(angle)) for angle in angles[::3]] * 2
    return np.array([*jaw, *brows, *nose, *eyes, *lips, *inner], float)


@pytest.mark.parametrize("drawn", [False, True])
def test_flat_colors_are_seen_as_they_are(drawn: bool) -> None:
    colors = head().colors(drawn)
    for part, truth in (("skin", SKIN), ("hair", HAIR), ("left_eye", IRIS), ("right_eye", IRIS)):
        assert delta_e(colors[part].rgb, truth) < 3, part
        assert colors[part].confidence > 0.3, part
    assert colors["hair"].name == "dark brown"
    assert colors["left_eye"].name == "blue"


def test_a_shadow_on_one_cheek_leaves_the_lit_skin() -> None:
    face = head()
    even = face.colors()["skin"]
    face.pixels[:, 128:] = (face.pixels[:, 128:] * 0.55).astype(np.uint8)
    shaded = face.colors()["skin"]
    assert delta_e(shaded.rgb, SKIN) < 4
    assert shaded.confidence < even.confidence


def test_highlights_on_skin_and_iris_are_left_out() -> None:
    face = head()
    for spot, radius in (((85, 150), 7), ((128, 80), 6), ((93, 112), 2), ((169, 112), 2)):
        cv2.circle(face.pixels, spot, radius, (255, 255, 255), -1)
    colors = face.colors()
    for part, truth in (("skin", SKIN), ("left_eye", IRIS), ("right_eye", IRIS)):
        assert delta_e(colors[part].rgb, truth) < 4, part


@pytest.mark.parametrize("open_px", [4, 9])
def test_irises_are_told_from_white_and_pupil_in_half_closed_eyes_too(open_px: int) -> None:
    colors = head(iris=(110, 70, 45), open_px=open_px).colors()
    assert {colors["left_eye"].name, colors["right_eye"].name} == {"brown"}


@pytest.mark.parametrize("drawn", [False, True])
def test_closed_eyes_have_no_color(drawn: bool) -> None:
    colors = head(open_px=0).colors(drawn)
    assert colors["left_eye"] is None
    assert colors["right_eye"] is None
    assert colors["skin"] is not None


def test_eyes_of_two_colors_are_told_apart_but_trusted_less() -> None:
    face = head(iris=(60, 110, 60))
    face.pixels[:, 128:] = head(iris=(110, 70, 45)).pixels[:, 128:]
    colors = face.colors()
    assert (colors["left_eye"].name, colors["right_eye"].name) == ("green", "brown")
    assert colors["left_eye"].confidence < head(iris=(60, 110, 60)).colors()["left_eye"].confidence


def test_a_bald_head_has_no_hair() -> None:
    assert head(hair=None).colors()["hair"] is None


@pytest.mark.parametrize("skin", [(246, 222, 206), (190, 140, 110), (84, 56, 42)])
def test_the_wall_is_not_taken_for_hair(skin: Rgb) -> None:
    hair = head(skin=skin, hair=(24, 20, 20)).colors()["hair"]
    assert hair.name == "black"


@pytest.mark.parametrize("drawn", [False, True])
def test_a_grey_picture_has_grey_colors(drawn: bool) -> None:
    face = head()
    face.pixels = cv2.cvtColor(cv2.cvtColor(face.pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    colors = face.colors(drawn)
    assert colors["skin"].name == "grey"
    for part in ("hair", "left_eye", "right_eye"):
        assert colors[part].name in ("black", "grey", "white"), part
        assert max(colors[part].rgb) - min(colors[part].rgb) <= 2, part


def test_hardly_any_light_is_hardly_any_confidence() -> None:
    face = head()
    lit = face.colors()["skin"]
    face.pixels = (face.pixels * 0.15).astype(np.uint8)
    dark = face.colors()
    assert dark["skin"].confidence < 0.4 * lit.confidence
    assert all(color is None or color.confidence < 0.4 for color in dark.values())


def test_a_tiny_crop_has_no_eye_colors_but_a_skin() -> None:
    face = head()
    small = cv2.resize(face.pixels, (32, 32), interpolation=cv2.INTER_AREA)
    colors = Drawn(small, face.points / 8).colors()
    assert colors["left_eye"] is None
    assert delta_e(colors["skin"].rgb, SKIN) < 5


def test_enlarging_a_tiny_face_makes_no_evidence() -> None:
    assert head().colors(scale=8.0)["left_eye"] is None


def test_a_larger_crop_has_the_same_colors() -> None:
    face = head()
    large = cv2.resize(face.pixels, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    found, same = Drawn(large, face.points * 4).colors(), face.colors()
    for part in found:
        assert delta_e(found[part].rgb, same[part].rgb) < 3, part


@pytest.mark.parametrize("shift", [(-120, 0), (110, 0), (0, -150), (0, 140), (-4000, 4000)])
@pytest.mark.parametrize("drawn", [False, True])
def test_landmarks_outside_the_picture_are_no_error(shift: tuple[int, int], drawn: bool) -> None:
    face = head()
    off = Drawn(face.pixels, face.points + shift).colors(drawn)
    assert set(off) == {"skin", "hair", "left_eye", "right_eye"}
    if shift == (-4000, 4000):
        assert set(off.values()) == {None}


def test_what_the_detector_told_is_taken_if_the_picture_bears_it_out() -> None:
    told = {"skin": (218, 176, 150), "hair": (72, 44, 32)}
    colors = head().colors(drawn=True, known=told)
    assert {part: colors[part].rgb for part in told} == told


def test_what_the_detector_told_wrongly_is_seen_in_the_picture() -> None:
    colors = head().colors(drawn=True, known={"skin": SKIN, "hair": (250, 80, 200)})
    assert delta_e(colors["hair"].rgb, HAIR) < 3
    assert colors["hair"].confidence < head().colors(drawn=True)["hair"].confidence


@pytest.mark.parametrize(
    ("rgb", "part", "name"),
    [
        ((250, 225, 210), "skin", "very light"),
        ((60, 40, 30), "skin", "dark"),
        ((128, 128, 128), "skin", "grey"),
        ((235, 205, 145), "hair", "blonde"),
        ((245, 165, 190), "hair", "pink"),
        ((20, 18, 20), "hair", "black"),
        ((130, 108, 65), "left_eye", "hazel"),
        ((60, 100, 180), "right_eye", "blue"),
    ],
)
def test_each_part_has_names_of_its_own(rgb: Rgb, part: str, name: str) -> None:
    assert name_of(rgb, part) == name
