from pathlib import Path

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline.errors import UserError
from pipeline.workbench.params_file import add_entry, entries_of, read_text, write_text

ENTRY = "new:\n  kind: folder   # files\n  # path: REQUIRED\n"
SHIPPED = (REPOSITORY / "params.yaml").read_text()


def added(text: str, section: str = "sources", entry: str = ENTRY) -> str:
    return add_entry(text, section, "new", entry)


@pytest.mark.parametrize("section", ["sources", "domains", "experiments"])
def test_every_line_of_the_shipped_file_stays_as_it_is(section: str) -> None:
    before, after = SHIPPED.splitlines(), added(SHIPPED, section).splitlines()
    place = next(number for number, line in enumerate(after) if line == "  new:")
    assert after[place : place + 3] == ["  new:", "    kind: folder   # files", "    # path: REQUIRED"]
    assert after[:place] + after[place + 3 :] == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("sources: {}\nx: 1\n", "sources:\n  new: {a: 1}\nx: 1\n"),
        ("sources: {}   # none yet\nx: 1\n", "sources:      # none yet\n  new: {a: 1}\nx: 1\n"),
        ("sources: {\n}\nx: 1\n", "sources:\n  new: {a: 1}\nx: 1\n"),
        ("sources:   # none\n\nx: 1\n", "sources:   # none\n  new: {a: 1}\n\nx: 1\n"),
        ("sources: null\n", "sources:\n  new: {a: 1}\n"),
        ("sources:", "sources:\n  new: {a: 1}\n"),
        ("x: 1", "x: 1\nsources:\n  new: {a: 1}\n"),
        ("sources:\n  # b: {}\nx: 1\n", "sources:\n  # b: {}\n  new: {a: 1}\nx: 1\n"),
        (
            "sources:\n    a:\n        b: 1\n        # c: 2\n\n    # of a\n\n# of x\nx: 1\n",
            "sources:\n    a:\n        b: 1\n        # c: 2\n\n    # of a\n    new: {a: 1}\n\n# of x\nx: 1\n",
        ),
        (
            "sources:\n# first\n  a: 1\n# second\n  b: 2",
            "sources:\n# first\n  a: 1\n# second\n  b: 2\n  new: {a: 1}\n",
        ),
        (
            "sources:\n  a:\n    b: |\n      two\n      lines\nx: 1\n",
            "sources:\n  a:\n    b: |\n      two\n      lines\n  new: {a: 1}\nx: 1\n",
        ),
        ("sources:\n  a: [1,\n    2]\nx: 1\n", "sources:\n  a: [1,\n    2]\n  new: {a: 1}\nx: 1\n"),
        ("x: &x {b: 1}\nsources:\n  a: *x\ny: 1\n", "x: &x {b: 1}\nsources:\n  a: *x\n  new: {a: 1}\ny: 1\n"),
        ("sources:\r\n  a: 1\r\nx: 1\r\n", "sources:\r\n  a: 1\r\n  new: {a: 1}\r\nx: 1\r\n"),
        ("sources:\n  a: '…𝒳'\nx: 1\n", "sources:\n  a: '…𝒳'\n  new: {a: 1}\nx: 1\n"),
    ],
)
def test_an_entry_comes_last_in_its_section(before: str, after: str) -> None:
    assert added(before, entry="new: {a: 1}") == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: {a: {b: 1}}\n", "params.yaml: sources: is written in braces"),
        ("{sources: {}}", "params.yaml: is written in braces"),
        ("sources: [1]\n", r"params.yaml: sources: must hold a mapping of names, got \[1\]"),
        ("sources:\n  new: 1\n", "params.yaml: sources.new: is there already"),
        ("sources: {\n", "params.yaml: not valid YAML"),
        ("- 1\n", "params.yaml: must hold a mapping of sections, not list"),
        ("sources:\n  a: |+\n    b\n\n\nx: 1\n", "params.yaml: sources: cannot be added to safely"),
    ],
)
def test_what_cannot_be_edited_is_the_users_to_put_right(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        added(text)


def test_entries_are_taken_with_the_comments_around_them() -> None:
    text = """\
sources:   # of the section

  # before a
  a:
    b: 1   # beside b
    # at the end of a
  # before c
  c: {d: 1}
  # at the end
other: 1
"""
    assert entries_of(text, "sources", Path("recipe.yaml")) == {
        "a": "# before a\na:\n  b: 1   # beside b\n  # at the end of a",
        "c": "# before c\nc: {d: 1}\n# at the end",
    }
    assert entries_of(text, "domains", Path("recipe.yaml")) == {}


def test_entries_in_braces_are_taken_too() -> None:
    assert entries_of("sources: {a: {b: 1}, c: {}}", "sources", Path("r.yaml")) == {
        "a": "a: {b: 1}",
        "c": "c: {}",
    }


def test_what_is_written_is_what_is_read_and_keeps_its_mode_and_its_place(in_folder: Path) -> None:
    real = in_folder / "elsewhere.yaml"
    real.write_bytes(b"a: 1\r\n")
    real.chmod(0o640)
    Path("params.yaml").symlink_to(real)
    write_text(read_text() + "b: …\r\n")
    assert real.read_bytes() == "a: 1\r\nb: …\r\n".encode()
    assert real.stat().st_mode & 0o777 == 0o640
    assert Path("params.yaml").is_symlink()
    assert yaml.safe_load(read_text()) == {"a": 1, "b": "…"}
    assert len(list(in_folder.iterdir())) == 2


def test_a_file_that_is_no_text_is_the_users_to_put_right(in_folder: Path) -> None:
    with pytest.raises(UserError, match="no such file here"):
        read_text()
    Path("params.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is not UTF-8"):
        read_text()
