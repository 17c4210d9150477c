"""The kinds of sources by name; each is one small class that yields references to images."""

from __future__ import annotations

from pkgutil import resolve_name

from pydantic import ValidationError

from pipeline.crawl.references import Source
from pipeline.errors import UserError
from pipeline.params import Params, SourceEntry, explain_validation
from pipeline.project import PARAMS_FILE

# Named, not imported: whoever crawls a folder need not load what draws the demo.
KINDS = {
    "demo": "pipeline.sources.demo.source:DemoSource",
    "folder": "pipeline.sources.folder:FolderSource",
    "gallery": "pipeline.sources.gallery:GallerySource",
}


def build(name: str, entry: SourceEntry) -> Source:
    """Return the source that an entry describes; raise `UserError` with a line for every wrong option."""
    if entry.kind not in KINDS:
        known = ", ".join(KINDS)
        raise UserError(
            f"{PARAMS_FILE}: sources.{name}.kind: {entry.kind!r} is not one of the kinds: {known}"
        )
    kind: type[Source] = resolve_name(KINDS[entry.kind])
    try:
        return kind(kind.Options.model_validate(entry.options))
    except ValidationError as error:
        raise UserError(explain_validation(error, PARAMS_FILE, prefix=f"sources.{name}")) from None


def check_all(params: Params) -> None:
    """Validate every source's options; raise one `UserError` with a line for everything that is wrong."""
    problems = []
    for name, entry in params.sources.items():
        try:
            build(name, entry)
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))
