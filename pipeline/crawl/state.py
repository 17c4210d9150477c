"""What a source's crawls remember: every URL met, every image kept, and images not yet in a part.

The parts are the truth and this is its index: it is brought into agreement with them whenever it is opened,
and rebuilt from them and from rejected.parquet where it is lost.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import parts
from pipeline.crawl.references import ImageRef, Refusal

STATE_VERSION = 1

_TABLES = """
CREATE TABLE urls (
    url TEXT PRIMARY KEY,
    page_url TEXT,
    status TEXT NOT NULL CHECK (status IN ('stored', 'rejected')),
    sha256 TEXT,
    etag TEXT,
    last_modified TEXT,
    version TEXT,
    reason TEXT,
    detail TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE images (image_id TEXT PRIMARY KEY, url TEXT NOT NULL, part TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX images_by_part ON images (part);
CREATE TABLE pending (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    image_id TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    metadata TEXT NOT NULL,
    bytes BLOB NOT NULL
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
DELETE FROM urls WHERE status = 'rejected' AND (url = ?1 OR (url >= ?1 || '#' AND url < ?1 || '$'))
"""
_REJECT = """
INSERT INTO urls (url, page_url, status, version, reason, detail, attempts, next_try)
    VALUES (?, ?, 'rejected', ?, ?, ?, 1, ?)
    ON CONFLICT (url) DO UPDATE SET page_url = excluded.page_url, version = excluded.version,
        reason = excluded.reason, detail = excluded.detail, attempts = attempts + 1,
        next_try = excluded.next_try
    WHERE status = 'rejected'
"""
_STORE = """
INSERT INTO urls (url, page_url, status, sha256, etag, last_modified, version, attempts)
    VALUES (?, ?, 'stored', ?, ?, ?, ?, 1)
    ON CONFLICT (url) DO UPDATE SET page_url = excluded.page_url, status = 'stored', sha256 = excluded.sha256,
        etag = excluded.etag, last_modified = excluded.last_modified, version = excluded.version,
        reason = NULL, detail = NULL, attempts = attempts + 1, next_try = 0
"""
_ABSORB = """
INSERT INTO urls (url, page_url, status, sha256, etag) VALUES (?, ?, 'stored', ?, ?)
    ON CONFLICT (url) DO UPDATE SET status = 'stored', sha256 = excluded.sha256, etag = excluded.etag,
        version = CASE WHEN sha256 = excluded.sha256 THEN version END, reason = NULL, detail = NULL
"""


class State:
    """The memory of one source; `folder` is where its parts lie. Close it when done."""

    def __init__(self, path: Path, folder: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = _open(path)
        self._database.execute("CREATE TEMP TABLE seen (url TEXT PRIMARY KEY) WITHOUT ROWID")
        self._agree_with(folder)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def first_sight(self, url: str) -> bool:
        """Say whether the URL is met for the first time since the state was opened."""
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (url,)).rowcount == 1

    def settled(self, ref: ImageRef) -> str | None:
        """Return 'stored' or the rejection's reason where the image need not be fetched (again)."""
        found = self._database.execute(
            "SELECT status, reason, version, next_try FROM urls WHERE url = ?", (ref.url,)
        ).fetchone()
        if found is None:
            return None
        status, reason, version, next_try = found
        if ref.local:
            done = version == ref.version
        else:
            done = status == "stored" or reason == "duplicate" or next_try > time.time()
        return (reason or status) if done else None

    def owner_of(self, image_id: str) -> str | None:
        """Return the URL whose image has these bytes, None where they are new."""
        found = self._database.execute(
            "SELECT url FROM images WHERE image_id = ?1 UNION SELECT url FROM pending WHERE image_id = ?1",
            (image_id,),
        ).fetchone()
        return found[0] if found else None

    def is_stored(self, url: str) -> bool:
        """Say whether an image of this URL was kept."""
        query = "SELECT 1 FROM urls WHERE url = ? AND status = 'stored'"
        return self._database.execute(query, (url,)).fetchone() is not None

    def reject(self, refusal: Refusal) -> None:
        """Remember that a URL was not kept, and why; a URL that was kept before stays kept."""
        next_try = time.time() + refusal.retry_after_s if refusal.retry_after_s else 0
        with self._database:
            self._database.execute(
                _REJECT,
                (refusal.url, refusal.page_url, refusal.version, refusal.reason, refusal.detail, next_try),
            )

    def forget_refusals_of(self, page_url: str) -> None:
        """Drop what was refused at a page that is read anew: the page itself, and items told apart by a #."""
        with self._database:
            self._database.execute(_FORGET_PAGE, (page_url,))

    def saw_again(self, url: str, version: str | None) -> None:
        """Remember which version of a stored local file was read last."""
        with self._database:
            self._database.execute("UPDATE urls SET version = ? WHERE url = ?", (version, url))

    def keep(self, row: dict[str, Any], last_modified: str | None, version: str | None) -> None:
        """Remember a new image, a row of `parts.RAW`, until it is in a part."""
        metadata = json.dumps({name: value for name, value in row.items() if name != "bytes"})
        with self._database:
            self._database.execute(
                _STORE, (row["url"], row["page_url"], row["image_id"], row["etag"], last_modified, version)
            )
            self._database.execute(
                "INSERT INTO pending (image_id, url, metadata, bytes) VALUES (?, ?, ?, ?)",
                (row["image_id"], row["url"], metadata, row["bytes"]),
            )

    def pending_count(self) -> int:
        """Return how many images wait for a part."""
        return int(self._database.execute("SELECT count(*) FROM pending").fetchone()[0])

    def pending_rows(self, count: int) -> list[dict[str, Any]]:
        """Return the first `count` images that wait for a part, in the order of discovery."""
        found = self._database.execute(
            "SELECT metadata, bytes FROM pending ORDER BY position LIMIT ?", (count,)
        )
        return [json.loads(metadata) | {"bytes": data} for metadata, data in found]

    def rejected_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of rejected.parquet, sorted by URL."""
        query = "SELECT url, page_url, reason, detail FROM urls WHERE status = 'rejected' ORDER BY url"
        for url, page_url, reason, detail in self._database.execute(query):
            yield {"url": url, "page_url": page_url, "stage": "crawl", "reason": reason, "detail": detail}

    def absorb(self, part: Path) -> None:
        """Take a part's images as stored; they wait no longer."""
        rows = parts.read_rows(part, ["url", "page_url", "image_id", "etag"])
        status = part.stat()
        with self._database:
            self._database.executemany(
                _ABSORB, [(row["url"], row["page_url"], row["image_id"], row["etag"]) for row in rows]
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

    def _agree_with(self, folder: Path) -> None:
        known = {name: mark for name, *mark in self._database.execute("SELECT * FROM parts")}
        there = {part: [part.stat().st_size, part.stat().st_mtime_ns] for part in parts.list_parts(folder)}
        changed = [part for part, mark in there.items() if known.get(part.name) != mark]
        gone = [name for name in known if folder / name not in there]
        if not known:
            self._recall_rejections(folder / parts.REJECTED_NAME)
        with self._database:
            for name in [*gone, *(part.name for part in changed)]:
                self._database.execute("DELETE FROM images WHERE part = ?", (name,))
                self._database.execute("DELETE FROM parts WHERE name = ?", (name,))
            if gone:  # what waits was to follow parts that are no longer there: start anew, in order
                self._database.execute("DELETE FROM pending")
        for part in changed:
            self.absorb(part)
        if gone or changed:
            self._database.executescript(_FORGET_WHAT_IS_GONE)

    def _recall_rejections(self, table: Path) -> None:
        if not table.exists():
            return
        columns = ("url", "page_url", "reason", "detail")
        with self._database:
            self._database.executemany(
                "INSERT OR IGNORE INTO urls (url, page_url, status, reason, detail)"
                " VALUES (?, ?, 'rejected', ?, ?)",
                [tuple(row[name] for name in columns) for row in parts.read_rows(table)],
            )


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
