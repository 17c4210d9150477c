"""Aligned crops on their way into a dataset: read part by part, prepared, reduced to the experiment's sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline import images, parts
from pipeline.datasets.arrays import image_file
from pipeline.experiments.common import Preprocess
from pipeline.faces.equalization import equalize


def write_crops(
    folder: Path,
    domain: str,
    faces: pa.Table,
    sizes_px: tuple[int, int],
    preprocess: Preprocess,
    show: Callable[[], object],
) -> None:
    """Write the images of the faces at the experiment's size, and of those to train on at the larger one too.

    `faces` are rows of the catalogue in the order of the arrays; `sizes_px` the experiment's size and the larger one,
    whose file is left out where they are equal. `show` is called for each face that is done. At no time are more than
    a few crops in memory.
    """
    size_px, large_px = sizes_px
    training = np.asarray(faces["split"].to_pylist()) == "train"
    place_of_large = np.cumsum(training) - 1
    with ExitStack() as files:
        put = files.enter_context(image_file(folder / f"{domain}.images.npy", faces.num_rows, size_px))
        large_file = image_file(folder / f"{domain}.large.npy", int(training.sum()), large_px)
        put_large = files.enter_context(large_file) if large_px != size_px else None
        for index, crop in _crops(faces):
            prepared = prepare(crop, preprocess)
            put(index, reduce(prepared, size_px))
            if put_large is not None and training[index]:
                put_large(int(place_of_large[index]), reduce(prepared, large_px))
            show()


def prepare(crop: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """Return HxWx3 uint8 RGB as the experiment wants faces of its domain: of equalised luminance, grey, or as it is."""
    equal = equalize(crop, preprocess.equalize)
    return (
        cv2.cvtColor(cv2.cvtColor(equal, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if preprocess.grey
        else equal
    )


def reduce(crop: np.ndarray, size_px: int) -> np.ndarray:
    """Return a square crop at another size, averaged where it shrinks."""
    if crop.shape[0] == size_px:
        return crop
    shrinks = crop.shape[0] > size_px
    return cv2.resize(crop, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _crops(faces: pa.Table) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each face's index and aligned crop; every part is read once, a few rows at a time."""
    frame = faces.select(["face_id", "source", "part"]).to_pandas()
    for (source, part), mine in frame.groupby(["source", "part"]):
        index_of = pd.Series(mine.index, mine["face_id"])
        path = parts.folder("aligned", str(source)) / str(part)
        for group in range(len(parts.row_group_sizes(path))):
            rows = parts.read_table(path, ["face_id", "bytes"], row_group=group)
            for face_id, data in zip(rows["face_id"].to_pylist(), rows["bytes"].to_pylist(), strict=True):
                if face_id in index_of.index:
                    yield int(index_of[face_id]), images.decode(data)
