"""Training starts from a dataset's folder alone where there is little but torch, as on a rented GPU machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.real_pictures import REPOSITORY
from tests.methods.tiny_dataset import write_dataset

# What such a machine has not. (Newer versions of typer bring pydantic; import-linter holds that training needs none.)
MISSING = (
    *(
        "dvc",
        "prefect",
        "distributed",
        "dlib",
        "cv2",
        "skimage",
        "scipy",
        "animeface",
        "requests",
        "bs4",
        "lxml",
    ),
    *("jinja2", "imagehash", "ai_edge_litert", "face_alignment", "onnxruntime", "torchmetrics"),
)
_RUN = """
import runpy, sys

missing = sys.argv.pop(1).split(",")
sys.modules.update(dict.fromkeys(missing))
runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return a folder with the code and a dataset, and nothing else."""
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    (tmp_path / "pipeline").symlink_to(REPOSITORY / "pipeline")
    return tmp_path


def _pipeline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _RUN, ",".join(MISSING), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_a_folder_is_trained_without_the_rest_of_the_pipeline(machine: Path) -> None:
    write_dataset(machine / "brought", "getgan", ema=0.9)
    for steps in ("2", "4"):
        done = _pipeline(machine, "train", "brought", "--accelerator", "cpu", "--max-steps", steps)
        assert done.returncode == 0, done.stderr
    trained = machine / "models/tiny-getgan"
    assert (trained / "weights/seed-0/fake.safetensors").exists()
    assert [path.name for path in sorted((trained / "samples/seed-0").iterdir())] == [
        "step-000002.png",
        "step-000004.png",
    ]


def test_selecting_by_kid_says_what_is_missing(machine: Path) -> None:
    write_dataset(machine / "brought", "cyclegan", select="best_val_kid")
    done = _pipeline(machine, "train", "brought", "--accelerator", "cpu")
    assert done.returncode == 2
    assert "select: best_val_kid needs the package" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_no_dataset_is_named(machine: Path) -> None:
    done = _pipeline(machine, "train", "nothing-here", "--accelerator", "cpu")
    assert done.returncode == 2
    assert "nothing-here is no dataset" in done.stderr
