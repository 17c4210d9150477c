"""A stage in the place of detection that takes images for what their bytes say, in a project of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.real_pictures import REPOSITORY
from pipeline import parts
from pipeline.errors import UserError
from pipeline.params import Engine, LocalEngine
from pipeline.stages import partwise
from pipeline.stages.partwise import Row

SOURCE = "demo-portraits"


@dataclass(frozen=True)
class Options:
    """`words` are said of empty images; `marker` is a file that the image "crash once" leaves."""

    words: str = "nothing here"
    marker: str = ""


def measure(options: Options, image: Row, said: str = "") -> list[Row]:
    """Find a face of as many pixels as the image has bytes, unless people said that there is none."""
    if said:
        return [partwise.rejection("detect", image, "no_face", said)]
    if image["bytes"] == b"crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if image["bytes"] == b"crash once" and not Path(options.marker).exists():
        Path(options.marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if image["bytes"].startswith(b"slow"):
        time.sleep(0.1)
    if image["bytes"] == b"raise":
        raise RuntimeError("what is this?")
    if image["bytes"] == b"no weights":
        raise UserError("weights are missing")
    if image["bytes"] == b"empty":
        return [partwise.rejection("detect", image, "no_face", options.words)]
    size = len(image["bytes"])
    return [
        {"image_id": image["image_id"], "face_id": f"{image['image_id']}-0", "box_xyxy": [0, 0, size, size]}
    ]


def mark(options: Options, image: Row, faces: list[Row]) -> list[Row]:
    """Mark every face of an image with the image's first byte."""
    return [
        {"image_id": face["image_id"], "face_id": face["face_id"], "yaw_deg": image["bytes"][0]}
        for face in faces
    ]


DETECT = partwise.PartStage("detect", ("raw",), "detections", parts.DETECTIONS, measure)
LANDMARKS = partwise.PartStage("landmarks", ("raw", "detections"), "landmarks", parts.LANDMARKS, mark)


def set_up(folder: Path) -> None:
    """Put what a project has beside data into an empty folder."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, folder)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "pipeline", folder / "pipeline", ignore=ignore)


def write_raw(number: int, contents: list[bytes]) -> None:
    rows = [{"image_id": image_id(data), "bytes": data, "source": SOURCE} for data in contents]
    parts.write_rows(parts.folder("raw", SOURCE) / parts.part_name(number), rows, parts.RAW)


def image_id(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def run(
    options: Options | None = None,
    engine: Engine | None = None,
    said: partwise.Said | None = None,
    stage: partwise.PartStage = DETECT,
) -> dict[str, bytes]:
    """Run the stage, on two processes if nothing else is said; return its parts."""
    partwise.run(stage, SOURCE, options or Options(), (), engine or LocalEngine(workers=2), said)
    return {path.name: path.read_bytes() for path in parts.list_parts(parts.folder(stage.output, SOURCE))}


def forget() -> None:
    """Remove all that was computed."""
    shutil.rmtree(".cache", ignore_errors=True)
    for table in ("detections", "landmarks"):
        shutil.rmtree(parts.folder(table, SOURCE), ignore_errors=True)


def rows_of(number: int) -> list[Row]:
    return parts.read_rows(parts.folder("detections", SOURCE) / parts.part_name(number))


def computed() -> int:
    """Return how many parts the last run computed."""
    return json.loads(partwise.LOG.read_text().splitlines()[-1])["computed"]
