"""Labels of faces by words: what a face's tags or its picture's title say, and which tags are worth learning."""

from __future__ import annotations

import re
from collections import Counter
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


def frequent_tags(
    domains: Iterable[Sequence[Sequence[str] | None]],
    top: int,
    min_count: int,
    categories: Sequence[str] = (),
) -> tuple[list[str], dict[str, int]]:
    """Return the most frequent tags of faces, the most frequent first, and how many are left out for each reason.

    `domains` has the tags of each face of each domain. A tag must tell faces of one domain apart: in one of them at
    least `min_count` have it (`too_few`), and so many lack it (`too_many`). `categories` are what may stand before a
    tag's colon (`other_category`); tags beyond the first `top` are `beyond_top`. Tags are in lower case, with spaces.
    """
    counts = [
        (
            len(faces),
            Counter(tag for own in faces for tag in {_plain(each) for each in (() if own is None else own)}),
        )
        for faces in domains
    ]
    total = sum((counter for _, counter in counts), Counter[str]())
    wanted = [tag for tag in total if not categories or tag.partition(":")[0] in map(_plain, categories)]
    enough = [tag for tag in wanted if any(counter[tag] >= min_count for _, counter in counts)]
    telling = [
        tag
        for tag in enough
        if any(min_count <= counter[tag] <= faces - min_count for faces, counter in counts)
    ]
    taken = sorted(telling, key=lambda tag: (-total[tag], tag))[:top]
    left_out = {
        "other_category": len(total) - len(wanted),
        "too_few": len(wanted) - len(enough),
        "too_many": len(enough) - len(telling),
        "beyond_top": len(telling) - len(taken),
    }
    return taken, left_out


def positive_weights(labels: np.ndarray, most: float) -> list[float]:
    """Return for each of L labels how much a face that has it counts, so that those count as much as the others do.

    `labels` is NxL, 0 or 1. A label that nobody has counts once; none counts more than `most` times.
    """
    having = labels.sum(axis=0, dtype=np.float64)
    ratio = np.divide(len(labels) - having, having, out=np.ones_like(having), where=having > 0)
    return np.clip(ratio, 1 / most, most).round(4).tolist()


def _plain(words: str) -> str:
    return " ".join(words.casefold().replace("_", " ").split())
