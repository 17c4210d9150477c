"""Pruning .cache: results that nothing here is made of any more, and features and checkpoints of long ago."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline import cache, parts

DAY_S = 24 * 3600
FEATURES = Path(".cache/features")


class Pruned(NamedTuple):
    """How many results and trainings go, and how many bytes that frees."""

    results: int
    trainings: int
    bytes: int


def prune(older_than_days: float, dry_run: bool = False) -> Pruned:
    """Delete cached results that are no current part, and features and checkpoints untouched for so many days.

    A result that DVC or the workspace holds a hard link to frees nothing; with `dry_run` nothing is deleted.
    """
    before = time.time() - older_than_days * DAY_S
    results = [*unused_results(), *old_features(before)]
    trainings = list(old_trainings(before))
    files = [*results, *(path for folder in trainings for path in folder.rglob("*") if path.is_file())]
    freed = sum(path.stat().st_size for path in files if path.stat().st_nlink == 1)
    if not dry_run:
        for path in results:
            path.unlink()
        for folder in trainings:
            shutil.rmtree(folder)
    return Pruned(len(results), len(trainings), freed)


def unused_results() -> Iterator[Path]:
    """Yield the cached results that no part under data/ is: neither as the same file nor with the same bytes."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    linked = set()
    for part in sorted(parts.DATA.glob("*/*/part-*.parquet")):
        status = part.stat()
        linked.add((status.st_dev, status.st_ino))
        by_size[status.st_size].append(part)
    hashes: dict[Path, str] = {}
    for result in sorted(cache.CACHE.glob("*/*.parquet")):
        status = result.stat()
        if (status.st_dev, status.st_ino) in linked:
            continue
        alike = [part for part in by_size[status.st_size] if part not in hashes]
        hashes |= {part: parts.content_hash(part) for part in alike}
        content = parts.content_hash(result) if by_size[status.st_size] else None
        if content not in [hashes[part] for part in by_size[status.st_size]]:
            yield result


def old_features(before: float) -> Iterator[Path]:
    """Yield the files of features that were written before `before`: of outputs that were measured long ago."""
    yield from (path for path in sorted(FEATURES.rglob("*.npz")) if path.stat().st_mtime < before)


def old_trainings(before: float) -> Iterator[Path]:
    """Yield the checkpoint folders in which nothing was written since `before`, in seconds of the epoch."""
    for folder in sorted(path for path in cache.CHECKPOINTS.glob("*") if path.is_dir()):
        if max(path.stat().st_mtime for path in (folder, *folder.rglob("*"))) < before:
            yield folder
