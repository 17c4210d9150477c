"""A temporary copy of the project, in which commands run as a user would type them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from benchmarks.real_pictures import REPOSITORY

Params = dict[str, Any]
# What people fill in, and stages read.
_FILLED_IN = ("bad_faces.csv", "corrected_eyes.csv", "ratings.csv", "takedowns.csv")


class Workspace:
    """The project's code and stages in an empty folder, with params.yaml of its own and no data."""

    def __init__(self, folder: Path, sources: Params, experiments: Params | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "pipeline", folder / "pipeline", ignore=ignore)
        for name in ("dvc.yaml", ".dvcignore", "params.yaml", *_FILLED_IN):
            shutil.copy(REPOSITORY / name, folder)
        for kept in REPOSITORY.glob("**/.gitkeep"):
            copied = folder / kept.relative_to(REPOSITORY)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(kept, copied)
        # Without schedules and a tagger: they name the shipped sources and experiments.
        self.set(sources=sources, experiments=experiments or {}, schedules={}, metrics={"tagger": "none"})

    @classmethod
    def copy(cls, other: Workspace, folder: Path, without: tuple[str, ...] = ()) -> Workspace:
        """Return a copy of a workspace with all that was made in it, but what is named `without`."""
        copied = cls.__new__(cls)
        copied.folder = folder
        shutil.copytree(other.folder, folder, ignore=shutil.ignore_patterns(*without))
        return copied

    def params(self) -> Params:
        """Return the values of params.yaml."""
        return yaml.safe_load((self.folder / "params.yaml").read_text())

    def set(self, **sections: object) -> None:
        """Replace sections of params.yaml."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.params() | sections, sort_keys=False))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `python -m ARGUMENTS` in a process group of its own."""
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, *arguments: str, exit_code: int = 0) -> str:
        """Run `python -m ARGUMENTS`, see that it ends as expected, and return what it printed."""
        process = self.start(*arguments)
        printed, _ = process.communicate()
        assert process.returncode == exit_code, printed
        return printed

    def dvc(self, *arguments: str) -> str:
        """Run `dvc ARGUMENTS`, in a repository without Git."""
        if not (self.folder / ".dvc").exists():
            self.run("dvc", "init", "--no-scm", "--quiet")
            self.run("dvc", "config", "core.analytics", "false")
        return self.run("dvc", *arguments)

    def hashes(self) -> dict[str, str]:
        """Return the hash of every stage's outputs, as dvc.lock has them."""
        stages = yaml.safe_load((self.folder / "dvc.lock").read_text())["stages"]
        return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}
