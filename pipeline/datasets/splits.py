"""Train, validation and test: a face's split is a hash of whom it shows, so nothing moves as data grows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def place_of(name: str) -> float:
    """Return where a name lies in [0, 1): always the same place, and those of many names lie evenly."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def split_of(group: str, val: float, test: float) -> str:
    """Return `train`, `val` or `test` for all faces of one group (a subject, a pair, a page or an image)."""
    place = place_of(group)
    if place < test:
        return "test"
    return "val" if place < test + val else "train"


def groups_of(faces: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Return the name of each face's group, whose faces share their split.

    It is the first of the columns `by` that is known of a face, or else its `image_id`. Faces with one `pair_id` are
    never parted: where they belong to several groups, these are one, under the name that comes first in the order of
    `by` and then of the alphabet.
    """
    ranked = [*by, "image_id"]
    known = faces[ranked].notna().to_numpy()
    rank = known.argmax(axis=1)
    names = pd.Series(faces[ranked].to_numpy()[np.arange(len(faces)), rank], faces.index, dtype=object)
    if faces["pair_id"].isna().all():
        return names
    group, first_names = pd.factorize(names)
    pair, pairs = pd.factorize(faces["pair_id"])
    paired = pair >= 0
    links = (np.ones(paired.sum()), (group[paired], len(first_names) + pair[paired]))
    nodes = len(first_names) + len(pairs)
    joined = connected_components(coo_array(links, shape=(nodes, nodes)), directed=False)[1][group]
    order = pd.DataFrame({"joined": joined, "rank": rank, "name": names.to_numpy()})
    first = order.sort_values(["joined", "rank", "name"]).drop_duplicates("joined")
    return pd.Series(first.set_index("joined")["name"].loc[joined].to_numpy(), faces.index, dtype=object)


def split_within_subjects(faces: pd.DataFrame, by: Sequence[str], val: float, test: float) -> pd.Series:
    """Return the split of each face where every person shall be both trained on and tested.

    Not people are parted but what shows them: faces that share one of the columns `by`, as in `groups_of`, or nearly
    are the same picture (`cluster`) stay together. A group's split is a hash of its name, but of each person the group
    that lies nearest to training is for training, wherever the shares would put it.
    """
    names = groups_of(faces, [column for column in by if column != "subject"])
    # Near-duplicates join groups as pairs do.
    near = pd.DataFrame({"group": names, "image_id": names, "pair_id": faces["cluster"]})
    groups = groups_of(near, ["group"])
    places = groups.map({name: place_of(name) for name in groups.unique()})
    person = faces["subject"].fillna(faces["face_id"])
    nearest = groups[places == places.groupby(person).transform("max")].unique()
    split = groups.map({name: split_of(name, val, test) for name in groups.unique()})
    return split.where(~groups.isin(nearest), "train")
