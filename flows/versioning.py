"""What a flow gives to Git and to DVC's remote when its data are good."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import yaml

from flows import bridge

# What a stage writes that Git keeps: DVC's hashes, and the metrics that are not in DVC's cache.
KEPT_BY_GIT = ("dvc.lock", "metrics")
LOCK = Path("dvc.lock")
KEPT_LOCK = Path(".state/dvc.lock")


class DirtyTree(RuntimeError):
    """Files that Git keeps have changes that nobody committed; the message names them."""


def refuse_dirty_tree() -> None:
    """Raise `DirtyTree` where a commit would mix the flow's work with somebody else's."""
    changed = _git("status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed)
        raise DirtyTree(
            f"not committed: {names}; commit or stash that first, or run the flow without commit. Nothing was done."
        )


def keep_lock() -> None:
    """Keep a copy of dvc.lock: DVC writes over it in place, and may be killed in the middle."""
    KEPT_LOCK.parent.mkdir(exist_ok=True)
    whole = KEPT_LOCK.with_suffix(".new")
    shutil.copyfile(LOCK, whole)
    if _is_whole(whole):
        whole.replace(KEPT_LOCK)


def mend_lock(log: Callable[[str], object]) -> None:
    """Put the copy in the place of a dvc.lock that was left half written: at worst a stage is looked at again."""
    if LOCK.exists() and KEPT_LOCK.exists() and not _is_whole(LOCK):
        log("dvc.lock was left half written by a DVC that was killed; the copy of before takes its place")
        shutil.copyfile(KEPT_LOCK, LOCK)


def push(log: Callable[[str], object]) -> None:
    """Move what is new to DVC's default remote."""
    bridge.dvc("push", log=log)


def commit(message: str) -> str | None:
    """Commit what the stages left in dvc.lock and metrics/; return the commit's name, None where nothing changed."""
    _git("add", "--", *KEPT_BY_GIT)
    if not _git("status", "--porcelain", "--untracked-files=no"):
        return None
    _git("commit", "--quiet", "--message", message)
    return _git("rev-parse", "--short", "HEAD").strip()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"git {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _is_whole(lock: Path) -> bool:
    try:
        return "stages" in (yaml.load(lock.read_text(encoding="utf-8"), yaml.CSafeLoader) or {})
    except (yaml.YAMLError, UnicodeDecodeError):
        return False
