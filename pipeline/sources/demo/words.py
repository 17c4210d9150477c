"""Words for what is drawn: the tags that a picture's item page carries."""

import colorsys

from .truth import Rgb

# The hue, in degrees, below which a colour has this name; red goes on at the end of the circle.
_HUES = (
    (15, "red"),
    (45, "orange"),
    (70, "yellow"),
    (165, "green"),
    (195, "aqua"),
    (255, "blue"),
    (300, "purple"),
    (345, "pink"),
    (360, "red"),
)
_GREYISH = 0.18


def colour_word(rgb: Rgb) -> str:
    """The plain name of a colour; those without much colour are black, grey or white."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in rgb))
    if value < 0.25:
        return "black"
    if saturation < _GREYISH:
        return "white" if value > 0.8 else "grey"
    return next(word for below, word in _HUES if 360 * hue <= below)


def said(**holds: bool) -> tuple[str, ...]:
    """The names of what holds, with spaces for underscores."""
    return tuple(name.replace("_", " ") for name, is_true in holds.items() if is_true)
