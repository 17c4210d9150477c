"""Adding a source to params.yaml: from a kind and a few values to an entry that says what is still to be filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline import sources
from pipeline.crawl.references import Source
from pipeline.errors import UserError
from pipeline.names import unknown_name
from pipeline.params import Name, SourceEntry, explain_validation
from pipeline.project import PARAMS_FILE, load_yaml, parse_yaml
from pipeline.workbench.entries import missing_options, render_entry
from pipeline.workbench.params_file import add_entry, read_text, write_text


def add(name: str, kind_name: str, given: Mapping[str, Any]) -> list[str]:
    """Write the entry `name` into params.yaml and return what is left to be filled in, a line for each thing.

    `given` are values by option. Raises `UserError`, with nothing written, for a name that is taken or wrong, an
    unknown kind or option, and a value that does not fit.
    """
    _check_name(name)
    kind = _kind(name, kind_name)
    text = read_text()
    domains = load_yaml(PARAMS_FILE).get("domains") or {}
    entry = render_entry(name, kind, domains, given)
    write_text(add_entry(text, "sources", name, entry))
    return _left(name, kind, parse_yaml(entry)[name])


def terms(kind_name: str) -> str:
    """Return under which terms the images of a kind can be had and used."""
    return sources.kind_named(kind_name).terms


def read_values(assignments: Iterable[str]) -> dict[str, Any]:
    """Return the values of `option=value` by option; raise `UserError` for what is none."""
    values = {}
    for assignment in assignments:
        option, equals, value = assignment.partition("=")
        if not equals or not option:
            raise UserError(f"--set {assignment}: must be OPTION=VALUE, such as --set item=.picture")
        values[option] = read_value(value)
    return values


def read_value(text: str) -> Any:
    """Return what a value on the command line means: YAML where it is any, such as `{a: b}`, else the text."""
    try:
        value = parse_yaml(text)
    except yaml.YAMLError:
        return text
    return text if value is None else value


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise UserError(
            f"{PARAMS_FILE}: sources: {name!r} is no name for a source; use a-z, 0-9 and -, such as my-gallery"
        ) from None


def _kind(name: str, kind_name: str) -> type[Source]:
    known = [known for known, _ in sources.kinds()]
    if kind_name not in known:
        raise unknown_name(f"{PARAMS_FILE}: sources.{name}.kind", kind_name, "kinds", known)
    return sources.kind_named(kind_name)


def _left(name: str, kind: type[Source], entry: Mapping[str, Any]) -> list[str]:
    if missing := missing_options(kind, entry):
        return [f"sources.{name}.{option}" for option in missing]
    try:
        kind.Options.model_validate({key: entry[key] for key in entry if key not in SourceEntry.model_fields})
    except ValidationError as error:
        return explain_validation(error, PARAMS_FILE, prefix=f"sources.{name}").splitlines()
    return []
