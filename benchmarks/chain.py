"""The whole chain on the real pictures, in a temporary workspace: the funnel of each set, and the report.

`python -m benchmarks.chain [FOLDER FOR THE REPORT]`
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.real_pictures import MISSING, find_real_pictures
from benchmarks.workspace import Workspace

SETS = {"real": "photo", "anime": "anime", "webtoon": "anime", "neg": "photo", "neg-as-anime": "anime"}


def main() -> None:
    pictures = find_real_pictures()
    if pictures is None:
        sys.exit(MISSING)
    sources = {
        name: {"kind": "folder", "path": str(pictures / name.removesuffix("-as-anime")), "domain": domain}
        for name, domain in SETS.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace", sources)
        started = time.monotonic()
        workspace.dvc("repro")
        print(f"dvc repro: {time.monotonic() - started:.0f} s")
        started = time.monotonic()
        workspace.dvc("repro")
        print(f"dvc repro again: {time.monotonic() - started:.1f} s")
        print_funnel(json.loads((workspace.folder / "data/catalogue/funnel.json").read_text()))
        print_pictures(workspace.folder / "data/catalogue/faces.parquet")
        if sys.argv[1:]:
            shutil.copytree(workspace.folder / "report", sys.argv[1], dirs_exist_ok=True)


def print_pictures(catalogue: Path) -> None:
    """Print of how many pictures at least one face was aligned, and kept."""
    faces = pq.read_table(catalogue, columns=["source", "image_id", "size_px", "kept"]).to_pandas()
    for source, mine in faces.groupby("source"):
        aligned = mine.loc[mine["size_px"].notna(), "image_id"].nunique()
        kept = mine.loc[mine["kept"], "image_id"].nunique()
        print(f"{source}: pictures with an aligned face {aligned}, with a kept one {kept}")


def print_funnel(funnel: dict[str, dict]) -> None:
    for source, counts in funnel.items():
        rejected = counts.pop("rejected")
        print(f"{source}: " + ", ".join(f"{step} {count}" for step, count in counts.items()))
        for stage, reasons in rejected.items():
            print(f"  {stage}: " + ", ".join(f"{reason} {count}" for reason, count in reasons.items()))


if __name__ == "__main__":
    main()
