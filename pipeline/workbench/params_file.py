"""params.yaml as text: entries are added to it, and taken from files like it, comments and all.

An edit inserts lines where the YAML parser says that a section ends; every other line stays as it is.
"""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError
from pipeline.parts import atomic_path
from pipeline.project import PARAMS_FILE, parse_yaml

INDENT = 2


def read_text(path: Path = PARAMS_FILE) -> str:
    """Return the file's text, line ends as they are; raise `UserError` where it is missing or no UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file here; run this in the repository's root") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; save it as UTF-8") from None


def write_text(text: str, path: Path = PARAMS_FILE) -> None:
    """Replace the file's text, whole or not at all."""
    target = path.resolve()
    with atomic_path(target) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
        shutil.copymode(target, temporary)


def add_entry(text: str, section: str, name: str, entry: str, path: Path = PARAMS_FILE) -> str:
    """Return the text with an entry at the end of a section; every line that was there stays as it is.

    `entry` is YAML of one key, `name`, without indentation; `path` is named in errors. Raises `UserError` where
    the name is taken, and where the section is written so that nothing can be added line by line.
    """
    before = _values(text, path)
    if name in (before.get(section) or {}):
        raise UserError(f"{path}: {section}.{name}: is there already; choose another name, or edit the entry")
    added = parse_yaml(entry)
    expected = before | {section: (before.get(section) or {}) | added}
    changed = _insert(text, section, entry, path)
    if _values(changed, path) != expected:
        raise UserError(f"{path}: {section}: cannot be added to safely; add this by hand:\n{entry}")
    return changed


def entries_of(text: str, section: str, path: Path) -> dict[str, str]:
    """Return the entries of a section by name, each without indentation and with the comments around it."""
    found = _find(_root(text, path), section)
    if found is None or not isinstance(found[1], yaml.MappingNode):
        return {}
    key, body = found
    if body.flow_style:
        return {name.value: text[name.start_mark.index : value.end_mark.index] for name, value in body.value}
    entries = {}
    start = _line_end(text, key.end_mark.index)
    for number, (name, value) in enumerate(body.value, 1):
        column = name.start_mark.column
        outside = 0 if number == len(body.value) else column
        end = _after_comments(text, _last_character(text, name, value), outside)
        lines = text[start:end].splitlines()
        entries[name.value] = "\n".join(_dedent(line, column) for line in lines).strip("\n")
        start = end
    return entries


def _insert(text: str, section: str, entry: str, path: Path) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    found = _find(_root(text, path), section)
    column = INDENT
    if found is None:
        text = _ended(text, newline) + f"{section}:"
        place = len(text)
    elif isinstance(found[1], yaml.MappingNode) and found[1].value:
        if found[1].flow_style:
            raise UserError(f"{path}: {section}: is written in braces; write each entry on a line of its own")
        name, value = found[1].value[-1]
        column = name.start_mark.column
        place = _after_comments(text, _last_character(text, name, value), 0)
    else:
        text = _without_empty_value(text, found[1])
        place = _after_comments(text, found[0].end_mark.index, 0)
    lines = textwrap.indent(entry.strip("\n"), " " * column).splitlines()
    return _ended(text[:place], newline) + "".join(line + newline for line in lines) + text[place:]


def _values(text: str, path: Path) -> dict[str, Any]:
    try:
        values = parse_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold a mapping of sections, not {type(values).__name__}")
    for section, entries in values.items():
        if section in ("sources", "domains", "experiments") and not isinstance(entries, dict | None):
            raise UserError(f"{path}: {section}: must hold a mapping of names, got {entries!r}")
    return values


def _root(text: str, path: Path) -> yaml.MappingNode:
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise UserError(f"{path}: is written in braces; write each section on lines of its own")
    return root


def _find(root: yaml.MappingNode, section: str) -> tuple[Any, Any] | None:
    return next(((key, value) for key, value in root.value if key.value == section), None)


def _without_empty_value(text: str, value: yaml.Node) -> str:
    """Return the text with `{}` or `null` blanked out, so that a comment behind it stays in its column."""
    start, end = value.start_mark.index, value.end_mark.index
    if start == end:
        return text
    if text[end : _line_end(text, end)].strip():
        return text[:start] + " " * (end - start) + text[end:]
    return text[:start].rstrip(" ") + text[end:].lstrip(" ")


def _last_character(text: str, *nodes: yaml.Node) -> int:
    """Return where the last of what the nodes show stands; an alias shows what stands elsewhere."""
    return len(text[: max(map(_end, nodes))].rstrip()) - 1


def _end(node: yaml.Node) -> int:
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return max(map(_end, last)) if isinstance(last, tuple) else _end(last)
    return int(node.end_mark.index)


def _after_comments(text: str, index: int, column: int) -> int:
    """Return where the line of `index` ends, and the comments below it that stand right of `column`."""
    place = at = _line_end(text, index)
    while at < len(text):
        line = text[at : _line_end(text, at)]
        at += len(line)
        if line.strip():
            if len(line) - len(line.lstrip(" ")) <= column:
                break
            place = at
    return place


def _line_end(text: str, index: int) -> int:
    return text.find("\n", index) + 1 or len(text)


def _ended(text: str, newline: str) -> str:
    return text if not text or text.endswith("\n") else text + newline


def _dedent(line: str, column: int) -> str:
    return line[min(len(line) - len(line.lstrip(" ")), column) :]
