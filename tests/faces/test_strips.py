"""Windows over long pictures: every panel and every face lies whole in one of them."""

import itertools

import numpy as np
import pytest

from pipeline.faces.strips import windows

WIDTH = 200


def strip(*rows: tuple[str, int]) -> np.ndarray:
    """Draw a strip of blank and noisy rows, WIDTH px wide."""
    rng = np.random.default_rng(0)
    blank = {"white": 255, "black": 0}
    return np.vstack(
        [
            np.full((length, WIDTH, 3), blank[kind], np.uint8)
            if kind in blank
            else rng.integers(0, 256, (length, WIDTH, 3), np.uint8)
            for kind, length in rows
        ]
    )


def test_a_picture_of_usual_shape_is_one_window() -> None:
    assert windows(strip(("drawing", 300))) == [(0, 0, WIDTH, 300)]


def test_a_strip_is_cut_at_its_gutters_white_or_black() -> None:
    rgb = strip(("drawing", 200), ("white", 100), ("drawing", 150), ("black", 100), ("drawing", 250))
    assert windows(rgb) == [(0, 0, WIDTH, 220), (0, 280, WIDTH, 470), (0, 530, WIDTH, 800)]


def test_a_line_between_panels_is_no_gutter() -> None:
    rgb = strip(("drawing", 140), ("white", 4), ("drawing", 140), ("white", 300))
    assert windows(rgb)[0][1] == 0
    assert windows(rgb)[-1][3] == 284 + 20
    assert any(top < 140 - 50 and bottom > 144 + 50 for _, top, _, bottom in windows(rgb))


def test_windows_overlap_where_a_panel_is_long_and_cover_it() -> None:
    found = windows(strip(("drawing", 1000)))
    assert found[0][1] == 0
    assert found[-1][3] == 1000
    assert all(bottom - top <= 1.5 * WIDTH for _, top, _, bottom in found)
    for (_, _, _, bottom), (_, top, _, _) in itertools.pairwise(found):
        assert bottom - top >= 0.49 * WIDTH


def test_a_strip_may_lie_on_its_side() -> None:
    rgb = strip(("drawing", 200), ("white", 100), ("drawing", 300))
    across = [(top, left, bottom, right) for left, top, right, bottom in windows(rgb)]
    assert windows(rgb.transpose(1, 0, 2)) == across


@pytest.mark.parametrize("kind", ["white", "black"])
def test_a_blank_strip_has_no_window(kind: str) -> None:
    assert windows(strip((kind, 1000))) == []
