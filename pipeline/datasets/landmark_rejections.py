"""Which faces lose their landmarks: by the size of the eyes and by tag, as document 004 asked of drawn faces."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa

_TAGS_SHOWN = 20
_MIN_FACES_OF_A_TAG = 5
# The height of the eyes over that of the box.
_STEP = 0.05


class Share(TypedDict):
    """How many faces there are, and of how many the landmarks were rejected or not kept."""

    faces: int
    rejected: int


def rejections_by_eye_size(faces: pa.Table) -> dict[str, Share]:
    """Return, for each range of eye sizes, how many faces fail for their landmarks; nothing where none is known."""
    frame = _marked(faces)
    frame = frame[frame["eye_size"].notna()]
    lower = np.floor(frame["eye_size"] / _STEP).astype(int)
    return {
        f"{number * _STEP:.2f} to {(number + 1) * _STEP:.2f}": _share(group)
        for number, group in frame.groupby(lower)
    }


def rejections_by_tag(faces: pa.Table) -> dict[str, Share]:
    """Return the same for the most frequent tags, the tag with the largest share of rejected faces first."""
    frame = _marked(faces).explode("tags")
    shares = {str(tag): _share(group) for tag, group in frame[frame["tags"].notna()].groupby("tags")}
    frequent = [item for item in shares.items() if item[1]["faces"] >= _MIN_FACES_OF_A_TAG]
    shown = sorted(frequent, key=lambda item: (-item[1]["faces"], item[0]))[:_TAGS_SHOWN]
    return dict(sorted(shown, key=lambda item: (-item[1]["rejected"] / item[1]["faces"], item[0])))


def _marked(faces: pa.Table) -> pd.DataFrame:
    frame = faces.select(["eye_size", "tags", "reason"]).to_pandas()
    return frame.assign(rejected=frame["reason"].isin(("bad_landmarks", "eye_missing")))


def _share(group: pd.DataFrame) -> Share:
    return {"faces": len(group), "rejected": int(group["rejected"].sum())}
