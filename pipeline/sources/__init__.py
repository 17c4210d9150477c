"""The kinds of sources by name; each is one small class that yields references to images.

Other distributions add kinds through the entry-point group `likeness.sources`: name = kind, value = class.
https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pkgutil import resolve_name
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.crawl.references import Source
from pipeline.errors import UserError
from pipeline.params import Limit, Params, SourceEntry, explain_validation
from pipeline.project import PARAMS_FILE

GROUP = "likeness.sources"

# Named, not imported: whoever crawls a folder need not load what draws the demo.
KINDS = {
    "commons": "pipeline.sources.commons:CommonsSource",
    "danbooru": "pipeline.sources.danbooru:DanbooruSource",
    "demo": "pipeline.sources.demo.source:DemoSource",
    "folder": "pipeline.sources.folder:FolderSource",
    "gallery": "pipeline.sources.gallery:GallerySource",
    "google": "pipeline.sources.google:GoogleSource",
    "openverse": "pipeline.sources.openverse:OpenverseSource",
    "urls": "pipeline.sources.urls:UrlsSource",
    "webtoon": "pipeline.sources.webtoon:WebtoonSource",
}


def kinds() -> Iterator[tuple[str, str | None]]:
    """Yield the name of every kind, and the distribution that adds it; None for those that are built in."""
    yield from ((name, None) for name in KINDS)
    added = {plugin.name: _distribution(plugin) for plugin in _plugins(tuple(sys.path))}
    yield from ((name, added[name]) for name in sorted(added.keys() - KINDS.keys()))


def kind_named(name: str) -> type[Source]:
    """Return the class of a kind; raise `UserError` where there is none, or where a plug-in is at fault."""
    plugins = [plugin for plugin in _plugins(tuple(sys.path)) if plugin.name == name]
    origins = ", ".join(sorted(map(_distribution, plugins)))
    if name in KINDS and plugins:
        raise UserError(f"{name!r} is built in, but added by {origins} too; remove or rename that one")
    if name in KINDS:
        return resolve_name(KINDS[name])
    if len(plugins) > 1:
        raise UserError(f"{name!r} is added by {origins}; remove all but one")
    if not plugins:
        raise UserError(f"{name!r} is not one of the kinds: {', '.join(known for known, _ in kinds())}")
    return _load(plugins[0])


@cache
def _plugins(path: tuple[str, ...]) -> EntryPoints:
    """Return what the distributions of an import path add; it takes 30 ms to read what all of them say."""
    return entry_points(group=GROUP)


def _load(plugin: EntryPoint) -> type[Source]:
    where = f"{plugin.name!r} is added by {_distribution(plugin)}, whose {plugin.value}"
    try:
        found = plugin.load()
    except Exception as error:  # whatever foreign code does while it is imported
        raise UserError(f"{where} cannot be imported: {type(error).__name__}: {error}") from None
    if problem := _flaw(plugin.name, found):
        raise UserError(f"{where} {problem}")
    return found


def _flaw(name: str, found: Any) -> str | None:
    """Say what keeps something that a plug-in names from being a kind."""
    if not (isinstance(found, type) and issubclass(found, Source)):
        return "is no subclass of pipeline.crawl.references.Source"
    if inspect.isabstract(found):
        return "does not define discover"
    if getattr(found, "kind", None) != name:
        return f"must have the attribute kind = {name!r}"
    if not getattr(found, "terms", None):
        return "must say its terms: under which terms the images can be had and used"
    options = getattr(found, "Options", None)
    if not (isinstance(options, type) and issubclass(options, BaseModel)):
        return "must have its Options, a pydantic model"
    return None


def _distribution(plugin: EntryPoint) -> str:
    return plugin.dist.name if plugin.dist else "an unnamed distribution"


def build(name: str, entry: SourceEntry) -> Source:
    """Return the source that an entry describes; raise `UserError` with a line for every wrong option."""
    try:
        kind = kind_named(entry.kind)
    except UserError as error:
        raise UserError(f"{PARAMS_FILE}: sources.{name}.kind: {error}") from None
    if kind.needs_limit and entry.limit == Limit():
        raise UserError(
            f"{PARAMS_FILE}: sources.{name}.limit: is missing; what lies on the network needs a bound for each "
            "crawl: images, bytes, pages or minutes"
        )
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
