"""What one visitor of the preview application gave to be translated at once, and what is made of it.

It lies in a folder of its own until the visitor leaves or the process ends. Several threads may work with it: the one
that translates, and those that hear that the visitor wants to stop or has left.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.serve.batch import TABLE, Batch, Counts, Wanted, write_table
from pipeline.serve.given import Refused, pictures_in
from pipeline.serve.journal import Journal, journal
from pipeline.serve.studio import Studio
from pipeline.sources.files import File, ZipLimits

ARCHIVE = "translated.zip"
_GIVEN, _OUT, _UPLOADS, _STOP = "given", "out", "uploads.json", "stop"


@dataclass(frozen=True)
class Most:
    """What may be asked for at once: how many files, what zips may unpack to, and what results may take (bytes)."""

    files: int = 500
    unpacked_bytes: int = 2_000_000_000
    result_bytes: int = 1_000_000_000


@dataclass(frozen=True)
class Progress:
    """So many of the pictures are done."""

    done: int
    total: int


@dataclass(frozen=True)
class Finished:
    """All that was made: the table's rows, the zip of it; `ended` says why it is not of all pictures."""

    counts: Counts
    rows: list[dict[str, str]]
    archive: Path
    ended: str | None


class Desk:
    """A visitor's folder below `parent`; whoever knows the `visitor` by name finds it again."""

    def __init__(self, parent: Path, visitor: str) -> None:
        digest = hashlib.sha256(visitor.encode()).hexdigest()[:32]
        self._folder = parent / f"desk-{digest}"

    def take(self, uploads: Sequence[Path]) -> None:
        """Keep these files, and no others, until they are translated; raise `UserError` for one that is gone.

        Two visitors who give the same file may have one upload, so each has a link of its own to it.
        """
        given, fresh = self._folder / _GIVEN, self._folder / f"{_GIVEN}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for upload in uploads:
            name = upload.name.lstrip(".") or "_"
            source = upload if upload.exists() else given / name
            try:
                os.link(source, _free(fresh, name))
            except OSError:
                raise UserError(f"{name} is not here any more; upload it again") from None
        shutil.rmtree(given, ignore_errors=True)
        fresh.rename(given)
        (self._folder / _UPLOADS).write_text(json.dumps([str(upload) for upload in uploads]))

    def begin(self, limit_bytes: int) -> None:
        """Forget earlier results and a wish to stop; raise `UserError` where nothing or too much is given."""
        self._forget_results()
        self._forget_uploads()
        sizes = [path.stat().st_size for path in self._given()]
        if not sizes:
            raise UserError("choose a zip or pictures first")
        if sum(sizes) > limit_bytes:
            raise UserError(
                f"the files take {sum(sizes):,} bytes, more than {limit_bytes:,}; give fewer at once"
            )

    def stop(self) -> None:
        """Let a translation end after the picture at hand."""
        with suppress(OSError):
            (self._folder / _STOP).touch()

    def leave(self) -> None:
        """Remove everything."""
        self._forget_uploads()
        shutil.rmtree(self._folder, ignore_errors=True)

    def translated(self, wanted: Wanted, studio: Studio, most: Most) -> Iterator[Progress | Finished]:
        """Translate what is given by the command's own way; yield after each picture, and all that was made last.

        What was given is gone afterwards, and so is the desk where the visitor has left it. Raises `UserError` for
        what is wrong with the wishes, without any path of this machine.
        """
        try:
            yield from self._translated(wanted, studio, most)
        except UserError as error:
            raise UserError(str(error).replace(f"{self._folder}/", "")) from None
        finally:
            shutil.rmtree(self._folder / _OUT, ignore_errors=True)
            shutil.rmtree(self._folder / _GIVEN, ignore_errors=True)
            if not (self._folder / _UPLOADS).exists():
                self.leave()

    def _translated(self, wanted: Wanted, studio: Studio, most: Most) -> Iterator[Progress | Finished]:
        out = self._folder / _OUT
        shutil.rmtree(out, ignore_errors=True)
        files, unread = self._pictures(most)
        batch = Batch(wanted, studio.zoo, studio.params, studio.takedowns(), out)
        ended = None
        with journal(out, {}) as notes:
            for done in batch.go_on(files, notes):
                yield Progress(done, len(files))
                ended = self._ended(batch.written_bytes, most)
                if ended:
                    break
            finished = [file for file in files if notes.has_any(file.path)]
            yield self._finish(notes, finished, unread, ended if len(finished) < len(files) else None)

    def _pictures(self, most: Most) -> tuple[list[File], list[Refused]]:
        """Return what is given; a zip that is given alone is the folder, if it can be read."""
        limits = ZipLimits(most.files, most.unpacked_bytes)
        files, unread = pictures_in(self._folder / _GIVEN, limits)
        given = self._given()
        if len(given) == 1 and given[0].suffix.lower() == ".zip" and not unread:
            files, unread = pictures_in(given[0], limits)
        if len(files) > most.files:
            raise UserError(f"{len(files):,} files are given, more than {most.files:,}; give fewer at once")
        return files, unread

    def _ended(self, written_bytes: int, most: Most) -> str | None:
        if (self._folder / _STOP).exists() or not (self._folder / _UPLOADS).exists():
            return "stopped"
        if written_bytes > most.result_bytes:
            return f"the results take more than {most.result_bytes:,} bytes; give fewer pictures at once"
        return None

    def _finish(
        self, notes: Journal, files: Sequence[File], unread: Sequence[Refused], ended: str | None
    ) -> Finished:
        out, archive = self._folder / _OUT, self._folder / ARCHIVE
        counts = write_table(out / TABLE, notes, files, unread)
        with (out / TABLE).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        with zipfile.ZipFile(archive, "w") as packed:  # PNGs get no smaller
            for path in sorted(path for path in out.rglob("*") if path.is_file() and path.name[0] != "."):
                packed.write(path, path.relative_to(out))
                path.unlink()
        return Finished(counts, rows, archive, ended)

    def _given(self) -> list[Path]:
        folder = self._folder / _GIVEN
        return sorted(folder.iterdir()) if folder.exists() else []

    def _forget_results(self) -> None:
        for name in (ARCHIVE, _STOP):
            (self._folder / name).unlink(missing_ok=True)

    def _forget_uploads(self) -> None:
        """Delete the uploads, but not one that was uploaded again by another visitor."""
        with suppress(OSError, ValueError):
            uploads = [Path(upload) for upload in json.loads((self._folder / _UPLOADS).read_text())]
            kept = {(state.st_dev, state.st_ino) for state in (path.stat() for path in self._given())}
            for upload in uploads:
                with suppress(OSError):
                    state = upload.stat()
                    if (state.st_dev, state.st_ino) in kept:
                        upload.unlink()


def _free(folder: Path, name: str) -> Path:
    """Return a path in a folder that nothing has yet."""
    path, number = folder / name, 2
    while path.exists():
        path = folder / f"{Path(name).stem} ({number}){Path(name).suffix}"
        number += 1
    return path
