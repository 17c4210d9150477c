"""The comparison sheet: a face, and beside it what every model made of it, each under its name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.serve.zoo import Answer

_TILE_PX = 256
_TEXT_PX = 14
_LINE_PX = 20
_GAP_PX = 12
_COLUMNS = 5
_PAPER = "white"
_INK = "black"


def comparison_sheet(crop: np.ndarray, answers: Sequence[Answer]) -> np.ndarray:
    """Return HxWx3 uint8 RGB with the crop, SxSx3 uint8 RGB, and all answers; a model's problem stands in its place."""
    tiles = [("input", "", crop, None)] + [
        (answer.experiment, f"{answer.to}, {answer.seconds:.2f} s", answer.image, answer.problem)
        for answer in answers
    ]
    columns = min(len(tiles), _COLUMNS)
    rows = -(-len(tiles) // columns)
    cell = _TILE_PX + _GAP_PX, _TILE_PX + 2 * _LINE_PX + _GAP_PX
    sheet = Image.new("RGB", (columns * cell[0] + _GAP_PX, rows * cell[1] + _GAP_PX), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT_PX)
    for index, (name, below, image, problem) in enumerate(tiles):
        x, y = (
            _GAP_PX + place * step
            for place, step in zip((index % columns, index // columns), cell, strict=True)
        )
        if image is not None:
            sheet.paste(Image.fromarray(image).resize((_TILE_PX, _TILE_PX), Image.Resampling.LANCZOS), (x, y))
        else:
            draw.multiline_text((x, y), _wrapped(problem or "", draw, font), _INK, font)
        draw.text((x, y + _TILE_PX + 2), _cut(name, draw, font), _INK, font)
        draw.text(
            (x, y + _TILE_PX + 2 + _LINE_PX), _cut(below if image is not None else "", draw, font), _INK, font
        )
    return np.asarray(sheet)


def _cut(text: str, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return as much of a line as a tile is wide."""
    if draw.textlength(text, font) <= _TILE_PX:
        return text
    while draw.textlength(f"{text}…", font) > _TILE_PX:
        text = text[:-1]
    return f"{text}…"


def _wrapped(text: str, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return a text in lines as wide as a tile, as many as fit."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, font) <= _TILE_PX:
            lines[-1] = longer
        else:
            lines.append(_cut(word, draw, font))
    return "\n".join(lines[: _TILE_PX // _LINE_PX])
