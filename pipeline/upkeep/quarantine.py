"""Quarantine: a recrawl that looks wrong is held back, and the source is as it was before until somebody decides.

DVC keeps every version of a source in its cache, and dvc.lock says which one is here. To hold a recrawl back is to put
the earlier entries of dvc.lock back and to check their data out; the later entries wait in `.state/<source>.held.json`.
That file says which step is under way, so whatever is killed can be brought to its end.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml

from pipeline import parts
from pipeline.crawl.lock import held_path, locked
from pipeline.errors import UserError
from pipeline.stages.crawl import STATE, state_path
from pipeline.upkeep import versions
from pipeline.upkeep.versions import LOCK, Store

STAGES = ("crawl", "detect", "landmarks", "align", "colors")
Step = Literal["holding", "held", "approving", "discarding"]


@dataclass(frozen=True)
class Held:
    """A recrawl in quarantine: since when (ISO 8601, UTC), why, and which step is under way.

    `stages` are the entries of dvc.lock as the recrawl left them and `before` those before it, each as its text;
    `recrawl` is the note that `watch begin` left, `found` what `watch recrawl` said of it.
    """

    source: str
    since: str
    reason: str
    step: Step
    stages: dict[str, str]
    before: dict[str, str]
    recrawl: dict[str, Any]
    found: dict[str, Any] | None


def hold(source: str, reason: str, found: dict[str, Any] | None = None) -> Held:
    """Put the source back to where it was before the recrawl that is under way, and keep what the recrawl brought.

    Of one that is held already nothing changes. Raises `UserError` where there is no recrawl or nothing to go back to,
    and where its data are not what dvc.lock says or are not in DVC's cache: they would be lost.
    """
    with locked(state_path(source)):
        held = read(source)
        if held is None:
            held = _to_be_held(source, reason, found)
            _write(held)
        if held.step == "holding":
            _restore(held, held.before)
            held = _write(replace(held, step="held"))
    if held.step != "held":
        raise UserError(
            f"{source} is {held.step} its held recrawl; type `python -m pipeline quarantine settle`"
        )
    return held


def bring_back(source: str) -> Held:
    """Put the held version in place again; the caller concludes the recrawl and then calls `end`.

    Raises `UserError` where none is held, and where DVC's cache has it no longer.
    """
    with locked(state_path(source)):
        held = _held(source)
        if held.step == "discarding":
            raise UserError(
                f"{source}: its held recrawl is being discarded; type `python -m pipeline quarantine settle`"
            )
        if lost := _missing(held.stages):
            raise UserError(
                f"{source}: {len(lost)} objects of the held recrawl are no longer in DVC's cache, such as {lost[0]}: "
                f"probably `dvc gc` deleted them. Type `python -m pipeline quarantine discard {source}` and recrawl"
            )
        held = _write(replace(held, step="approving"))
        _restore(held, held.stages)
    return held


def drop(source: str) -> Held:
    """Forget what the held recrawl met, so that the next one starts from the parts; the caller then calls `end`.

    Raises `UserError` where none is held.
    """
    with locked(state_path(source)):
        held = _held(source)
        if held.step in ("holding", "approving"):
            _restore(held, held.before)
        held = _write(replace(held, step="discarding"))
        for memory in STATE.glob(f"{source}.sqlite*"):
            memory.unlink()
        shutil.rmtree(state_path(source).with_suffix(".pending"), ignore_errors=True)
    return held


def end(source: str) -> None:
    """Let the source go: nothing of it is in quarantine any more."""
    with locked(state_path(source)):
        held_path(state_path(source)).unlink(missing_ok=True)


def read(source: str) -> Held | None:
    """Return what is held of a source; None where nothing is."""
    path = held_path(state_path(source))
    try:
        return Held(source, **json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as problem:
        raise UserError(f"{path}: is not what the quarantine wrote ({problem})") from None


def all_held() -> list[Held]:
    """Return what is held of every source, by name."""
    suffix = held_path(Path("source.sqlite")).name.removeprefix("source")
    sources = sorted(path.name.removesuffix(suffix) for path in STATE.glob(f"*{suffix}"))
    return [held for source in sources if (held := read(source))]


def note_path(source: str) -> Path:
    """Return where a recrawl that is under way is noted."""
    return STATE / f"{source}.recrawl.json"


def lock_entries(source: str) -> dict[str, str]:
    """Return the text of each entry that dvc.lock has of a source's stages, by the stage's name.

    As text, for a reader of YAML would change what DVC compares: `off` becomes a truth value, `0o17` a word.
    """
    entries = _Lock.read().entries if LOCK.exists() else {}
    return {name: entries[name] for name in _names(source) if name in entries}


def _names(source: str) -> list[str]:
    return [f"{stage}@{source}" for stage in STAGES]


def _held(source: str) -> Held:
    held = read(source)
    if held is None:
        raise UserError(
            f"{source}: nothing is in quarantine; `python -m pipeline quarantine list` says what is"
        )
    return held


def _write(held: Held) -> Held:
    values = asdict(held)
    parts.write_json(held_path(state_path(values.pop("source"))), values)
    return held


def _to_be_held(source: str, reason: str, found: dict[str, Any] | None) -> Held:
    """Return what is to be held, after a look at all that could go wrong later."""
    path = note_path(source)
    if not path.exists():
        raise UserError(
            f"{path}: no such file: no recrawl of {source} is under way; `python -m pipeline watch begin {source}` "
            "notes where one starts from"
        )
    note = json.loads(path.read_text(encoding="utf-8"))
    before, after = note["stages"], lock_entries(source)
    if f"crawl@{source}" not in before:
        raise UserError(
            f"{source}: this was its first crawl, so there is no earlier version to go back to; look at it with "
            f"`python -m pipeline source check {source}`, and mend its entry in params.yaml or delete it"
        )
    if changed := _changed_data(after):
        raise UserError(
            f"{', '.join(changed)}: not as dvc.lock says, so the recrawl of {source} is not through; "
            f"type `dvc repro colors@{source}` and hold it back then"
        )
    for entries, whose in ((before, "the version before the recrawl"), (after, "the recrawl")):
        if lost := _missing(entries):
            raise UserError(
                f"{source}: {len(lost)} objects of {whose} are not in DVC's cache, such as {lost[0]}; "
                f"type `dvc fetch`, or `dvc commit` where they are here but were never committed"
            )
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Held(source, since, reason, "holding", after, before, note, found)


def _changed_data(entries: Mapping[str, str]) -> list[str]:
    """Return the outputs of the stages that are not as dvc.lock says."""
    status = json.loads(versions.run_dvc("--wait-for-lock", "status", "--json", *entries))
    return [
        path
        for changes in status.values()
        for change in changes
        if isinstance(change, dict)
        for path in change.get("changed outs", ())
    ]


def _missing(entries: Mapping[str, str]) -> list[str]:
    """Return the hashes of the entries' outputs that DVC's cache does not have."""
    cache = versions.stores()[0]
    return [md5 for out in _outs(entries) for md5 in _objects(out["md5"], cache) if cache.path(md5) is None]


def _outs(entries: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for stage in versions.stages_of("stages:\n" + "".join(entries.values())).values():
        yield from stage.get("outs", ())


def _objects(md5: str, cache: Store) -> Iterable[str]:
    """Return an output's own object, and those of a folder's files as far as the cache has their list."""
    listing = cache.path(md5) if md5.endswith(".dir") else None
    if listing is None:
        return [md5]
    return [md5, *(file["md5"] for file in json.loads(listing.read_text(encoding="utf-8")))]


def _restore(held: Held, entries: Mapping[str, str]) -> None:
    """Let dvc.lock have these entries of a source and no others, and the workspace their data."""
    with _dvc_waits():
        for leftover in Path().glob(f".{LOCK}.*.tmp"):  # of a kill; Git would see it as a change
            leftover.unlink()
        lock = _Lock.read()
        changed = lock.with_entries(_names(held.source), entries)
        if changed != lock:
            changed.write()
    versions.run_dvc("--wait-for-lock", "checkout", "--force", *entries)
    both = held.before | held.stages
    for out in _outs({name: text for name, text in both.items() if name not in entries}):
        shutil.rmtree(out["path"], ignore_errors=True)


@contextmanager
def _dvc_waits() -> Iterator[None]:
    """Hold the lock that DVC takes for every change of dvc.lock."""
    path = versions.FOLDER / "tmp" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class _Lock:
    """The text of dvc.lock: that of each stage's entry by name, and what stands before and after them.

    An entry that is moved as text keeps the bytes that DVC wrote, whatever it knows about writing YAML.
    """

    head: str
    entries: dict[str, str]
    tail: str

    @classmethod
    def read(cls) -> _Lock:
        """Take dvc.lock apart; raise `UserError` where it is missing or not as DVC writes it."""
        try:
            with LOCK.open(encoding="utf-8", newline="\n") as file:
                lines = file.readlines()
            start = [line.rstrip() for line in lines].index("stages:") + 1
            end = next(
                (n for n in range(start, len(lines)) if not lines[n].startswith((" ", "\n"))), len(lines)
            )
            entries: dict[str, str] = {}
            name = ""
            for line in lines[start:end]:
                if line.startswith("  ") and line[2:3] not in (" ", "\n"):
                    (name,) = yaml.safe_load(line)
                entries[name] = entries.get(name, "") + line
            lock = cls("".join(lines[:start]), entries, "".join(lines[end:]))
            if versions.stages_of(lock.text).keys() != entries.keys() or not lock.text.endswith("\n"):
                raise ValueError("its stages are not written two spaces in")
        except FileNotFoundError:
            raise UserError(
                f"{LOCK}: no such file here; run this in the repository's root after a first `dvc repro`"
            ) from None
        except (ValueError, TypeError, yaml.YAMLError) as problem:
            raise UserError(
                f"{LOCK}: not as DVC writes it ({problem}); restore it, for example from Git"
            ) from None
        return lock

    @property
    def text(self) -> str:
        """The whole file."""
        return self.head + "".join(self.entries.values()) + self.tail

    def with_entries(self, names: Iterable[str], entries: Mapping[str, str]) -> _Lock:
        """Return it with those of the named stages' entries that are given, where they were or else at the end."""
        gone = set(names) - entries.keys()
        staying = {name: text for name, text in self.entries.items() if name not in gone}
        return replace(self, entries={**staying, **entries})

    def write(self) -> None:
        """Write dvc.lock, atomically."""
        with parts.atomic_path(LOCK) as temporary:
            temporary.write_text(self.text, encoding="utf-8")
