"""Does generated near infrared help to recognise faces? Document 003's experiment on pictures whose truth is known.

`python -m benchmarks.recognition [--steps N] [--size PX] [--real-target N] [--report FOLDER]`

`$LIKENESS_IMAGES/identity/caltech`: 18 people in visible light, and the same pictures as `pipeline.faces.near_infrared`
makes them. Trains generators A (aligned), B (and equalised) and C (and a perceptual loss) on a CPU, then the same
recogniser without generated faces, with those of each, and, as an upper bound, with the true pictures instead. Of the
real near-infrared pictures only few of each person are trained on, or there would be nothing to help. Intervals are
over people and wide: there are 17 with enough pictures.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.real_pictures import MISSING, find_real_pictures
from benchmarks.workspace import Workspace
from pipeline import images, weights
from pipeline.faces.near_infrared import near_infrared

# No random crops: too little is trained here to learn places anew.
SMALL = {
    "generator": {"width": 16, "blocks": 4, "upsample": "resize"},
    "discriminator": {"width": 32},
    "augment": {"enlarge": 1.0},
}
SPLIT = {"val": 0.05, "test": 0.4, "by": ["subject", "pair_id", "page_url"]}
FACES = {"faces": "real", "detector": ["blazeface", "mtcnn"], "landmarks": "dlib-68"}
GENERATORS = ("a", "b", "c")
VGG = "vgg16"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300, help="of each generator")
    parser.add_argument("--size", type=int, default=64, help="pixels")
    parser.add_argument("--real-target", type=int, default=1, help="near-infrared pictures of each person")
    parser.add_argument("--seeds", type=int, default=3, help="recognisers of each arm")
    parser.add_argument("--report", type=Path, help="where to put metrics and grids of samples")
    given = parser.parse_args()
    pictures = find_real_pictures()
    if pictures is None:
        sys.exit(MISSING)
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(pictures / "identity" / "caltech", Path(folder) / "pictures")
        experiments = {
            **generators(given.size, given.steps),
            **arms(given.size, given.real_target, given.seeds, "pixels"),
            **arms(given.size, given.real_target, given.seeds, "dlib-resnet-128"),
        }
        workspace = Workspace(Path(folder) / "workspace", sources(Path(folder) / "pictures"), experiments)
        params = workspace.params()
        workspace.set(
            domains={"vis": FACES, "nir": FACES},
            catalogue=params["catalogue"] | {"split": SPLIT},
        )
        for name, experiment in experiments.items():
            if experiment["method"] == "recogniser":
                workspace.dvc("repro", f"evaluate@{name}")
                show(name, workspace.folder)
            else:
                workspace.dvc("repro", f"train@{name}")
        if not weights_are_here():
            print(f"c        not measured: weights missing: python -m pipeline weights fetch {VGG}")
        if given.report:
            for made in ("metrics", "models"):
                shutil.copytree(workspace.folder / made, given.report / made, dirs_exist_ok=True)


def write_pictures(origin: Path, folder: Path) -> None:
    """Write each picture as it is, `_vis`, and as near infrared, `_nir`, noise drawn anew for each."""
    folder.mkdir(parents=True)
    for number, path in enumerate(sorted(origin.glob("*.jpg"))):
        shutil.copy(path, folder / f"{path.stem}_vis.jpg")
        seen = near_infrared(images.decode(path.read_bytes()), seed=number)
        (folder / f"{path.stem}_nir.png").write_bytes(images.encode(np.ascontiguousarray(seen), "png"))


def sources(folder: Path) -> dict[str, Any]:
    """Return the entry of the pictures: the two of one photograph are a pair, so they are never parted."""
    return {
        "caltech": {
            "kind": "folder",
            "path": str(folder),
            "domain": {"vis": "vis", "nir": "nir"},
            "subject": r"(p\d+)_image",
            "pair": r"(?P<pair>.+)_(?P<role>vis|nir)\.",
        }
    }


def generators(size_px: int, steps: int) -> dict[str, Any]:
    """Return document 003's generators, small; those whose weights are here."""
    common = {
        "method": "cyclegan",
        "domains": ["vis", "nir"],
        "size_px": size_px,
        "steps": steps,
        "split": "within_subjects",
        "per_subject": {"min": 3},
        **SMALL,
    }
    equalised = {**common, "preprocess": {"vis": {"equalize": "global"}}}
    found = {"generator-a": common, "generator-b": equalised}
    if weights_are_here():
        found["generator-c"] = {**equalised, "lambda_perceptual": 1, "perceptual_weights": VGG}
    return found


def weights_are_here() -> bool:
    """Say whether the perceptual loss has its network."""
    return weights.FETCHED[VGG].place().is_file()


def arms(size_px: int, real_target: int, seeds: int, embedding: str) -> dict[str, Any]:
    """Return one recogniser for each kind of further faces: none, each generator's, the true ones."""
    common = {
        "method": "recogniser",
        "domains": ["vis", "nir"],
        "size_px": size_px,
        "steps": 150,
        "learning_rate": 0.01,
        "embedding": embedding,
        "seeds": list(range(seeds)),
        "per_subject": {"min": 3},
    }
    made = {
        letter: {**common, "real_target": real_target, "generated_by": f"generator-{letter}"}
        for letter in GENERATORS
        if letter != "c" or weights_are_here()
    }
    every = {"none": {**common, "real_target": real_target}, **made, "truth": common}
    return {f"{embedding.split('-')[0]}-{name}": arm for name, arm in every.items()}


def show(name: str, folder: Path) -> None:
    """Print a line of an arm."""
    found = json.loads((folder / "metrics" / f"{name}.json").read_text())["recognition"]
    numbers = {key: found[key] for key in ("rank_1", "tar_at_far_1e-2", "tar_at_far_1e-3") if key in found}
    shown = ", ".join(
        f"{key} {each['value']:.3f} ({each['low']:.3f} to {each['high']:.3f})"
        for key, each in numbers.items()
    )
    print(
        f"{name:12} {found['train_images']:4} training faces, {found['generated_images']:4} of them generated; "
        f"{found['probes']} probes of {found['subjects']} people: {shown}",
        flush=True,
    )


if __name__ == "__main__":
    main()
