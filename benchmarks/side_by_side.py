"""What it brings to run stages of different sources side by side in one workspace, and whether DVC allows it.

`python -m benchmarks.side_by_side [--sources 4] [--seconds 2] [--load sleep|cpu]`: a small DVC project is brought up to
date stage by stage, in sequence and by two and four threads, each stage by `dvc repro --single-item` in a process
of its own, as the flows do it. Printed are the seconds, their ratio to the sequence, how often DVC said that it was
busy, and whether `dvc.lock` and the outputs hold the same bytes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import yaml

from flows import bridge

STAGES = ("crawl", "detect", "align", "colors")
WORK = """
import hashlib, pathlib, sys, time
out, seconds, load, *deps = sys.argv[1:]
until = (time.process_time if load == "cpu" else time.monotonic)() + float(seconds)
while (time.process_time if load == "cpu" else time.monotonic)() < until:
    hashlib.sha256(bytes(1 << 20)) if load == "cpu" else time.sleep(0.05)
folder = pathlib.Path(out)
folder.mkdir(parents=True, exist_ok=True)
for part in range(20):
    (folder / str(part)).write_text(f"{out} {part} of {sorted(deps)}")
"""


@dataclass
class Result:
    """One way to bring the project up to date."""

    seconds: float
    retries: int
    errors: list[str]
    lock: bytes
    outputs: dict[str, bytes]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2, help="what a stage's command takes by itself")
    parser.add_argument("--load", choices=("sleep", "cpu"), default="sleep")
    options = parser.parse_args()
    print(f"{options.sources} sources with {len(STAGES)} stages each, and a catalogue")
    print(f"a stage: {options.seconds} s of {options.load}")
    alone = measure(1, options)
    report("in sequence", alone, alone)
    for workers in (2, 4):
        report(f"{workers} at once", measure(workers, options), alone)


def measure(workers: int, options: argparse.Namespace) -> Result:
    """Bring a new project up to date with so many threads."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            write_project(options)
            return reproduce(workers)
        finally:
            os.chdir(here)


def write_project(options: argparse.Namespace) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    Path("work.py").write_text(WORK)

    def stage(out: str, *deps: str) -> dict[str, object]:
        command = f"python work.py {out} {options.seconds} {options.load} {' '.join(deps)}"
        return {"cmd": command, "deps": ["work.py", *deps], "outs": [out]}

    stages = {}
    sources = [f"source{number}" for number in range(options.sources)]
    for before, name in zip((None, *STAGES), STAGES, strict=False):
        for source in sources:
            stages[f"{name}-{source}"] = stage(
                f"data/{name}/{source}", *([f"data/{before}/{source}"] if before else [])
            )
    stages["catalogue"] = stage("data/catalogue", *(f"data/colors/{source}" for source in sources))
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))


def reproduce(workers: int) -> Result:
    lines: list[str] = []
    graph = bridge.stage_graph()
    started = time.monotonic()
    errors = run_ready(
        graph, lambda stage: bridge.dvc("repro", "--single-item", stage, log=lines.append), workers
    )
    seconds = time.monotonic() - started
    retries = sum("waits for another DVC command" in line for line in lines)
    outputs = {str(file): file.read_bytes() for file in sorted(Path("data").rglob("*")) if file.is_file()}
    return Result(seconds, retries, errors, Path("dvc.lock").read_bytes(), outputs)


def run_ready(graph: dict[str, list[str]], run: Callable[[str], None], workers: int) -> list[str]:
    """Run each stage once those it depends on have ended; return the errors."""
    ended: set[str] = set()
    running: dict[Future[None], str] = {}
    errors = []
    with ThreadPoolExecutor(workers) as pool:
        while len(ended) < len(graph):
            for stage, depends in graph.items():
                free = len(running) < workers and stage not in ended | set(running.values())
                if free and ended.issuperset(depends):
                    running[pool.submit(run, stage)] = stage
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                ended.add(running.pop(future))
                if error := future.exception():
                    errors.append(str(error))
    return errors


def report(name: str, result: Result, alone: Result) -> None:
    same_outputs = "the same outputs" if result.outputs == alone.outputs else "OTHER OUTPUTS"
    print(
        f"{name:12} {result.seconds:6.1f} s, {result.seconds / alone.seconds:.2f} of the sequence, "
        f"{result.retries} times busy, {len(result.errors)} errors, {same_outputs}, "
        + compared(result.lock, alone.lock),
        flush=True,
    )
    for error in result.errors:
        print("   ", error)


def compared(lock: bytes, other: bytes) -> str:
    if lock == other:
        return "the same dvc.lock"
    same = yaml.safe_load(lock) == yaml.safe_load(other)
    return "the same dvc.lock in another order" if same else "ANOTHER DVC.LOCK"


if __name__ == "__main__":
    main()
