"""Taking down: what is listed goes out of the raw parts, the crawls' memory and the result cache, for good.

Every step can be done again: a take-down that was cut short is completed by typing it once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from pipeline import cache, parts, takedowns
from pipeline.crawl.compaction import finish_compaction
from pipeline.crawl.lock import only_writer
from pipeline.crawl.state import State
from pipeline.errors import UserError
from pipeline.report import explain
from pipeline.stages.crawl import STATE, state_path
from pipeline.takedowns import Takedown, Takedowns
from pipeline.upkeep import versions
from pipeline.upkeep.traces import ID_LENGTH, Tracer, Unreadable

MIN_PREFIX = 6


@dataclass
class Removal:
    """What a take-down did: lines it listed, images by part, files it deleted, what DVC knows of it."""

    listed: list[Takedown] = field(default_factory=list)
    rewritten: dict[Path, int] = field(default_factory=dict)
    deleted: list[Path] = field(default_factory=list)
    recorded: versions.Recorded = field(default_factory=lambda: versions.Recorded([], []))


def take_down(line: Takedown) -> Removal:
    """List `line` in takedowns.csv and remove all that is listed there from this workspace's sources.

    The images of a listed subject or URL are listed by their ids too: so other copies of their bytes are refused,
    and `remains` knows what to look for. Raises `UserError` where the line is wrong, or a source is being crawled.
    """
    sources = _sources()
    done = Removal()
    with ExitStack() as locks:
        for source in sources:
            locks.enter_context(only_writer(state_path(source)))
            finish_compaction(parts.folder("raw", source))
        done.listed += takedowns.add_lines([_whole(line)])
        while found := takedowns.add_lines(
            replace(line, what="image", value=image_id) for image_id in _forget(sources)
        ):
            done.listed += found
        listed = takedowns.load_takedowns()
        for source in sources:
            done.rewritten |= _rewrite_parts(parts.folder("raw", source), listed)
    done.deleted = _delete_traces(listed)
    done.recorded = versions.commit_crawls(sources)
    return done


def _sources() -> list[str]:
    """Return the names of all sources that have parts or a memory here, enabled or not."""
    crawled = [folder.name for folder in (parts.DATA / "raw").glob("*") if folder.is_dir()]
    return sorted({*crawled, *(path.stem for path in STATE.glob("*.sqlite"))})


def _whole(line: Takedown) -> Takedown:
    """Return the line with an image's id in full, where a unique beginning was given."""
    if line.what != "image" or len(line.value) == ID_LENGTH:
        return line
    if len(line.value) < MIN_PREFIX:
        raise UserError(f"{line.value!r}: give at least {MIN_PREFIX} digits of an image's id")
    found = sorted(
        {
            image_id
            for part in (parts.DATA / "raw").glob("*/part-*.parquet")
            for image_id in parts.read_table(part, ["image_id"])["image_id"].to_pylist()
            if image_id.startswith(line.value)
        }
    )
    if len(found) != 1:
        said = "the beginning of no image's id here" if not found else "the beginning of several images' ids:"
        raise UserError("\n  ".join([f"{line.value!r} is {said}", *found]))
    return replace(line, value=found[0])


def _forget(sources: Iterable[str]) -> list[str]:
    """Let every source's memory let go of what is listed and refuse it; return the ids of its images."""
    listed = takedowns.load_takedowns()
    found = set()
    for source in sources:
        folder = parts.folder("raw", source)
        with closing(State(state_path(source), folder)) as state:
            found |= state.take_down(listed)
            if folder.is_dir():
                _write_rejected(folder / parts.REJECTED_NAME, state)
    return sorted(found)


def _write_rejected(table: Path, state: State) -> None:
    """Write rejected.parquet, unless it says the same already."""
    rows = list(state.rejected_rows())
    if not table.exists() or parts.read_rows(table) != rows:
        parts.write_rows(table, rows, parts.REJECTED_REFS)


def _rewrite_parts(folder: Path, listed: Takedowns) -> dict[Path, int]:
    """Write the parts that hold what is listed without it; return how many images each has lost.

    A part that loses all its images stays, so that the others keep their numbers.
    """
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink()
    lost = {}
    for part in parts.list_parts(folder):
        rows = parts.read_rows(part, ["image_id", "url", "subject"])
        stays = pa.array([not listed.covers(**row) for row in rows], pa.bool_())
        if not all(stays.to_pylist()):
            parts.write_table(part, parts.read_table(part, parts.RAW.names).filter(stays).cast(parts.RAW))
            lost[part] = len(stays) - stays.true_count
    return lost


def _delete_traces(listed: Takedowns) -> list[Path]:
    """Delete the cached results and the explaining pictures in which a listed image is; return their paths."""
    tracer = Tracer(listed)
    deleted = []
    for path in sorted((*cache.CACHE.glob("*/*.parquet"), *explain.FOLDER.glob("*"))):
        try:
            holds = bool(tracer.images_in(path))
        except Unreadable:  # it is of no use to the cache either
            holds = True
        if holds:
            path.unlink()
            deleted.append(path)
    return deleted
