"""The full rerun and a training as plain Python, against a temporary Prefect server of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flows.repro import wanted
from tests.flows.by_hand import Ran, run

STAGES = """
stages:
  crawl:
    foreach: [sound, broken]
    do:
      cmd: test ${item} = sound && echo 1 > ${item}
      outs: ["${item}"]
  detect:
    foreach: [sound, broken]
    do:
      cmd: cp ${item} ${item}-faces
      deps: ["${item}"]
      outs: ["${item}-faces"]
  train:
    foreach: [small]
    do:
      cmd: python train.py && echo weights > weights
      deps: [sound-faces]
      outs: [weights]
"""
TRAINING = """
import json, time
from pathlib import Path
from PIL import Image

grid, status = Path("models/small/samples/seed-0/step-000005.png"), Path("logs/train/small.json")
for path in (grid, status):
    path.parent.mkdir(parents=True, exist_ok=True)
Image.new("RGB", (64, 64), "red").save(grid)
for step in range(1, 13):
    said = {"seed": 0, "step": step, "steps": 12, "images_per_s": 8.5, "losses": {"generator": 1 / step}}
    status.write_text(json.dumps(said))
    time.sleep(1)
"""
REPRO = """
from flows import stages
from flows.repro import repro
from flows.stages import StagesFailed
stages.reproduce.retries = 0
try:
    repro()
except StagesFailed as failed:
    print("FAILED", failed)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("project")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True, cwd=folder)
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "train.py").write_text(TRAINING)
    return run(folder, REPRO)


def test_a_stage_that_fails_keeps_back_those_that_need_it_and_no_others(ran: Ran) -> None:
    assert ran.tasks == {
        "crawl@sound": "Completed",
        "detect@sound": "Completed",
        "crawl@broken": "Failed",
        "train@small": "Completed",
    }
    assert "FAILED crawl@broken: dvc repro --single-item crawl@broken ended with 255" in ran.printed
    assert "detect@broken: needs crawl@broken" in ran.printed
    assert (ran.folder / "sound-faces").read_text() == "1\n"
    assert (ran.folder / "weights").read_text() == "weights\n"


def test_a_red_run_leaves_words_about_what_failed(ran: Ran) -> None:
    assert "crawl@broken" in ran.artifacts["repro"]
    assert "finished work is not repeated" in ran.artifacts["repro"]


def test_a_training_shows_how_far_it_is_and_its_latest_grid(ran: Ran) -> None:
    assert ran.artifacts["progress-small"] == 100
    assert "step | 12 of 12 (seed 0)" in ran.artifacts["training-small"]
    assert "loss generator" in ran.artifacts["training-small"]
    assert ran.artifacts["grid-small"].startswith("data:image/webp;base64,")


def test_what_prefect_keeps_lies_in_the_checkout(ran: Ran) -> None:
    assert (ran.folder / ".prefect" / "prefect.db").exists()


def test_targets_bring_what_they_depend_on() -> None:
    graph = {"crawl@a": [], "crawl@b": [], "detect@a": ["crawl@a"], "catalogue": ["detect@a", "crawl@b"]}
    assert wanted(graph, ["detect@a"]) == ["crawl@a", "detect@a"]
    assert wanted(graph, ["catalogue"]) == list(graph)
    assert wanted(graph, None) == list(graph)


def test_a_target_that_is_no_stage_is_named() -> None:
    with pytest.raises(ValueError, match=r"no such stages: detect; `dvc stage list`"):
        wanted({"detect@a": []}, ["detect"])
