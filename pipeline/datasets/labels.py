"""Labels of faces by words: what a face's tags or its picture's title say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np


def label_faces(
    tags: Sequence[Sequence[str] | None],
    titles: Sequence[str | None],
    labels: Mapping[str, Iterable[str]],
) -> np.ndarray:
    """Return NxL uint8: 1 where one of a label's words is a tag of the face or stands whole in its title.

    Case does not matter, and neither does the kind of space: `nose_surgery` is `nose surgery`.
    """
    found = np.zeros((len(titles), len(labels)), np.uint8)
    for column, words in enumerate(labels.values()):
        wanted = {_plain(word) for word in words}
        inside = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(wanted)))
        for row, (own, title) in enumerate(zip(tags, titles, strict=True)):
            tagged = not wanted.isdisjoint(map(_plain, own if own is not None else ()))
            found[row, column] = tagged or (bool(wanted) and bool(inside.search(_plain(title or ""))))
    return found


def _plain(words: str) -> str:
    return " ".join(words.casefold().replace("_", " ").split())
