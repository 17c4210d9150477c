"""What the face stages cost: CPU by step, what they add to the bare work, and what a second process gains.

`python -m benchmarks.face_speed [PICTURES] [REPETITIONS]`, by default 600 real photographs and 5 repetitions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks.real_pictures import MISSING, REPOSITORY, find_real_pictures
from benchmarks.workspace import Workspace
from pipeline import images
from pipeline.faces.alignment import transform
from pipeline.faces.colors import estimate_colors
from pipeline.faces.detection import find_faces
from pipeline.faces.landmarks.marking import Unmarkable, mark_real
from pipeline.params import Params, load_params
from pipeline.stages.align import align_face, cut_of
from pipeline.stages.detect import search_of

STAGES = ("detect", "landmarks", "align", "colors")
STEPS = ("decode", "detect", "landmarks", "align and encode", "colors")


def main() -> None:
    pictures = find_real_pictures()
    if pictures is None:
        sys.exit(MISSING)
    count, repetitions = (int(word) for word in [*sys.argv[1:], *("600", "5")[len(sys.argv) - 1 :]])
    chosen = choose(pictures, count)
    params = load_params(REPOSITORY / "params.yaml")
    with_face, without = bare_costs(params, chosen)
    for what, costs in (("with a face", with_face), ("without one", without)):
        if costs:
            means = np.mean(costs, axis=0) * 1000
            said = ", ".join(f"{step} {mean:.1f}" for step, mean in zip(STEPS, means, strict=True))
            print(
                f"{len(costs)} pictures {what}, CPU ms each: {said}; detect + landmarks {means[1] + means[2]:.1f}"
            )
    bare = float(np.sum(with_face) + np.sum(without))
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), chosen, repetitions, bare)


def choose(pictures: Path, count: int) -> list[Path]:
    """Return all of `real`, and evenly chosen ones of the bulk photographs: `count` in all."""
    real = sorted((pictures / "real").iterdir())
    bulk = sorted((pictures / "train" / "photo").iterdir())
    places = np.linspace(0, len(bulk) - 1, max(count - len(real), 0)).round().astype(int)
    return (real + [bulk[place] for place in places])[:count]


def bare_costs(params: Params, chosen: Sequence[Path]) -> tuple[list[list[float]], list[list[float]]]:
    """Return the CPU seconds of each step for each picture, with and without a face: nothing but the work."""
    bare_work(params, chosen[0])  # loads the models
    with_face: list[list[float]] = []
    without: list[list[float]] = []
    for path in chosen:
        found, costs = bare_work(params, path)
        (with_face if found else without).append(costs)
    return with_face, without


def bare_work(params: Params, path: Path) -> tuple[bool, list[float]]:
    """Do all that is done to a photograph, decoded once and kept in memory; return the CPU seconds of each step."""
    domain = params.domains["photo"]
    marks = [time.process_time()]
    try:
        rgb = images.decode(path.read_bytes())
    except images.ImageProblem:
        return False, [time.process_time() - marks[0], 0, 0, 0, 0]
    marks.append(time.process_time())
    search = search_of(domain, params.detect)
    assert search is not None
    faces = find_faces(rgb, search).faces
    marks.append(time.process_time())
    marked = []
    for face in faces:
        try:
            marked.append(mark_real(rgb, face.box_xyxy, face.points, domain.landmarks, 45))
        except Unmarkable:
            continue
    marks.append(time.process_time())
    crops = []
    for face in marked:
        points = None if face.points_68 is None else face.points_68.tolist()
        ids = {"image_id": "", "face_id": ""}
        crops.append(
            align_face(cut_of(domain, params.align), rgb, ids | {"eyes": face.eyes, "points_68": points})
        )
    marks.append(time.process_time())
    for face, crop in zip(marked, crops, strict=True):
        matrix = np.array(crop["matrix"]).reshape(2, 3)
        pixels = images.decode(crop["bytes"])
        estimate_colors(pixels, transform(face.points_68, matrix), transform(face.eyes, matrix), False, {})
    marks.append(time.process_time())
    return bool(faces), np.diff(marks).tolist()


def compare(folder: Path, chosen: Sequence[Path], repetitions: int, bare: float) -> None:
    """Print the wall time of the stages with one and with two processes, in turns, and their CPU time over the bare."""
    photographs = folder / "photographs"
    photographs.mkdir()
    for path in chosen:
        shutil.copy(path, photographs)
    source = {"kind": "folder", "path": str(photographs), "domain": "photo"}
    workspace = Workspace(folder / "workspace", {"photographs": source})
    workspace.run("pipeline", "crawl", "photographs")
    runs: dict[int, list[Run]] = {1: [], 2: []}
    for _ in range(repetitions):
        for workers, done in runs.items():
            done.append(run_stages(workspace, workers))
    walls = {workers: [run.wall for run in done] for workers, done in runs.items()}
    best = {workers: min(times) for workers, times in walls.items()}
    print(
        f"load {os.getloadavg()[0]:.1f}; wall seconds with 1 process {seconds(walls[1])}, with 2 {seconds(walls[2])}"
    )
    rates = ", ".join(f"{len(chosen) / best[workers]:.1f} with {workers}" for workers in best)
    print(f"pictures/s, best: {rates}; 2 processes are {best[1] / best[2]:.2f} times as fast as 1")
    cpu = min(run.cpu for run in runs[1])
    print(f"CPU of the stages {cpu:.1f} s (best), of the bare work {bare:.1f} s: {cpu / bare:.2f} times")
    print(f"peak memory of one process: {max(run.peak for run in runs[2]):.0f} MB")


class Run(NamedTuple):
    """What a run of the four stages took: wall and CPU seconds with start-up, and the most MB of one process."""

    wall: float
    cpu: float
    peak: float


def run_stages(workspace: Workspace, workers: int) -> Run:
    """Run the four stages from nothing."""
    workspace.set(engine={"kind": "local", "workers": workers})
    for made in (".cache", "data/detections", "data/landmarks", "data/aligned", "data/colors"):
        shutil.rmtree(workspace.folder / made, ignore_errors=True)
    started, cpu, peak = time.monotonic(), 0.0, 0.0
    for stage in STAGES:
        spent, used = watch(workspace.start("pipeline", stage, "photographs"))
        cpu, peak = cpu + spent, max(peak, used)
    return Run(time.monotonic() - started, cpu, peak)


def watch(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Return the CPU seconds of a process and all below it, and the most MB that one of them used."""
    root, spent, peak = psutil.Process(process.pid), {}, 0.0
    while process.poll() is None:
        with suppress(psutil.Error):
            for one in [root, *root.children(recursive=True)]:
                with suppress(psutil.Error):
                    times = one.cpu_times()
                    spent[one.pid] = times.user + times.system
                    peak = max(peak, one.memory_info().rss / 2**20)
        time.sleep(0.1)
    if process.returncode:
        sys.exit(process.communicate()[0])
    return sum(spent.values()), peak


def seconds(times: Sequence[float]) -> str:
    return " ".join(f"{time:.1f}" for time in sorted(times))


if __name__ == "__main__":
    main()
