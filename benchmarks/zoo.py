"""Every unpaired and paired method on the same faces, from the sources to the report, small enough for a CPU.

`python -m benchmarks.zoo [--real] [--steps N] [--only NAME …] [--report FOLDER]`: the faces of the demo, or, `--real`,
those of `$LIKENESS_IMAGES/train`. Trains each method at 64 px and prints what was measured, a line each.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.real_pictures import MISSING, REPOSITORY, find_real_pictures
from benchmarks.translation import QUALITY, real_sources
from benchmarks.workspace import Workspace

SMALL = {"generator": {"width": 16, "blocks": 4}, "discriminator": {"width": 16}}
U_NET = {"method": "pix2pix", "batch_size": 2, "generator": {"width": 16}, "discriminator": {"width": 16}}
METHODS: dict[str, dict[str, Any]] = {
    "cyclegan": {"method": "cyclegan", **SMALL},
    "cyclegan-attention": {"method": "cyclegan", "attention": "both", **SMALL},
    "cyclegan-landmarks": {"method": "cyclegan", "conditions": ["landmarks"], **SMALL},
    "cyclegan-landmarks-colors": {"method": "cyclegan", "conditions": ["landmarks", "colors"], **SMALL},
    "cyclegan-landmark-attention": {"method": "cyclegan", "landmarks": "attention", **SMALL},
    "cyclegan-matched": {"method": "cyclegan", "match": ["yaw", "scale"], "match_by": "reweight", **SMALL},
    "getgan": {"method": "getgan", **SMALL},
    "getgan-gate": {"method": "getgan", "gate": "full", "weight_range": "full", **SMALL},
    "ugatit": {
        "method": "ugatit",
        "generator": {"width": 16},
        "discriminator": {"width": 16, "global_layers": 5, "local_layers": 3},
    },
    "discogan": {"method": "discogan", "batch_size": 16, "width": 16, "augment": {"enlarge": 1.0}},
    "munit": {
        "method": "munit",
        "generator": {"width": 16, "blocks": 2, "mlp": 64},
        "discriminator": {"width": 16, "scales": 2},
    },
    "cut": {"method": "cut", "patches": 64, **SMALL},
    "fastcut": {"method": "cut", "variant": "fast", "patches": 64, **SMALL},
    "pix2pix-landmarks": U_NET,
    "pix2pix-colors": {**U_NET, "conditions": ["landmarks", "colors"]},
    "pix2pix-random": {**U_NET, "conditions": ["landmarks", "colors", "noise"], "color_jitter": 0.05},
    "pix2pix-film": {
        **U_NET,
        "conditions": ["landmarks", "colors"],
        "colors": "film",
        "condition_dropout": 0.1,
    },
    "pix2pix-pairs": {**U_NET, "conditions": ["image"], "pairing": "nearest_landmarks"},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", action="store_true", help="real photographs and anime instead of the demo")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--only", nargs="*", choices=METHODS, default=list(METHODS), metavar="NAME")
    parser.add_argument("--report", type=Path, help="where to put the report and the grids of samples")
    given = parser.parse_args()
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    sources = params["sources"]
    if given.real:
        pictures = find_real_pictures()
        if pictures is None:
            sys.exit(MISSING)
        sources = real_sources(pictures)
    common = {"domains": ["photo", "anime"], "size_px": 64, "steps": given.steps}
    experiments = {name: {**common, **METHODS[name]} for name in given.only}
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace", sources, experiments)
        if given.real:
            workspace.set(quality=params["quality"] | QUALITY)
        for name in given.only:
            started = time.monotonic()
            workspace.dvc("repro", f"evaluate@{name}")
            show(name, workspace.folder / "metrics" / f"{name}.json", time.monotonic() - started)
        workspace.dvc("repro", "report")
        if given.report:
            for made in ("report", "models"):
                shutil.copytree(workspace.folder / made, given.report / made, dirs_exist_ok=True)


def show(name: str, metrics: Path, seconds: float) -> None:
    """Print a line for each way of a method."""
    for way, values in json.loads(metrics.read_text()).items():
        kid = values["kid_dlib_resnet128"]
        near = values["copies_pixels"]
        found = values.get("landmark_consistency", {})
        faces = f"faces found in {found['found']} of {found['of']}" if found else "faces not looked for"
        print(
            f"{name:28} {way:16} KID {kid['value']:.4f} ({kid['low']:.4f} to {kid['high']:.4f}), {faces}, nearest "
            f"training image {near['median_distance']} (held-out faces {near['held_out_median_distance']}), "
            f"{seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
