"""Finding faces in the catalogue: filters, how many there are, and pages of them, a million faces or more.

What filters look at is kept in memory as short numbers, about a hundred bytes a face; all else is read a page at a
time. Images without faces, and references that the crawl refused, are found too, by their source and their reason.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from skimage.color import deltaE_ciede2000

from pipeline import parts
from pipeline.errors import UserError
from pipeline.faces.colors.lab import Rgb, lab_of
from pipeline.stages.catalogue import FOLDER

Row = dict[str, Any]
Range = tuple[float | None, float | None]
NAMED = ("source", "domain", "split", "stage", "reason")
EYES = ("left_eye", "right_eye")
PARTS_OF_FACE: Mapping[str, Sequence[str]] = {"skin": ("skin",), "hair": ("hair",), "eyes": EYES}
_ANGLES = ("yaw_deg", "pitch_deg")
_COLORED = ("skin", "hair", *EYES)
_BATCH = 1 << 16
_REMEMBERED = 8
_NO_COLOR = 1 << 24
_NONE = -1
_NO_KEY = (1 << 64) - 1
_WHOLE_RANGE: Range = (None, None)


@dataclass(frozen=True)
class Near:
    """Colours of a part of the face, `skin`, `hair` or `eyes`, at most so far from one (CIEDE2000)."""

    part: str
    rgb: Rgb
    within: float


@dataclass(frozen=True)
class Filter:
    """What faces must be like; None: whatever they are. Angles lie in a range whose ends are part of it.

    `reason` says at which stage and why something was left out. Nothing but its source, its stage and its reason is
    known of an image without faces.
    """

    source: str | None = None
    domain: str | None = None
    split: str | None = None
    kept: bool | None = None
    reason: tuple[str, str] | None = None
    tag: str | None = None
    yaw_deg: Range = _WHOLE_RANGE
    pitch_deg: Range = _WHOLE_RANGE
    near: Near | None = None
    images: frozenset[str] | None = None

    def wants_faces_only(self) -> bool:
        """Say whether it asks for what is not known of an image without faces."""
        return (
            self.kept is True
            or any(value is not None for value in (self.domain, self.split, self.tag, self.near))
            or any(given != _WHOLE_RANGE for given in (self.yaw_deg, self.pitch_deg))
        )


class _Names:
    """A column of names as numbers."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        self._chunks: list[np.ndarray] = []

    def add(self, values: pa.Array) -> None:
        encoded = values.dictionary_encode()
        own = [self._code(name) for name in encoded.dictionary.to_pylist()]
        indices = encoded.indices.fill_null(len(own)).to_numpy(zero_copy_only=False)
        self._chunks.append(np.array([*own, _NONE], np.int32)[indices])

    def codes(self) -> np.ndarray:
        return _joined(self._chunks, np.int32)

    def is_named(self, codes: np.ndarray, name: str) -> np.ndarray:
        return codes == self._codes.get(name, _NONE - 1)

    def _code(self, name: str) -> int:
        if name not in self._codes:
            self._codes[name] = len(self.names)
            self.names.append(name)
        return self._codes[name]


class Index:
    """What the filters look at, of every face and then of every image without one; a row's number is its place."""

    def __init__(self, folder: Path) -> None:
        self._faces_path, self._lost_path = folder / "faces.parquet", folder / "rejections.parquet"
        self._names = {name: _Names() for name in NAMED}
        self._tags = _Names()
        kept: list[np.ndarray] = []
        keys: list[np.ndarray] = []
        ends: list[np.ndarray] = []
        angles: dict[str, list[np.ndarray]] = {name: [] for name in _ANGLES}
        colors: dict[str, list[np.ndarray]] = {part: [] for part in _COLORED}
        columns = ["image_id", *NAMED, "kept", *_ANGLES, *(f"{part}_rgb" for part in _COLORED), "tags"]
        for batch in _batches(self._faces_path, columns):
            for name in NAMED:
                self._names[name].add(batch[name])
            keys.append(_keys(batch["image_id"]))
            kept.append(batch["kept"].to_numpy(zero_copy_only=False).astype(bool))
            for name in _ANGLES:
                angles[name].append(batch[name].to_numpy(zero_copy_only=False).astype(np.float32))
            for part in _COLORED:
                colors[part].append(_packed(batch[f"{part}_rgb"]))
            ends.append(np.asarray(pc.fill_null(pc.list_value_length(batch["tags"]), 0)))
            self._tags.add(batch["tags"].flatten())
        self._kept = _joined(kept, bool)
        self._angles = {name: _joined(chunks, np.float32) for name, chunks in angles.items()}
        self._colors = {part: _joined(chunks, np.uint32) for part, chunks in colors.items()}
        self._tag_codes = self._tags.codes()
        self._tag_ends = np.cumsum(_joined(ends, np.int64))
        self.faces = len(self._kept)
        self._lost_places = self._add_lost(keys)
        self._codes = {name: column.codes() for name, column in self._names.items()}
        self._keys = _joined(keys, np.uint64)
        self._found: OrderedDict[Filter, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of faces and of images without any."""
        return self.faces + len(self._lost_places)

    def values(self, name: str) -> list[str]:
        """Return what a named column holds, in order."""
        return sorted(self._names[name].names)

    def reasons(self) -> dict[tuple[str, str], int]:
        """Return how many faces and images were left out, by stage and reason."""
        stages, reasons = (self._names[name].names for name in ("stage", "reason"))
        pairs = self._codes["stage"].astype(np.int64) * len(reasons) + self._codes["reason"]
        found, counts = np.unique(pairs[self._codes["reason"] != _NONE], return_counts=True)
        return {
            (stages[pair // len(reasons)], reasons[pair % len(reasons)]): int(count)
            for pair, count in zip(found.tolist(), counts, strict=True)
        }

    def tags(self, most: int) -> list[str]:
        """Return the tags of the most faces, the commonest first."""
        counts = np.bincount(self._tag_codes[self._tag_codes >= 0], minlength=len(self._tags.names))
        return [self._tags.names[place] for place in np.argsort(-counts, kind="stable")[:most]]

    def find(self, wanted: Filter) -> np.ndarray:
        """Return the numbers of the rows that pass, in the catalogue's order or the nearest colour first.

        What was found last is remembered, so that whoever turns pages does not search again.
        """
        with self._lock:
            if wanted not in self._found:
                self._found[wanted] = self._search(wanted)
            self._found.move_to_end(wanted)
            while len(self._found) > _REMEMBERED:
                self._found.popitem(last=False)
            return self._found[wanted]

    def rows(self, places: Sequence[int], columns: Sequence[str] | None = None) -> list[Row]:
        """Return rows by their numbers: those of faces as in `parts.FACES`, all others as in `parts.REJECTIONS`.

        `columns` are those to read of faces; a row has only those that its table has.
        """
        faces = [int(place) for place in places if place < self.faces]
        lost = [int(self._lost_places[place - self.faces]) for place in places if place >= self.faces]
        found_faces = iter(_read(self._faces_path, faces, columns))
        found_lost = iter(_read(self._lost_path, lost, None))
        return [next(found_faces if place < self.faces else found_lost) for place in places]

    def _search(self, wanted: Filter) -> np.ndarray:
        passing = np.ones(len(self), bool)
        if wanted.wants_faces_only():
            passing[self.faces :] = False
        stage, reason = wanted.reason or (None, None)
        named = (wanted.source, wanted.domain, wanted.split, stage, reason)
        for name, value in zip(NAMED, named, strict=True):
            if value is not None:
                passing &= self._names[name].is_named(self._codes[name], value)
        if wanted.images is not None:
            passing &= np.isin(self._keys, _keys(pa.array(sorted(wanted.images), pa.string())))
        of_faces = passing[: self.faces]
        if wanted.kept is not None:
            of_faces &= self._kept == wanted.kept
        for name, (low, high) in (("yaw_deg", wanted.yaw_deg), ("pitch_deg", wanted.pitch_deg)):
            if low is not None:
                of_faces &= self._angles[name] >= low
            if high is not None:
                of_faces &= self._angles[name] <= high
        if wanted.tag is not None:
            of_faces &= self._has_tag(wanted.tag)
        places = np.flatnonzero(passing).astype(np.int32)
        return places if wanted.near is None else self._nearest(places, wanted.near)

    def _add_lost(self, keys: list[np.ndarray]) -> np.ndarray:
        """Add what the crawl and the detector left out; return the numbers of its rows in its table."""
        start, places = 0, []
        for batch in _batches(self._lost_path, ["image_id", "face_id", "source", "stage", "reason"]):
            faceless = pc.is_null(batch["face_id"])
            lost = batch.filter(faceless)
            for name, column in self._names.items():
                known = name in lost.schema.names
                column.add(lost[name] if known else pa.nulls(lost.num_rows, pa.string()))
            keys.append(_keys(lost["image_id"]))
            places.append(start + np.flatnonzero(faceless.to_numpy(zero_copy_only=False)))
            start += batch.num_rows
        return _joined(places, np.int64)

    def _has_tag(self, tag: str) -> np.ndarray:
        found = np.zeros(self.faces, bool)
        hits = np.flatnonzero(self._tags.is_named(self._tag_codes, tag))
        found[np.searchsorted(self._tag_ends, hits, side="right")] = True
        return found

    def _nearest(self, places: np.ndarray, near: Near) -> np.ndarray:
        """Return those of the faces whose colour is near enough, the nearest first."""
        wanted = lab_of(np.array(near.rgb))
        apart = np.full(len(places), np.inf, np.float32)
        for part in PARTS_OF_FACE[near.part]:
            colors, which = np.unique(self._colors[part][places], return_inverse=True)
            apart = np.minimum(apart, _distances(colors, wanted)[which])
        close = np.flatnonzero(apart <= near.within)
        return places[close[np.argsort(apart[close], kind="stable")]]


class Browser:
    """The catalogue as it lies on disk, read anew as soon as a run has written another. Any thread may ask."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._known: tuple[object, Index] | None = None

    def index(self) -> Index:
        """Return what the catalogue holds now; `UserError` with what to type where there is none."""
        with self._lock:
            try:
                state = [_state(self._folder / name) for name in ("faces.parquet", "rejections.parquet")]
                if self._known is None or self._known[0] != state:
                    self._known = None  # so that two are never in memory
                    self._known = (state, Index(self._folder))
            except FileNotFoundError:
                raise UserError(
                    f"{self._folder}: there is no catalogue; type `dvc repro catalogue`, then look again"
                ) from None
            return self._known[1]


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of a table a few rows at a time; the memory that it takes is that of a few batches."""
    parts.count_rows(path)  # refuses what this program did not write
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(_BATCH, columns=list(columns))


def _read(path: Path, places: Sequence[int], columns: Sequence[str] | None) -> list[Row]:
    """Return rows by their numbers, each group of rows read once and dropped again."""
    if not places:
        return []
    found: dict[int, Row] = {}
    with pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        ends = np.cumsum(sizes)
        groups = np.searchsorted(ends, places, side="right")
        for group in np.unique(groups).tolist():
            table = file.read_row_group(group, columns)
            mine = [place for place, its in zip(places, groups, strict=True) if its == group]
            rows = table.take([place - int(ends[group]) + sizes[group] for place in mine]).to_pylist()
            found |= zip(mine, rows, strict=True)
    return [found[place] for place in places]


def _joined(chunks: list[np.ndarray], kind: Any) -> np.ndarray:
    return np.concatenate([np.empty(0, kind), *chunks]).astype(kind, copy=False)


def _keys(image_ids: pa.Array) -> np.ndarray:
    """Return the first 60 bits of each id, as good as unique, and all ones where there is none."""
    return np.array(
        [_NO_KEY if name is None else int(name[:15], 16) for name in image_ids.to_pylist()], np.uint64
    )


def _packed(colors: pa.FixedSizeListArray) -> np.ndarray:
    """Return sRGB colours as one number each."""
    packed = np.full(len(colors), _NO_COLOR, np.uint32)
    known = colors.is_valid().to_numpy(zero_copy_only=False)
    rgb = colors.flatten().to_numpy(zero_copy_only=False).reshape(-1, 3).astype(np.uint32)
    packed[known] = rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]
    return packed


def _distances(packed: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return how far colours are from one of CIE Lab (CIEDE2000); infinity where there is none."""
    rgb = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1)
    blocks = (rgb[start : start + _BATCH] for start in range(0, len(rgb), _BATCH))
    apart = _joined([deltaE_ciede2000(lab_of(block), wanted[None]) for block in blocks], np.float32)
    apart[packed == _NO_COLOR] = np.inf
    return apart
