"""Images on this machine: a folder, a zip, or the files that a CSV lists, with subjects and pairs."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, PlainValidator, model_validator

from pipeline.crawl.references import ImageRef, Known, LocalFile, Refusal, Source
from pipeline.crawl.session import Session
from pipeline.errors import UserError
from pipeline.params import Section
from pipeline.sources.files import File, Files, file_at, selects
from pipeline.sources.presets import PRESETS

TABLE_COLUMNS = ("subject", "pair_id", "role", "title", "author", "licence", "licence_url", "page_url")


def _archive_or_pattern(value: object) -> Literal["archive"] | re.Pattern[str]:
    """Return the word `archive`, or a pattern with exactly one group."""
    if value == "archive":
        return "archive"
    try:
        pattern = re.compile(str(value))
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from None
    if pattern.groups != 1:
        raise ValueError("must have exactly one group: (…), or be the word archive")
    return pattern


def _has_pair_groups(pattern: re.Pattern[str]) -> re.Pattern[str]:
    if set(pattern.groupindex) != {"pair", "role"}:
        raise ValueError("must have the groups (?P<pair>…) and (?P<role>…)")
    return pattern


class FolderOptions(Section):
    """Where the files lie, and how their names, a CSV or a preset tell subjects and pairs.

    `path` is a folder or a zip; `~` and variables such as `$LIKENESS_IMAGES` are expanded. Zips in a folder are
    looked into: a file in one has a path such as `anime/rei.zip!/001.png`. `glob` selects files by the end of
    their path or of their zip's. `subject` is a pattern with one group that is searched in a file's path, or the
    word `archive`: each zip shows one person or character, and its name without `.zip` is the subject. `pair` is
    searched in a file's name. `table` is a CSV in the folder or beside it with a column `file`: only the files that
    it lists are taken, in its order.

    `preset` is the name of a published data set, or `before-after`; see `pipeline.sources.presets`. What a
    table or a preset says of an image goes before `author`, `licence` and `licence_url`.
    """

    path: str
    glob: str = "*"
    preset: Literal["celeba", "ffhq", "casia-nir-vis-2", "before-after"] | None = None
    table: str | None = None
    subject: (
        Annotated[
            Literal["archive"] | re.Pattern[str],
            PlainValidator(_archive_or_pattern, json_schema_input_type=re.Pattern[str]),
        ]
        | None
    ) = None
    pair: Annotated[re.Pattern[str], AfterValidator(_has_pair_groups)] | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None

    @model_validator(mode="after")
    def _leaves_to_the_preset_what_it_says(self) -> FolderOptions:
        if self.preset:
            twice = [name for name in sorted(PRESETS[self.preset].says) if getattr(self, name)]
            if twice:
                raise ValueError(f"leave out {', '.join(twice)}: the preset {self.preset!r} says it")
        return self


class FolderSource(Source[FolderOptions]):
    """Files that are here already."""

    kind = "folder"
    terms = (
        "Files that are here already: whoever put them here knows what they may be used for. "
        "The agreements of CelebA and CASIA NIR-VIS 2.0 hold for whoever downloaded them."
    )
    needs_limit = False
    Options = FolderOptions

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Yield the files in the order of their paths, or of the table."""
        files = Files(self._path())
        max_bytes = session.caps.image_bytes
        for found in self._found(files):
            if isinstance(found, Refusal):
                yield found
            else:
                file, said = found
                local = LocalFile(file.version, partial(file.read, max_bytes))
                yield replace(self._reference(files.url(file.path), file), local=local, **said)

    def _path(self) -> Path:
        path = Path(os.path.expandvars(self.options.path)).expanduser()
        if path.is_dir() or (path.is_file() and zipfile.is_zipfile(path)):
            return path
        what = "is neither a folder nor a zip" if path.exists() else "does not exist"
        raise UserError(f"path: {self.options.path}: {what} (looked at {path})")

    def _found(self, files: Files) -> Iterator[tuple[File, dict[str, Any]] | Refusal]:
        """Yield the files that are asked for, with what the preset or the table says of each."""
        options = self.options
        for path, detail in files.broken.items():
            if selects(options.glob, path):
                yield Refusal(files.url(path), "unreadable", detail)
        if options.preset:
            yield from PRESETS[options.preset].read(files, options.glob)
        elif options.table:
            for row in _read_table(self._path(), options.table, files):
                name = (row["file"] or "").replace("\\", "/")
                if file := files.by_path.get(name):
                    yield file, _said(row)
                else:
                    yield Refusal(files.url(name), "not_found", f"{options.table} lists it")
        else:
            yield from ((file, {}) for file in files.matching(options.glob))

    def _reference(self, url: str, file: File) -> ImageRef:
        options = self.options
        pair = options.pair.search(PurePosixPath(file.path).name) if options.pair else None
        return ImageRef(
            url,
            author=options.author,
            licence=options.licence,
            licence_url=options.licence_url,
            subject=self._subject(file),
            pair_id=pair["pair"] if pair else None,
            role=pair["role"] if pair else None,
        )

    def _subject(self, file: File) -> str | None:
        if self.options.subject == "archive":
            return PurePosixPath(file.archive).stem if file.archive else None
        found = self.options.subject.search(file.path) if self.options.subject else None
        return found[1] if found else None


def _read_table(path: Path, table: str, files: Files) -> Iterator[dict[str, str]]:
    beside = path.parent / table
    if table in files.by_path:
        file = files.by_path[table]
    elif beside.is_file():
        file = file_at(beside, table)
    else:
        raise UserError(f"table: {table!r} is neither in {path} nor beside it")
    rows = csv.DictReader(io.StringIO(file.read_list("table")))
    columns = rows.fieldnames or []
    if "file" not in columns:
        raise UserError(f"table: {table!r} has no column 'file'; its columns are: {', '.join(columns)}")
    yield from rows


def _said(row: dict[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {name: row[name] for name in TABLE_COLUMNS if row.get(name)}
    if row.get("tags"):
        said["tags"] = tuple(tag.strip() for tag in re.split("[;,]", row["tags"]) if tag.strip())
    return said
