"""What a source's crawls remember: every URL met, every image kept, and images not yet in a part.

The parts are the truth and this is its index: it is brought into agreement with them whenever it is opened,
and rebuilt from them and from rejected.parquet where it is lost.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import parts
from pipeline.crawl.references import ImageRef, Refusal
from pipeline.crawl.retries import FINAL, PAGE_FAILURES, REVALIDATE_S, retry_wait_s
from pipeline.crawl.session import Validators
from pipeline.crawl.spool import Spool
from pipeline.takedowns import Takedowns

STATE_VERSION = 2
ABOUT = ("title", "author", "licence", "licence_url", "tags", "subject", "pair_id", "role", "group", "extra")

_TABLES = """
CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT,
    entry TEXT NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0,
    complete INTEGER NOT NULL DEFAULT 0,
    images INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE urls (
    url TEXT PRIMARY KEY,
    page_url TEXT,
    run INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('stored', 'rejected')),
    sha256 TEXT,
    etag TEXT,
    last_modified TEXT,
    version TEXT,
    reason TEXT,
    detail TEXT,
    about TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try REAL,
    checked REAL
) WITHOUT ROWID;
CREATE INDEX urls_by_page ON urls (page_url);
CREATE INDEX urls_by_version ON urls (version) WHERE version IS NOT NULL;
CREATE TABLE images (image_id TEXT PRIMARY KEY, url TEXT NOT NULL, part TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX images_by_part ON images (part);
CREATE TABLE pending (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    image_id TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    metadata TEXT NOT NULL,
    spool INTEGER NOT NULL,
    start INTEGER NOT NULL,
    size INTEGER NOT NULL
);
CREATE TABLE parts (name TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL) WITHOUT ROWID;
"""
_FORGET_WHAT_IS_GONE = """
DELETE FROM urls WHERE status = 'stored'
    AND url NOT IN (SELECT url FROM images UNION SELECT url FROM pending);
DELETE FROM urls WHERE reason = 'duplicate'
    AND detail NOT IN (SELECT image_id FROM images UNION SELECT image_id FROM pending);
"""
_FORGET_PAGE = """
DELETE FROM urls WHERE status = 'rejected' AND about IS NULL AND reason != 'taken_down'
    AND (url = ?1 OR (url >= ?1 || '#' AND url < ?1 || '$'))
"""
_REJECT = """
INSERT INTO urls (url, page_url, run, status, version, reason, detail, about, attempts, next_try)
    VALUES (?, ?, ?, 'rejected', ?, ?, ?, ?, 1, ?)
    ON CONFLICT (url) DO UPDATE SET page_url = excluded.page_url, version = excluded.version,
        reason = excluded.reason, detail = excluded.detail, about = excluded.about,
        attempts = attempts + 1, next_try = excluded.next_try
    WHERE status = 'rejected'
"""
_STORE = """
INSERT INTO urls (url, page_url, run, status, sha256, etag, last_modified, version, attempts, checked)
    VALUES (?, ?, ?, 'stored', ?, ?, ?, ?, 1, ?)
    ON CONFLICT (url) DO UPDATE SET page_url = excluded.page_url, status = 'stored', sha256 = excluded.sha256,
        etag = excluded.etag, last_modified = excluded.last_modified, version = excluded.version,
        reason = NULL, detail = NULL, about = NULL, attempts = attempts + 1, checked = excluded.checked
"""
_ABSORB = """
INSERT INTO urls (url, page_url, run, status, sha256, etag, checked) VALUES (?, ?, 0, 'stored', ?, ?, ?)
    ON CONFLICT (url) DO UPDATE SET status = 'stored', sha256 = excluded.sha256, etag = excluded.etag,
        version = CASE WHEN sha256 = excluded.sha256 THEN version END, reason = NULL, detail = NULL, about = NULL
    WHERE reason IS NULL OR reason != 'taken_down'
"""
_DUE = """
SELECT urls.url, page_url, status, about, version, part FROM urls JOIN runs USING (run)
    LEFT JOIN images ON images.image_id = urls.sha256 AND images.url = urls.url
    WHERE entry = ? AND urls.url NOT IN (SELECT url FROM seen)
        AND CASE status WHEN 'stored' THEN part IS NOT NULL AND checked <= ?
            ELSE about IS NOT NULL AND next_try <= ? END
    ORDER BY part, urls.url
"""
# A page that could not be read, not an image; run 0 is what was recalled from rejected.parquet.
_DUE_PAGE = "next_try <= ? AND status = 'rejected' AND about IS NULL AND run > 0"
_NO_LONGER_SHOWN = f"UPDATE urls SET next_try = ? WHERE {_DUE_PAGE} AND url NOT IN (SELECT url FROM seen)"


@dataclass(frozen=True)
class Run:
    """A crawl as far as it has come: `images` and `bytes` are what it has fetched, before it was killed too."""

    number: int
    entry: str
    images: int
    bytes: int


class PendingPart:
    """Images that wait for a part; their `rows` may be read in another thread."""

    def __init__(self, found: list[tuple[str, int, int, int]], spool: Spool) -> None:
        self._found = found
        self._spool = spool
        self.size = sum(size for *_, size in found)

    def __len__(self) -> int:
        return len(self._found)

    def rows(self) -> list[dict[str, Any]]:
        """Return the images' rows of `parts.RAW`."""
        return [
            json.loads(metadata) | {"bytes": self._spool.read(*place)} for metadata, *place in self._found
        ]


class State:
    """The memory of one source; `folder` is where its parts lie. Close it when done.

    `revalidate_s` is how long a stored image is taken as it is; `now` tells the seconds since the epoch. What it is
    told is sure to be remembered after `commit`. `pending` and `pending_bytes` are how many images wait for a part,
    and how large they are.
    """

    def __init__(
        self,
        path: Path,
        folder: Path,
        revalidate_s: float = REVALIDATE_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._revalidate_s = revalidate_s
        self._now = now
        self._run = Run(0, "", 0, 0)
        self._spent = (0, 0)
        self._database = _open(path)
        self._spool = Spool(path.with_suffix(".pending"))
        (self._filling,) = self._database.execute("SELECT coalesce(max(spool), 0) FROM pending").fetchone()
        self._database.execute("CREATE TEMP TABLE seen (url TEXT PRIMARY KEY) WITHOUT ROWID")
        self._agree_with(folder)
        self.pending, self.pending_bytes = self._measure_pending()

    def close(self) -> None:
        """Commit, and close the files."""
        self.commit()
        self._database.close()
        self._spool.close()

    def commit(self) -> None:
        """Make sure that a kill does not lose what was remembered."""
        if any(self._spent):
            self._database.execute(
                "UPDATE runs SET images = images + ?, bytes = bytes + ? WHERE run = ?",
                (*self._spent, self._run.number),
            )
            self._spent = (0, 0)
        self._spool.flush()
        self._database.commit()

    def begin_run(self, entry: str) -> Run:
        """Begin a crawl, or go on with the last one if it was interrupted; `entry` names what is crawled."""
        last = self._database.execute(
            "SELECT run, entry, images, bytes, finished FROM runs ORDER BY run DESC LIMIT 1"
        ).fetchone()
        if last and last[1] == entry and not last[4]:
            self._run = Run(*last[:4])
        else:
            with self._database:
                number = self._database.execute("INSERT INTO runs (entry) VALUES (?)", (entry,)).lastrowid
            self._run = Run(number or 0, entry, 0, 0)
        return self._run

    def end_run(self, complete: bool) -> None:
        """Note that the crawl has ended by itself; `complete` says that it saw all that the source shows."""
        with self._database:
            self._database.execute(
                "UPDATE runs SET finished = 1, complete = ? WHERE run = ?", (complete, self._run.number)
            )
            if complete:
                self._database.execute(_NO_LONGER_SHOWN, (math.inf, self._now()))

    def first_sight(self, url: str) -> bool:
        """Say whether the URL is met for the first time since the state was opened."""
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (url,)).rowcount == 1

    def settled(self, ref: ImageRef) -> str | Validators | None:
        """Return 'stored' or the rejection's reason where the image need not be fetched (again) now.

        Where it is to be asked for again on condition that it changed, return the condition.
        """
        found = self._database.execute(
            "SELECT status, reason, version, next_try, checked, etag, last_modified FROM urls WHERE url = ?",
            (ref.url,),
        ).fetchone()
        if found is None:
            return None
        status, reason, version, next_try, checked, *validators = found
        if ref.version and version and (ref.local or status == "stored"):
            done = version == ref.version
        elif status == "stored":
            done = not ref.local and (checked is None or checked > self._must_be_checked_since())
        else:
            done = not ref.local and next_try > self._now()
        if done:
            return str(reason or status)
        return Validators(*validators) if status == "stored" and any(validators) else None

    def due(self) -> Iterator[ImageRef]:
        """Yield what this entry's crawls met, this one has not met yet, and it is time to ask for again."""
        times = (self._must_be_checked_since(), self._now())
        found = self._database.execute(_DUE, (self._run.entry, *times)).fetchall()
        rows: dict[str, dict[str, Any]] = {}
        read = None
        for url, page_url, status, about, version, part in found:
            if status == "stored" and part != read:
                rows = {row["url"]: row for row in parts.read_rows(self._folder / part, ["url", *ABOUT])}
                read = part
            said = rows[url] if status == "stored" else json.loads(about)
            yield _recalled(url, page_url, version, said)

    def owner_of(self, image_id: str) -> str | None:
        """Return the URL whose image has these bytes, None where they are new."""
        found = self._database.execute(
            "SELECT url FROM images WHERE image_id = ?1 UNION ALL SELECT url FROM pending WHERE image_id = ?1",
            (image_id,),
        ).fetchone()
        return found[0] if found else None

    def image_with_checksum(self, checksum: str, other_than: str) -> str | None:
        """Return the id of the image that was stored with this checksum under another URL."""
        found = self._database.execute(
            "SELECT sha256 FROM urls WHERE version = ? AND url != ? AND status = 'stored'",
            (checksum, other_than),
        ).fetchone()
        return found[0] if found else None

    def stored_count(self) -> int:
        """Return how many images lie in parts."""
        return int(self._database.execute("SELECT count(*) FROM images").fetchone()[0])

    def is_stored(self, url: str) -> bool:
        """Say whether an image of this URL was kept."""
        query = "SELECT 1 FROM urls WHERE url = ? AND status = 'stored'"
        return self._database.execute(query, (url,)).fetchone() is not None

    def reject(self, refusal: Refusal, ref: ImageRef | None = None, cost: int = 0) -> None:
        """Remember that a URL was not kept, and why; a URL that was kept before stays kept.

        With `ref`, the crawl itself asks for it again when it is time; `cost` is the number of images fetched.
        """
        attempts = self._attempts(refusal.url, refusal.reason)
        wait_s = max(retry_wait_s(refusal.reason, attempts), refusal.retry_after_s or 0)
        if ref is None and refusal.reason not in PAGE_FAILURES:
            wait_s = math.inf  # the source's own verdict: it says so again whenever it meets the image
        self._database.execute(
            _REJECT,
            (
                refusal.url,
                refusal.page_url,
                self._run.number,
                refusal.version,
                refusal.reason,
                refusal.detail,
                _about(ref) if ref and not ref.local else None,
                self._now() + wait_s,
            ),
        )
        self._spend(cost)

    def forget_refusals_of(self, page_url: str) -> None:
        """Drop what was refused at a page that is read anew: the page itself, and items told apart by a #."""
        self._database.execute(_FORGET_PAGE, (page_url,))

    def saw_again(self, url: str, version: str | None, cost: int = 1) -> None:
        """Remember that a stored image was asked for again and stays; `version` is the one that was seen."""
        self._database.execute(
            "UPDATE urls SET version = coalesce(?, version),"
            " checked = CASE WHEN checked IS NOT NULL THEN ? END WHERE url = ?",
            (version, self._now(), url),
        )
        self._spend(cost)

    def keep(self, row: dict[str, Any], last_modified: str | None, version: str | None) -> None:
        """Remember a new image, a row of `parts.RAW`, until it is in a part."""
        metadata = json.dumps({name: value for name, value in row.items() if name != "bytes"})
        can_ask = row["etag"] or last_modified
        start = self._spool.append(self._filling, row["bytes"])
        self._database.execute(
            _STORE,
            (
                row["url"],
                row["page_url"],
                self._run.number,
                row["image_id"],
                row["etag"],
                last_modified,
                version,
                self._now() if can_ask else None,
            ),
        )
        self._database.execute(
            "INSERT INTO pending (image_id, url, metadata, spool, start, size) VALUES (?, ?, ?, ?, ?, ?)",
            (row["image_id"], row["url"], metadata, self._filling, start, len(row["bytes"])),
        )
        self._spend(1, len(row["bytes"]))
        self.pending += 1
        self.pending_bytes += len(row["bytes"])

    def take_down(self, takedowns: Takedowns) -> set[str]:
        """Refuse what is taken down from now on and let go of its bytes; return the ids of the images.

        Call it before the parts are rewritten: it learns from them what the images' subjects are.
        """
        images = {image_id for image_id in takedowns.images if self.owner_of(image_id)}
        waiting = [json.loads(text) for (text,) in self._database.execute("SELECT metadata FROM pending")]
        listed = (
            row
            for part in parts.list_parts(self._folder)
            for row in parts.read_rows(part, ["image_id", "url", "subject"])
        )
        for row in (*waiting, *listed):
            if takedowns.covers(row["image_id"], row["url"], row["subject"]):
                images.add(row["image_id"])
        self._database.execute("PRAGMA secure_delete = ON")
        with self._database:
            for image_id in sorted(images):
                self._database.execute("DELETE FROM images WHERE image_id = ?", (image_id,))
                self._database.execute("DELETE FROM pending WHERE image_id = ?", (image_id,))
                self._refuse_for_ever("sha256 = ?1 OR (reason = 'duplicate' AND detail = ?1)", image_id)
            for prefix in takedowns.url_prefixes:
                self._refuse_for_ever("substr(url, 1, length(?1)) = ?1", prefix)
        self._rewrite_spool()
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.execute("VACUUM")
        return images

    def begin_part(self, count: int, max_bytes: int) -> PendingPart:
        """Return the first images that wait for a part, in the order of discovery.

        There are `count` of them, or fewer, so that only the last one goes beyond `max_bytes`.
        """
        found = self._database.execute(
            "SELECT metadata, spool, start, size FROM ("
            " SELECT *, sum(size) OVER (ORDER BY position) - size AS before FROM pending)"
            " WHERE before < ? ORDER BY position LIMIT ?",
            (max_bytes, count),
        ).fetchall()
        self._filling += 1  # so that what these lie in can go when they are in their part
        self._spool.flush()
        return PendingPart(found, self._spool)

    def rejected_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of rejected.parquet, sorted by URL."""
        query = "SELECT url, page_url, reason, detail FROM urls WHERE status = 'rejected' ORDER BY url"
        for url, page_url, reason, detail in self._database.execute(query):
            yield {"url": url, "page_url": page_url, "stage": "crawl", "reason": reason, "detail": detail}

    def absorb(self, part: Path) -> None:
        """Take a part's images as stored; they wait no longer."""
        self.commit()
        rows = parts.read_rows(part, ["url", "page_url", "image_id", "etag"])
        status = part.stat()
        with self._database:
            self._database.executemany(
                _ABSORB,
                [
                    (
                        row["url"],
                        row["page_url"],
                        row["image_id"],
                        row["etag"],
                        self._now() if row["etag"] else None,
                    )
                    for row in rows
                ],
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO images VALUES (?, ?, ?)",
                [(row["image_id"], row["url"], part.name) for row in rows],
            )
            self._database.executemany(
                "DELETE FROM pending WHERE image_id = ?", [(row["image_id"],) for row in rows]
            )
            self._database.execute(
                "INSERT INTO parts VALUES (?, ?, ?)", (part.name, status.st_size, status.st_mtime_ns)
            )
        self.pending, self.pending_bytes = self._measure_pending()
        self._spool.keep_only({number for (number,) in self._database.execute("SELECT spool FROM pending")})

    def _measure_pending(self) -> tuple[int, int]:
        count, size = self._database.execute("SELECT count(*), total(size) FROM pending").fetchone()
        return count, int(size)

    def _rewrite_spool(self) -> None:
        """Leave no bytes but those of what is still pending."""
        self._spool.flush()
        query = "SELECT position, spool, start, size FROM pending ORDER BY position"
        kept = [(position, self._spool.read(*place)) for position, *place in self._database.execute(query)]
        self._filling += 1
        with self._database:
            self._database.executemany(
                "UPDATE pending SET spool = ?, start = ? WHERE position = ?",
                [
                    (self._filling, self._spool.append(self._filling, data), position)
                    for position, data in kept
                ],
            )
        self._spool.keep_only({self._filling})

    def _drop_what_is_not_whole(self) -> None:
        """Forget pending images whose bytes did not reach the disk, as after a power cut."""
        query = "SELECT image_id, spool, start, size FROM pending"
        for image_id, *place in self._database.execute(query).fetchall():
            if hashlib.sha256(self._spool.read(*place)).hexdigest() != image_id:
                with self._database:
                    self._database.execute("DELETE FROM pending WHERE image_id = ?", (image_id,))
                    self._database.execute("DELETE FROM urls WHERE sha256 = ?", (image_id,))

    def _must_be_checked_since(self) -> float:
        return self._now() - self._revalidate_s

    def _attempts(self, url: str, reason: str) -> int:
        """Return how many attempts in a row have ended like this one, this one included."""
        found = self._database.execute(
            "SELECT attempts FROM urls WHERE url = ? AND reason = ?", (url, reason)
        ).fetchone()
        return found[0] + 1 if found else 1

    def _spend(self, images: int, size: int = 0) -> None:
        self._spent = (self._spent[0] + images, self._spent[1] + size)

    def _refuse_for_ever(self, condition: str, value: str) -> None:
        self._database.execute(
            "UPDATE urls SET status = 'rejected', reason = 'taken_down', detail = '', about = NULL, next_try = ?2"
            f" WHERE {condition}",
            (value, math.inf),
        )

    def _agree_with(self, folder: Path) -> None:
        known = {name: mark for name, *mark in self._database.execute("SELECT * FROM parts")}
        there = {part: [part.stat().st_size, part.stat().st_mtime_ns] for part in parts.list_parts(folder)}
        changed = [part for part, mark in there.items() if known.get(part.name) != mark]
        gone = [name for name in known if folder / name not in there]
        if not known:
            self._recall_rejections(folder / parts.REJECTED_NAME)
        self._drop_what_is_not_whole()
        held = set()
        with self._database:
            for name in [*gone, *(part.name for part in changed)]:
                held |= {
                    image_id
                    for (image_id,) in self._database.execute(
                        "SELECT image_id FROM images WHERE part = ?", (name,)
                    )
                }
                self._database.execute("DELETE FROM images WHERE part = ?", (name,))
                self._database.execute("DELETE FROM parts WHERE name = ?", (name,))
        for part in changed:
            self.absorb(part)
        if any(self.owner_of(image_id) is None for image_id in held):
            self._start_anew()
        if gone or changed:
            self._database.executescript(_FORGET_WHAT_IS_GONE)

    def _start_anew(self) -> None:
        """Parts were lost: what waits was to follow them, and no finished crawl can be relied on."""
        with self._database:
            self._database.execute("DELETE FROM pending")
            self._database.execute("DELETE FROM runs")

    def _recall_rejections(self, table: Path) -> None:
        if not table.exists():
            return
        columns = ("url", "page_url", "reason", "detail")
        with self._database:
            self._database.executemany(
                "INSERT OR IGNORE INTO urls (url, page_url, run, status, reason, detail, attempts, next_try)"
                " VALUES (?, ?, 0, 'rejected', ?, ?, 1, ?)",
                [
                    (*(row[name] for name in columns), math.inf if row["reason"] in FINAL else 0)
                    for row in parts.read_rows(table)
                ],
            )


class KnownToState:
    """What finished crawls of one entry met; see `references.Known`. `passed` are the known pages asked about."""

    def __init__(self, state: State) -> None:
        self.passed: set[str] = set()
        self._database = state._database
        self._now = state._now
        (self._last,) = self._database.execute(
            "SELECT max(run) FROM runs WHERE complete = 1 AND entry = ?", (state._run.entry,)
        ).fetchone()
        self._must_walk = self._last is None or self._has_due_pages()

    def images(self, urls: Iterable[str]) -> bool:
        """Say whether all of these were met, and no page that failed is due to be read again."""
        return not self._must_walk and all(self._met("url = ?1", url) for url in urls)

    def page(self, url: str) -> bool:
        """Say whether the page was read, and all that it shows was met."""
        if self._last is None or not self._met("(page_url = ?1 OR url = ?1)", url):
            return False
        self.passed.add(url)
        return True

    def _has_due_pages(self) -> bool:
        found = self._database.execute(f"SELECT 1 FROM urls WHERE {_DUE_PAGE} LIMIT 1", (self._now(),))
        return found.fetchone() is not None

    def _met(self, condition: str, url: str) -> bool:
        count, newest, failed = self._database.execute(
            "SELECT count(*), max(run), sum(status = 'rejected' AND about IS NULL AND next_try <= ?2)"
            f" FROM urls WHERE {condition}",
            (url, self._now()),
        ).fetchone()
        return bool(count) and newest <= self._last and not failed


def _about(ref: ImageRef) -> str:
    return json.dumps({name: getattr(ref, name) for name in ABOUT}, ensure_ascii=False)


def _recalled(url: str, page_url: str | None, version: str | None, said: dict[str, Any]) -> ImageRef:
    extra = said["extra"]
    about = said | {
        "tags": tuple(said["tags"] or ()),
        "extra": json.loads(extra) if isinstance(extra, str) else extra or {},
    }
    return ImageRef(url, page_url, checksum=version, **{name: about[name] for name in ABOUT})


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _connect(path)
    except sqlite3.DatabaseError:  # damaged, or written by another version: the parts hold what matters
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found == 0:
            database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {STATE_VERSION}; COMMIT;")
        elif found != STATE_VERSION:
            raise sqlite3.DatabaseError(f"version {found}")
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
