"""What DVC keeps: asked as a child process, or read as the files that it leaves.

Where things lie: https://dvc.org/doc/user-guide/project-structure/internal-files
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pipeline.errors import UserError
from pipeline.project import PARAMS_FILE, load_yaml

FOLDER = Path(".dvc")
LOCK = Path("dvc.lock")
_LAST_LINES = 5


class Recorded(NamedTuple):
    """Whose raw parts were committed to DVC, and whose will be by their next crawl: their entry has changed."""

    committed: list[str]
    left: list[str]


@dataclass(frozen=True)
class Store:
    """Where DVC keeps objects by their hash: its cache or a remote; `folder` where that is on this machine."""

    name: str
    url: str
    folder: Path | None

    def key(self, md5: str) -> str:
        """Return an object's place in the store."""
        return f"files/md5/{md5[:2]}/{md5[2:]}"

    def path(self, md5: str) -> Path | None:
        """Return an object's file, None where the store has none or cannot be looked at."""
        if self.folder is None:
            return None
        path = self.folder / self.key(md5)
        return path if path.exists() else None

    def hashes(self) -> Iterator[str]:
        """Yield the hashes of all objects in order, as far as the store can be looked at."""
        if self.folder is not None:
            for path in sorted((self.folder / "files" / "md5").glob("??/*")):
                yield path.parent.name + path.name


class Revision(NamedTuple):
    """The stages of dvc.lock, as they are here (`commit` is None) or were in a commit of Git."""

    commit: str | None
    stages: dict[str, Any]


def commit_crawls(sources: Iterable[str]) -> Recorded:
    """Commit to DVC the raw parts of those sources whose parts are not as their last crawl left them.

    Nothing is done for a source that DVC does not know of. Raises `UserError` where DVC fails.
    """
    known = stages_of(LOCK.read_text(encoding="utf-8")) if FOLDER.is_dir() and LOCK.exists() else {}
    enabled = (load_yaml(PARAMS_FILE)["sources"] or {}) if known else {}
    stages = {f"crawl@{name}": name for name in sources if f"crawl@{name}" in known and name in enabled}
    if not stages:
        return Recorded([], [])
    status = json.loads(run_dvc("status", "--json", *stages))
    rewritten = [stage for stage in stages if _has(status.get(stage, ()), "changed outs")]
    edited = [stage for stage in rewritten if not all("changed outs" in change for change in status[stage])]
    to_commit = [stage for stage in rewritten if stage not in edited]
    if to_commit:
        run_dvc("commit", "--force", *to_commit)
    return Recorded([stages[stage] for stage in to_commit], [stages[stage] for stage in edited])


def stores() -> list[Store]:
    """Return DVC's cache and the remotes of its configuration in this repository; none without DVC."""
    if not FOLDER.is_dir():
        return []
    config = ConfigParser(interpolation=None)
    config.read([FOLDER / "config", FOLDER / "config.local"], encoding="utf-8")
    cache = config.get("cache", "dir", fallback="cache")
    remotes = {
        section.strip("'").removeprefix("remote").strip().strip('"'): config[section]["url"]
        for section in config.sections()
        if section.strip("'").startswith("remote ") and "url" in config[section]
    }
    found = [Store("cache", str(_inside(cache)), _inside(cache))]
    return found + [
        Store(name, url, None if "://" in url and not url.startswith("file://") else _inside(url))
        for name, url in remotes.items()
    ]


def revisions() -> Iterator[Revision]:
    """Yield dvc.lock as it is here, then as every commit of Git left it, the newest first."""
    if LOCK.exists():
        yield Revision(None, stages_of(LOCK.read_text(encoding="utf-8")))
    for commit in _git("log", "--all", "--format=%H", "--", str(LOCK)).split():
        if text := _git("show", f"{commit}:./{LOCK}"):
            yield Revision(commit, stages_of(text))


def _has(changes: Iterable[Any], kind: str) -> bool:
    return any(isinstance(change, dict) and kind in change for change in changes)


def _inside(path: str) -> Path:
    """Return a path of DVC's configuration, which is relative to its folder."""
    return FOLDER / path.removeprefix("file://")


def stages_of(text: str) -> dict[str, Any]:
    """Return the stages of the text of a dvc.lock."""
    return (yaml.load(text, yaml.CSafeLoader) or {}).get("stages") or {}


def run_dvc(*arguments: str) -> str:
    """Run DVC on this repository and return what it prints; raise `UserError` with its last lines where it fails."""
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True)
    if done.returncode:
        command = " ".join(("dvc", *arguments))
        last = "\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise UserError(f"{command} ended with {done.returncode}; put it right and type this again:\n{last}")
    return done.stdout


def _git(*arguments: str) -> str:
    """Return what Git prints; nothing where it fails, as it does outside of a repository."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True).stdout
    except FileNotFoundError:
        return ""
