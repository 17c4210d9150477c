"""20,000 generated faces, then 1% more: what the second run of the face stages takes of the first's time.

`python -m benchmarks.growth [FACES]`
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks.workspace import Workspace
from pipeline.sources.demo import portraits

SOURCE = "generated"
SIDE_PX = 192
DRAWN = 400


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 20_000
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "pictures"
        place.mkdir()
        more = max(count // 100, 1)
        pictures = generated(np.random.default_rng(0))
        write(islice(pictures, count), place, 0)
        source = {"kind": "folder", "path": str(place), "domain": "photo"}
        workspace = Workspace(Path(folder) / "workspace", {SOURCE: source})
        first = timed(workspace)
        again = time.monotonic()
        workspace.dvc("repro")
        print(f"dvc repro with nothing new: {time.monotonic() - again:.1f} s")
        write(islice(pictures, more), place, count)
        workspace.dvc("repro", "--force", "--single-item", f"crawl@{SOURCE}")
        second = timed(workspace)
    print(f"{count} faces, then {more} more; seconds of the stages, then of the whole `dvc repro`")
    for stage, seconds in first.items():
        print(f"  {stage}: {seconds:.1f}, then {second[stage]:.2f}: {100 * second[stage] / seconds:.1f}%")
    whole = [
        sum(run[stage] for stage in ("detect", "landmarks", "align", "colors")) for run in (first, second)
    ]
    print(f"the four stages: {whole[0]:.1f} s, then {whole[1]:.2f} s: {100 * whole[1] / whole[0]:.2f}%")


def timed(workspace: Workspace) -> dict[str, float]:
    """Run what is to be done; return the seconds that each stage logs, and those of the whole."""
    log = workspace.folder / "logs" / "stages.jsonl"
    seen = len(log.read_text().splitlines()) if log.exists() else 0
    started = time.monotonic()
    workspace.dvc("repro")
    whole = time.monotonic() - started
    seconds: dict[str, float] = defaultdict(float)
    for line in log.read_text().splitlines()[seen:]:
        logged = json.loads(line)
        seconds[logged["stage"]] += logged["seconds"]
    return {**seconds, "dvc repro": whole}


def generated(random: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield rendered portraits without end, each of some hundred drawings in ever another light and frame."""
    drawings = [portraits.draw(1, index).pixels for index in range(DRAWN)]
    while True:
        for drawing in drawings:
            light, shift = random.uniform(0.8, 1.2), random.integers(0, 16, 2)
            frame = drawing[shift[0] : drawing.shape[0] - 16, shift[1] : drawing.shape[1] - 16]
            small = cv2.resize(frame, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
            yield (small * light).clip(0, 255).astype(np.uint8)


def write(pictures: Iterator[np.ndarray], place: Path, start: int) -> None:
    for number, rgb in enumerate(pictures, start):
        cv2.imwrite(str(place / f"{number:06d}.jpg"), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    main()
