"""What a recrawl brought is held back and brought again, byte for byte, through a real DVC project."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import yaml
from _pytest.mark import ParameterSet
from typer.testing import CliRunner

from benchmarks.real_pictures import REPOSITORY
from benchmarks.workspace import Workspace
from pipeline import parts
from pipeline.commands.quarantine import app as commands
from pipeline.commands.watch import app as watch_commands
from pipeline.crawl.compaction import compact
from pipeline.crawl.lock import only_writer
from pipeline.errors import UserError
from pipeline.stages.crawl import state_path
from pipeline.takedowns import Takedown
from pipeline.upkeep import quarantine
from pipeline.upkeep.removal import take_down
from pipeline.watch import history, recrawls

# Each stage has an input and an output; the crawl adds a part each time, as the real one does.
STAGE = """
import sys
from pathlib import Path
stage, source = sys.argv[1:]
order = ["raw", "detections", "landmarks", "aligned", "colors"]
own = dict(zip(["crawl", "detect", "landmarks", "align", "colors"], order))[stage]
folder = Path("data", own, source)
folder.mkdir(parents=True, exist_ok=True)
if stage == "crawl":
    number = len(list(folder.iterdir()))
    folder.joinpath(f"part-{number:05d}").write_text(f"{source} {number}")
    folder.joinpath("rejected").write_text(f"{number} pages gone")
else:
    for part in Path("data", order[order.index(own) - 1], source).iterdir():
        folder.joinpath(part.name).write_text(f"{stage} {part.read_text()}")
"""
FOLDERS = {
    "crawl": "raw",
    "detect": "detections",
    "landmarks": "landmarks",
    "align": "aligned",
    "colors": "colors",
}
# What YAML is read as depends on the reader; such values must come through as they are.
PARAMS = """
sources:
  one: {kind: demo, since: '2024-01-31', pace: 1e-5, dark: off, title: "a: b \\u2028 é", tags: [], odd: 0o17}
  two: {kind: demo}
"""
REASON = "the face rate is 0.10, usual are 0.60 to 0.90"
Files = dict[str, bytes]


def dvc(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stage_entries() -> dict[str, object]:
    folders = list(FOLDERS.values())
    return {
        stage: {
            "foreach": "${sources}",
            "do": {
                "cmd": f"python stage.py {stage} ${{key}}",
                **(
                    {"params": ["sources.${key}"], "outs": [{"data/raw/${key}": {"persist": True}}]}
                    if stage == "crawl"
                    else {
                        "deps": [f"data/{folders[folders.index(folder) - 1]}/${{key}}"],
                        "outs": [f"data/{folder}/${{key}}"],
                    }
                ),
            },
        }
        for stage, folder in FOLDERS.items()
    }


def begin(source: str) -> None:
    """Note where a recrawl starts from, as `watch begin` does."""
    note = {"at": "2026-01-31T04:00:00+00:00", "parts": [], "stages": quarantine.lock_entries(source)}
    quarantine.note_path(source).parent.mkdir(exist_ok=True)
    quarantine.note_path(source).write_text(json.dumps(note))


def recrawl(source: str, *stages: str) -> None:
    dvc("repro", "--quiet", "--force", "--single-item", *(f"{stage}@{source}" for stage in stages))


def files() -> Files:
    """Return the bytes of all data and of dvc.lock."""
    paths = [path for path in Path("data").rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in (*paths, Path("dvc.lock"))}


def is_up_to_date(*stages: str) -> bool:
    return "up to date" in dvc("status", *stages)


class Project:
    """A project with two sources, of which `one` was crawled again: files before and after."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        dvc("init", "--no-scm", "--quiet")
        Path("stage.py").write_text(STAGE)
        Path("params.yaml").write_text(PARAMS)
        Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stage_entries()}, sort_keys=False))
        dvc("repro", "--quiet")
        state_path("one").parent.mkdir()
        state_path("one").write_text("memory")
        self.before = files()
        begin("one")
        recrawl("one", *FOLDERS)
        self.after = files()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("project")
        patch.chdir(folder)
        patch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
        return Project(folder)


@pytest.fixture
def project(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copytree(made.folder, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    return made


def test_what_is_held_back_leaves_no_byte_and_comes_back_whole(project: Project) -> None:
    assert project.before != project.after
    held = quarantine.hold("one", REASON, {"new": 1})
    assert files() == project.before
    assert is_up_to_date()
    assert quarantine.all_held() == [held]
    assert (held.source, held.step, held.reason, held.found) == ("one", "held", REASON, {"new": 1})
    assert quarantine.hold("one", "another reason") == held, "held once is held"

    quarantine.bring_back("one")
    assert files() == project.after
    assert is_up_to_date()
    quarantine.end("one")
    assert quarantine.all_held() == []
    assert quarantine.note_path("one").exists(), "it is for the conclusion to remove"


def test_what_is_discarded_is_forgotten_by_the_next_crawl_too(project: Project) -> None:
    quarantine.hold("one", REASON)
    pending = state_path("one").with_suffix(".pending")
    pending.mkdir()
    quarantine.drop("one")
    quarantine.end("one")
    assert files() == project.before
    assert is_up_to_date()
    assert not state_path("one").exists()
    assert not pending.exists()


def test_another_source_goes_on_meanwhile(project: Project) -> None:
    quarantine.hold("one", REASON)
    begin("two")
    recrawl("two", *FOLDERS)
    two = quarantine.lock_entries("two")
    quarantine.bring_back("one")
    assert quarantine.lock_entries("two") == two
    assert Path("data/colors/two/part-00002").exists()
    assert is_up_to_date()


def test_a_stage_that_never_ran_before_is_taken_out_and_put_back(project: Project) -> None:
    note = json.loads(quarantine.note_path("one").read_text())
    del note["stages"]["colors@one"]
    quarantine.note_path("one").write_text(json.dumps(note))
    quarantine.hold("one", REASON)
    assert "colors@one" not in quarantine.lock_entries("one")
    assert not Path("data/colors/one").exists()
    assert is_up_to_date("align@one", "colors@two")
    quarantine.bring_back("one")
    assert {name: text for name, text in files().items() if name != "dvc.lock"} == {
        name: text for name, text in project.after.items() if name != "dvc.lock"
    }
    assert is_up_to_date()


# What is refused leaves everything as it was.


def refused(project: Project, what: str) -> None:
    here = files()
    with pytest.raises(UserError, match=what):
        quarantine.hold("one", REASON)
    assert files() == here
    assert quarantine.all_held() == []


def test_without_a_recrawl_there_is_nothing_to_hold(project: Project) -> None:
    quarantine.note_path("one").unlink()
    refused(project, "no recrawl of one is under way; `python -m pipeline watch begin one`")


def test_a_first_crawl_has_no_version_to_go_back_to(project: Project) -> None:
    quarantine.note_path("one").write_text(json.dumps({"at": "", "parts": [], "stages": {}}))
    refused(project, "one: this was its first crawl")


def test_a_recrawl_that_is_not_through_is_not_held(project: Project) -> None:
    Path("data/raw/one/part-00009").write_text("a crawl that was killed has written this")
    refused(project, r"data/raw/one: not as dvc\.lock says, so the recrawl of one is not through")


@pytest.mark.parametrize("whose", ["before", "after"])
def test_what_the_cache_does_not_have_would_be_lost(project: Project, whose: str) -> None:
    part = {"before": project.before, "after": project.after}[whose]["data/colors/one/rejected"]
    for path in Path(".dvc/cache").rglob("*"):
        if path.is_file() and path.read_bytes() == part:
            path.chmod(0o600)
            path.unlink()
    refused(project, "are not in DVC's cache|not as dvc.lock says")


def test_after_dvc_gc_what_was_held_can_only_be_discarded(project: Project) -> None:
    quarantine.hold("one", REASON)
    dvc("gc", "--workspace", "--force", "--quiet")
    with pytest.raises(UserError, match=r"no longer in DVC's cache.*`dvc gc`.*quarantine discard one`"):
        quarantine.bring_back("one")
    assert files() == project.before
    assert quarantine.drop("one").step == "discarding"


@pytest.mark.parametrize("step", [quarantine.bring_back, quarantine.drop])
def test_nothing_is_decided_about_what_is_not_held(
    project: Project, step: Callable[[str], quarantine.Held]
) -> None:
    with pytest.raises(UserError, match="one: nothing is in quarantine"):
        step("one")


@pytest.mark.parametrize(
    "text",
    [
        "schema: '2.0'\n",
        "stages:\n    crawl@one:\n        cmd: x\n",
        "stages: [\n",
        "stages:\n  - cmd: x\n",
        "",
    ],
)
def test_a_lock_that_dvc_did_not_write_is_left_alone(in_folder: Path, text: str) -> None:
    Path("dvc.lock").write_text(text)
    with pytest.raises(UserError, match=r"dvc\.lock: not as DVC writes it"):
        quarantine.lock_entries("one")


# Nothing else changes the parts meanwhile.


def test_nothing_else_writes_a_held_source(project: Project) -> None:
    quarantine.hold("one", REASON)
    here = files()
    said = r"one\.held\.json: a recrawl of one is in quarantine.*quarantine approve one`"
    with pytest.raises(UserError, match=said), only_writer(state_path("one")):
        pytest.fail("a crawl would have begun")
    with pytest.raises(UserError, match=said):
        compact(Path("data/raw/one"), state_path("one"), 512)
    with pytest.raises(UserError, match=said):
        take_down(Takedown("subject", "Jane", "asked for", "2026-01-31"))
    assert not Path("takedowns.csv").exists()
    assert files() == here
    with only_writer(state_path("two")):
        pass


def test_a_source_that_is_being_crawled_is_not_held(project: Project) -> None:
    with only_writer(state_path("one")):
        refused(project, "of this source is running; wait for it")


# Killed anywhere, `settle` brings it to its end.

# Dies where the step is said to: before or after the file is written that says what is under way, as dvc.lock is,
# before DVC begins, while it puts files in place, when it is done, and before the memory goes.
DIE = """
import os, signal, sys
from pathlib import Path
from pipeline import parts
from pipeline.upkeep import quarantine, versions

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def before(module, name, times=0):
    real = getattr(module, name)
    def wrapped(*arguments, **options):
        nonlocal times
        times -= 1
        return die() if times < 0 else real(*arguments, **options)
    setattr(module, name, wrapped)

def amid_checkout(*arguments):
    if "checkout" in arguments:
        for path in sorted(Path("data").glob("*/one/*"))[::2]:
            path.unlink()
        die()
    return run_dvc(*arguments)

def after_checkout(*arguments):
    said = run_dvc(*arguments)
    return die() if "checkout" in arguments else said

step, point = sys.argv[1:]
run_dvc = versions.run_dvc
if point == "before":
    before(parts, "write_json")
elif point == "noted":
    before(quarantine, "_restore")
elif point == "lock":
    real = Path.replace
    Path.replace = lambda path, target: die() if path.name.startswith(".dvc.lock.") else real(path, target)
elif point == "amid":
    versions.run_dvc = amid_checkout
elif point == "after":
    versions.run_dvc = after_checkout
elif point == "memory":
    before(Path, "unlink")
{"hold": lambda: quarantine.hold("one", "why"), "bring_back": lambda: quarantine.bring_back("one"),
 "drop": lambda: quarantine.drop("one")}[step]()
"""


def long(point: str) -> ParameterSet:
    return pytest.param(point, marks=pytest.mark.long)


def killed(step: str, point: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIE, step, point],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("point", [long("noted"), long("lock"), "amid", long("after")])
def test_a_hold_that_was_killed_is_brought_to_its_end(project: Project, point: str) -> None:
    killed("hold", point)
    (held,) = quarantine.all_held()
    assert held.step == "holding"
    with pytest.raises(UserError, match="in quarantine"), only_writer(state_path("one")):
        pytest.fail("a crawl would have begun")
    assert quarantine.hold("one", "").step == "held"
    assert files() == project.before
    assert not list(Path().glob("*.tmp"))
    assert is_up_to_date()


def test_a_hold_that_was_killed_before_it_began_never_was(project: Project) -> None:
    killed("hold", "before")
    assert quarantine.all_held() == []
    assert files() == project.after


@pytest.mark.parametrize("point", [long("lock"), "amid"])
def test_a_return_that_was_killed_is_brought_to_its_end(project: Project, point: str) -> None:
    quarantine.hold("one", REASON)
    killed("bring_back", point)
    assert quarantine.all_held()[0].step == "approving"
    with pytest.raises(UserError, match="one is approving its held recrawl"):
        quarantine.hold("one", REASON)
    quarantine.bring_back("one")
    assert files() == project.after
    assert is_up_to_date()


def test_a_discard_that_was_killed_is_brought_to_its_end(project: Project) -> None:
    quarantine.hold("one", REASON)
    killed("drop", "memory")
    assert quarantine.all_held()[0].step == "discarding"
    with pytest.raises(UserError, match="being discarded"):
        quarantine.bring_back("one")
    quarantine.drop("one")
    assert not state_path("one").exists()
    assert files() == project.before


def test_a_half_returned_version_can_still_be_discarded(project: Project) -> None:
    quarantine.hold("one", REASON)
    killed("bring_back", "amid")
    quarantine.drop("one")
    assert files() == project.before
    assert is_up_to_date()


# The commands, on a real source.


def type_(app: typer.Typer, *arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.long
def test_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"kind": "demo", "style": "portrait", "seed": 0, "domain": "photo"}
    workspace = Workspace(tmp_path / "workspace", {"one": entry | {"count": 4}})
    monkeypatch.chdir(workspace.folder)
    assert type_(commands, "list") == "nothing is in quarantine\n"

    def crawl(count: int) -> None:
        """Crawl when the site shows so many pictures."""
        workspace.set(sources={"one": entry | {"count": count}})
        for stage in FOLDERS:
            workspace.dvc("repro", "--force", "--single-item", f"{stage}@one")

    def recrawl(count: int) -> None:
        type_(watch_commands, "begin", "one")
        crawl(count)

    def images() -> int:
        return sum(parts.count_rows(part) for part in parts.list_parts(parts.folder("raw", "one")))

    crawl(4)
    recrawl(6)
    after = files()
    said = type_(commands, "hold", "one", "--reason", REASON)
    assert "Type `python -m pipeline quarantine approve one`, or `quarantine discard one`" in said
    assert images() == 4
    (listed,) = json.loads(type_(commands, "list", "--json"))
    assert (listed["source"], listed["reason"], listed["step"]) == ("one", REASON, "held")
    assert listed["found"]["new"] == 2
    with pytest.raises(UserError, match="in quarantine"):
        type_(watch_commands, "begin", "one")

    # Killed before the conclusion, the approval is brought to its end by `settle`.
    with monkeypatch.context() as patch:
        patch.setattr(recrawls, "conclude", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            type_(commands, "approve", "one")
    assert "(approving: type `python -m pipeline quarantine settle`)" in type_(commands, "list")
    assert type_(commands, "settle") == "one: approved; what was held back is here again\n"
    assert files() == after
    assert images() == 6
    assert [record.verdict for record in history.load("one")][-1] == "approved"
    assert type_(commands, "settle") == ""

    recrawl(9)
    type_(commands, "hold", "one", "--reason", REASON)
    type_(commands, "discard", "one")
    last = history.load("one")[-1]
    assert (last.verdict, last.images) == ("discarded", 3)
    assert files() == after
    assert not quarantine.note_path("one").exists()
    recrawl(9)
    assert images() == 9
