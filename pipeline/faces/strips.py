"""Windows over long pictures such as webtoon strips: cut where the drawing pauses, overlapping where it does not."""

from __future__ import annotations

import itertools

import numpy as np

Window = tuple[int, int, int, int]

# A picture this many times as long as wide is a strip; it is seen through windows of at most so many widths,
# which overlap by so many widths: a face on a strip is seldom larger.
_STRIP = 2.0
_MAX_LENGTH = 1.5
_OVERLAP = 0.5
# A line is blank where its grey levels differ by no more (JPEG leaves traces); a gutter is so many widths of them.
_BLANK_LEVELS = 24
_MIN_GUTTER = 0.03
# What is shorter shows no face; and how much of the gutter a window keeps, for detectors want room around a face.
_MIN_PANEL = 0.06
_MARGIN = 0.1


def windows(rgb: np.ndarray) -> list[Window]:
    """Return the windows (xyxy, pixels) that HxWx3 uint8 RGB is searched through: the whole, but for strips.

    Every panel lies in at least one window, and so does every face up to half as long as the strip is wide.
    """
    height, width = rgb.shape[:2]
    if max(height, width) <= _STRIP * min(height, width):
        return [(0, 0, width, height)]
    if height > width:
        return [(0, top, width, bottom) for top, bottom in _spans(rgb)]
    return [(left, 0, right, height) for left, right in _spans(rgb.transpose(1, 0, 2))]


def _spans(rgb: np.ndarray) -> list[tuple[int, int]]:
    """Return the windows down a strip that is higher than wide, as (top, bottom)."""
    width = rgb.shape[1]
    return [span for panel in _panels(rgb) for span in _overlapping(*panel, width)]


def _panels(rgb: np.ndarray) -> list[tuple[int, int]]:
    """Return the rows of each panel between blank gutters, with some of the gutters around it."""
    height, width = rgb.shape[:2]
    lines = [(blank, len(list(run))) for blank, run in itertools.groupby(_blank_rows(rgb))]
    ends = list(itertools.accumulate((length for _, length in lines), initial=0))
    drawn: list[list[int]] = []
    for (blank, length), start in zip(lines, ends, strict=False):
        if blank and length >= _MIN_GUTTER * width:
            drawn.append([])
        elif not blank:
            drawn[-1:] = [[*(drawn[-1] if drawn else []), start, start + length]]
    margin = round(_MARGIN * width)
    return [
        (max(rows[0] - margin, 0), min(rows[-1] + margin, height))
        for rows in drawn
        if rows and rows[-1] - rows[0] >= _MIN_PANEL * width
    ]


def _blank_rows(rgb: np.ndarray) -> list[bool]:
    return (np.ptp(rgb, axis=1).max(axis=-1) <= _BLANK_LEVELS).tolist()


def _overlapping(top: int, bottom: int, width: int) -> list[tuple[int, int]]:
    """Return windows of one length that cover a panel and overlap."""
    length, window, overlap = bottom - top, _MAX_LENGTH * width, _OVERLAP * width
    count = max(int(np.ceil((length - overlap) / (window - overlap))), 1)
    size = length if count == 1 else int(np.ceil((length + (count - 1) * overlap) / count))
    starts = np.linspace(top, bottom - size, count).round().astype(int).tolist()
    return [(start, start + size) for start in starts]
