"""How a per-source stage turns input parts into output parts: from the cache, or else by the engine."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import cache, engine, parts
from pipeline.engine.work import Work
from pipeline.errors import UserError
from pipeline.params import Engine
from pipeline.progress import counter

Row = dict[str, Any]
Item = tuple[Row, list[list[Row]]]  # a row of the first input, and the image's rows of each of the others
Said = Mapping[str, Mapping[str, Any]]  # by part and image: what people said of it, as JSON has it
LOG = Path("logs/stages.jsonl")


@dataclass(frozen=True)
class PartStage:
    """A stage that works on each row of its first input table by itself.

    `process(options, row, *sides)` gets a row of the first table and the image's rows of the other tables,
    all without those that were rejected before, and returns the rows of the output: for each face that came
    in (each image, where no faces came in) its results or one rejection. Where people said something of the image,
    that is one more argument, the last.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    schema: pa.Schema
    process: Callable[..., list[Row]]


@dataclass(frozen=True, order=True)
class Chunk:
    """Rows `start` to `stop` of a row group of the first input's part."""

    part: str
    row_group: int
    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.stop - self.start

    def halves(self) -> tuple[Chunk, Chunk]:
        """Return the first and the second half."""
        middle = (self.start + self.stop) // 2
        return replace(self, stop=middle), replace(self, start=middle)


def rejection(stage: str, row: Row, reason: str, detail: str) -> Row:
    """Return the row that says why an image, or a face of it, goes no further."""
    return {
        "image_id": row["image_id"],
        "face_id": row.get("face_id"),
        "stage": stage,
        "reason": reason,
        "detail": detail,
    }


def run(
    stage: PartStage,
    source: str,
    options: Any,
    weight_names: Iterable[str],
    settings: Engine,
    said: Said | None = None,
) -> None:
    """Write the whole output of `stage` for one source; only parts that are not in the cache are computed.

    `said` is what people said of images; a part of whose images they say something else is computed anew.
    """
    said = said or {}
    started = time.monotonic()
    target = parts.folder(stage.output, source)
    target.mkdir(parents=True, exist_ok=True)
    names = [path.name for path in parts.list_parts(parts.folder(stage.inputs[0], source))]
    for stale in {path.name for path in parts.list_parts(target)} - set(names):
        (target / stale).unlink()
    stage_hash = cache.stage_key(stage.name, asdict(options), weight_names)
    with ThreadPoolExecutor() as threads:  # hashing lets other threads run
        keys = dict(
            zip(names, threads.map(partial(_key, stage, source, stage_hash, said), names), strict=True)
        )
    misses = [name for name in names if not cache.fetch(keys[name], target / name)]
    by_image = {image_id: words for of_part in said.values() for image_id, words in of_part.items()}
    work = Work(
        name=f"{stage.name}@{source}",
        module=stage.process.__module__,
        files=partial(chunk_files, stage, source),
        load=load_items,
        process=partial(process_items, stage, options, by_image),
    )
    for name, rows in _compute(stage, source, work, misses, settings, weight_names):
        parts.write_rows(target / name, rows, stage.schema)
        cache.store(keys[name], target / name)
    _log(stage.name, source, parts=len(names), computed=len(misses), seconds=time.monotonic() - started)


def said_by_part(source: str, columns: Sequence[str], say: Callable[[Row], Any]) -> Said:
    """Return what people said of a source's raw images: what `say` returns for their columns, unless it is empty."""
    found = {}
    for part in parts.list_parts(parts.folder("raw", source)):
        rows = parts.read_rows(part, ["image_id", *columns])
        if said := {row["image_id"]: words for row in rows if (words := say(row))}:
            found[part.name] = said
    return found


def _compute(
    stage: PartStage,
    source: str,
    work: Work[Chunk, list[Item], list[Row]],
    names: Sequence[str],
    settings: Engine,
    weight_names: Iterable[str],
) -> Iterator[tuple[str, list[Row]]]:
    """Yield each part's name and rows as soon as its last chunk is done."""
    chunks = [chunk for name in names for chunk in _chunks(stage, source, name)]
    left = Counter(chunk.part for chunk in chunks for _ in range(len(chunk)))
    yield from ((name, []) for name in names if not left[name])
    done: dict[str, dict[Chunk, list[Row]]] = defaultdict(dict)
    with counter(f"{stage.name}@{source}", total=left.total(), unit=stage.inputs[0]) as progress:
        for chunk, rows in engine.map_chunks(work, chunks, settings, weight_names):
            done[chunk.part][chunk] = _crashed(stage, work, chunk) if rows is None else rows
            progress.update(len(chunk))
            left[chunk.part] -= len(chunk)
            if not left[chunk.part]:
                yield chunk.part, [row for _, rows in sorted(done.pop(chunk.part).items()) for row in rows]


def chunk_files(stage: PartStage, source: str, chunk: Chunk) -> list[Path]:
    """Return the parts that a chunk is read from, relative to the project's folder."""
    return _inputs(stage, source, chunk.part)


def load_items(chunk: Chunk, files: Sequence[Path]) -> list[Item]:
    """Read a chunk's rows from its parts, without what was rejected before."""
    first, *others = files
    table = parts.read_table(first, row_group=chunk.row_group).slice(chunk.start, len(chunk))
    rows = [row for row in table.to_pylist() if row.get("reason") is None]
    by_image = [_by_image(path) for path in others]
    return [(row, [found.get(row["image_id"], []) for found in by_image]) for row in rows]


def _by_image(path: Path) -> dict[str, list[Row]]:
    state = path.stat()
    return _read_by_image(path.absolute(), state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=8)
def _read_by_image(path: Path, *state: int) -> dict[str, list[Row]]:
    """Read a part that all chunks need rows of; once, as long as the file's `state` is the same."""
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in parts.read_rows(path):
        if row["reason"] is None:
            grouped[row["image_id"]].append(row)
    return grouped


def process_items(
    stage: PartStage, options: Any, said: Mapping[str, Any], items: Iterable[Item]
) -> list[Row]:
    """Return the output rows of a chunk; an image on which the code raises becomes a rejection.

    `said` is what people said, by image.
    """
    results: list[Row] = []
    for row, sides in items:
        words = [said[row["image_id"]]] if row["image_id"] in said else []
        try:
            results += stage.process(options, row, *sides, *words)
        except UserError:
            raise  # what is missing is not the image's fault
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            results += [rejection(stage.name, unit, "failed", detail) for unit in _units(row, sides)]
    return results


def _crashed(stage: PartStage, work: Work[Chunk, list[Item], list[Row]], chunk: Chunk) -> list[Row]:
    return [
        rejection(stage.name, unit, "worker_crashed", "the process ended while it worked on this image")
        for row, sides in load_items(chunk, work.files(chunk))
        for unit in _units(row, sides)
    ]


def _units(row: Row, sides: Sequence[list[Row]]) -> list[Row]:
    """Return what came in with a row: its faces, or itself."""
    return [row] if "face_id" in row or not sides else sides[-1]


def _key(stage: PartStage, source: str, stage_hash: str, said: Said, name: str) -> str:
    return cache.result_key(stage_hash, _inputs(stage, source, name), said.get(name))


def _chunks(stage: PartStage, source: str, name: str) -> list[Chunk]:
    sizes = parts.row_group_sizes(_inputs(stage, source, name)[0])
    return [Chunk(name, group, 0, size) for group, size in enumerate(sizes)]


def _inputs(stage: PartStage, source: str, name: str) -> list[Path]:
    return [parts.folder(table, source) / name for table in stage.inputs]


def _log(stage: str, source: str, **figures: float) -> None:
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"stage": stage, "source": source, **figures}) + "\n")
