"""Compaction: a source's small raw parts are merged into full ones, as one deliberate step.

The new parts are prepared in `.compact/` beside the old ones. The journal `compact.json`, which names the parts
that shall be there, is the point of no return: before it is written the old parts are untouched, after it
`finish_compaction` brings the folder to its new state, however often it is cut short.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipeline import parts
from pipeline.crawl.lock import only_writer
from pipeline.errors import UserError

PREPARED_NAME = ".compact"
JOURNAL_NAME = "compact.json"


class Compaction(NamedTuple):
    """How many parts there were, how many there are, and how many images they hold."""

    before: int
    after: int
    images: int


def compact(folder: Path, state_path: Path, part_size: int) -> Compaction:
    """Merge runs of small parts in `folder` into parts of `part_size` images; the order of rows stays.

    Full parts keep their bytes, so what was computed from them stays valid under their new numbers. One that was
    cut short is completed. Raises `UserError` where there is nothing to complete and there would not be fewer
    parts, and while another process writes the source's parts.
    """
    with only_writer(state_path):
        completed = finish_compaction(folder)
        old = parts.list_parts(folder)
        sizes = [parts.count_rows(path) for path in old]
        groups = plan(sizes, part_size)
        if not any(_is_merged(group, sizes) for group in groups):
            if completed:
                return Compaction(len(old), len(old), sum(sizes))
            raise UserError(f"{folder}: nothing to gain: {len(old)} parts cannot become fewer")
        count = _prepare(folder, old, sizes, groups, part_size)
        parts.write_json(folder / JOURNAL_NAME, {"parts": [parts.part_name(n) for n in range(count)]})
        finish_compaction(folder)
    return Compaction(len(old), count, sum(sizes))


def finish_compaction(folder: Path) -> bool:
    """Complete the compaction that the folder's journal tells of, or clear away one that never came so far.

    Returns whether there was one to complete. The caller holds the source's lock.
    """
    journal, prepared = folder / JOURNAL_NAME, folder / PREPARED_NAME
    begun = journal.exists()
    if begun:
        names = json.loads(journal.read_text(encoding="utf-8"))["parts"]
        for part in parts.list_parts(prepared):
            part.replace(folder / part.name)
        for part in parts.list_parts(folder):
            if part.name not in names:
                part.unlink()
        journal.unlink()
    if prepared.exists():
        shutil.rmtree(prepared)
    return begun


def plan(sizes: Sequence[int], part_size: int) -> list[list[int]]:
    """Group the places of parts of these sizes: several are to be merged, one alone stays unless it is empty.

    Runs of parts smaller than `part_size` are merged where that makes fewer of them.
    """
    groups: list[list[int]] = []
    for small, places in groupby(range(len(sizes)), lambda place: sizes[place] < part_size):
        run = list(places)
        needed = -(-sum(sizes[place] for place in run) // part_size)
        groups += [run] if small and needed < len(run) else [[place] for place in run]
    return groups


def _is_merged(group: Sequence[int], sizes: Sequence[int]) -> bool:
    return len(group) > 1 or not sizes[group[0]]


def _prepare(
    folder: Path,
    old: Sequence[Path],
    sizes: Sequence[int],
    groups: Sequence[Sequence[int]],
    part_size: int,
) -> int:
    """Put into `.compact/` what is not in the folder under its new name yet; return how many parts will be."""
    prepared = folder / PREPARED_NAME
    number = 0
    for group in groups:
        members = [old[place] for place in group]
        if _is_merged(group, sizes):
            for table in _merged(members, part_size):
                parts.write_table(prepared / parts.part_name(number), table)
                number += 1
        else:
            if members[0].name != parts.part_name(number):
                parts.link(members[0], prepared / parts.part_name(number))
            number += 1
    return number


def _merged(members: Sequence[Path], part_size: int) -> Iterator[pa.Table]:
    """Yield the rows of several parts in tables of `part_size`; the last may be smaller, none is empty."""
    rows = parts.RAW.empty_table()
    for path in members:
        rows = pa.concat_tables([rows, parts.read_table(path, parts.RAW.names)])
        while rows.num_rows >= part_size:
            yield rows.slice(0, part_size)
            rows = rows.slice(part_size)
    if rows.num_rows:
        yield rows
