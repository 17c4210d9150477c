"""The two embedded experiments on real pictures: photographs and anime through all stages, trained and measured.

`python -m benchmarks.translation [FOLDER FOR THE REPORT]`
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.chain import print_funnel
from benchmarks.real_pictures import MISSING, REPOSITORY, find_real_pictures
from benchmarks.workspace import Workspace

SETS = {"train-photo": ("photo", "photo"), "train-anime": ("anime", "anime")}
LIMIT = {"images": 600}
# The bulk sets hold crops of 64 to 200 px: what is too small or blurred for 256 px is good enough for 64.
QUALITY = {"min_eye_distance_px": 12, "max_abs_yaw_deg": 35, "min_sharpness": 2, "max_padded": 0.4}


def main() -> None:
    pictures = find_real_pictures()
    if pictures is None:
        sys.exit(MISSING)
    sources = real_sources(pictures)
    experiments = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["experiments"]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace", sources, experiments)
        workspace.set(quality=QUALITY)
        started = time.monotonic()
        workspace.dvc("repro")
        print(f"dvc repro: {time.monotonic() - started:.0f} s")
        print_funnel(json.loads((workspace.folder / "data/catalogue/funnel.json").read_text()))
        for path in sorted((workspace.folder / "metrics").glob("*.json")):
            print(path.stem, json.dumps(json.loads(path.read_text()), indent=1))
        if sys.argv[1:]:
            for made in ("report", "models"):
                shutil.copytree(workspace.folder / made, Path(sys.argv[1]) / made, dirs_exist_ok=True)


def real_sources(pictures: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of the bulk sets of photographs and of anime."""
    return {
        name: {"kind": "folder", "path": str(pictures / "train" / folder), "domain": domain, "limit": LIMIT}
        for name, (folder, domain) in SETS.items()
    }


if __name__ == "__main__":
    main()
