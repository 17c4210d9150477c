from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline.params import SourceEntry
from pipeline.sources import KINDS, build, kind_named

TEXT = (REPOSITORY / "docs/adding-a-source.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture
def documented() -> Iterator[ModuleType]:
    """The test of the documented kind, which finds the kind where it is said to be."""
    kind, _, test = blocks("python")
    modules = {"pipeline.sources.album": kind, "test_album": test}
    try:
        for name, code in modules.items():
            sys.modules[name] = ModuleType(name)
            exec(compile(code, name, "exec"), vars(sys.modules[name]))
        yield sys.modules["test_album"]
    finally:
        for name in modules:
            sys.modules.pop(name, None)


def test_the_documented_kind_passes_its_documented_test(documented: ModuleType, tmp_path: Path) -> None:
    documented.test_a_recrawl_reads_no_more_pages_than_it_must(tmp_path)


def test_the_documented_entries_are_valid() -> None:
    entries = [entry for block in blocks("yaml") for entry in yaml.safe_load(block)["sources"].items()]
    assert [build(name, SourceEntry.model_validate(entry)).kind for name, entry in entries] == [
        "gallery",
        "folder",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_in_the_table_with_its_options(kind: str) -> None:
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{kind}` |")]
    options = row.split("|")[3]
    fields = kind_named(kind).Options.model_fields
    assert re.findall(r"`(\w+)`", options) == list(fields)
    assert re.findall(r"\*\*`(\w+)`\*\*", options) == [name for name in fields if fields[name].is_required()]
