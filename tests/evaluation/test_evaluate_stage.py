"""The stage `evaluate`, from a dataset and the weights of two seeds to numbers and samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import safetensors.torch
import torch
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline import parts
from pipeline.datasets.arrays import PAIRS, load_dataset, write_pairs
from pipeline.errors import UserError
from pipeline.experiments import read_experiment
from pipeline.methods import build_method
from pipeline.stages import evaluate
from tests.methods.tiny_dataset import write_dataset

NAME = "tiny"
SPLITS = ["train"] * 4 + ["val"] + ["test"] * 3


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder whose two domains are whole pictures, so that nothing is looked for in them."""
    whole = {"faces": "whole", "detector": "none", "landmarks": "none"}
    values: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    values |= {"sources": {}, "schedules": {}, "experiments": {}, "domains": {"photo": whole, "anime": whole}}
    values["metrics"] = {"tagger": "none"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_trained(seeds: list[int], trained: list[int], **options: Any) -> None:
    """Write a dataset whose last three faces are for tests, and weights for those seeds that are trained."""
    folder = write_dataset(Path("data/datasets") / NAME, "cyclegan", seeds=seeds, **options)
    for domain in ("photo", "anime"):
        path = folder / f"{domain}.rows.parquet"
        rows = parts.read_table(path)
        place = rows.schema.get_field_index("split")
        parts.write_table(path, rows.set_column(place, "split", [SPLITS]))
    if options.get("pairing"):
        pairs = [{"source": face, "target": face, "split": split} for face, split in enumerate(SPLITS)]
        write_pairs(folder, pa.Table.from_pylist(pairs, PAIRS))
    experiment = read_experiment(load_dataset(folder).experiment)
    for seed in trained:
        method = build_method(experiment, torch.Generator().manual_seed(seed))
        weights = Path("models") / NAME / "weights" / f"seed-{seed}"
        weights.mkdir(parents=True)
        for name in method.shipped:
            network = method.networks[name].state_dict()
            safetensors.torch.save_file(network, weights / f"{name}.safetensors")


def test_one_seed_gives_numbers_and_samples(workspace: Path) -> None:
    write_trained([3], [3])
    evaluate.run(NAME)
    metrics = json.loads((workspace / "metrics/tiny.json").read_text())
    assert list(metrics) == ["photo_to_anime", "anime_to_photo"]
    assert "seeds" not in metrics["photo_to_anime"]
    rows = parts.read_rows(workspace / "samples/tiny/translated.parquet")
    assert [row["face_id"] for row in rows[:3]] == ["photo-5", "photo-6", "photo-7"]
    missing = json.loads((workspace / "samples/tiny/not_measured.json").read_text())
    assert "landmark_consistency" in missing["photo_to_anime"]
    assert {row["truth_face_id"] for row in rows} == {None}
    assert "how the faces should change" in missing["photo_to_anime"]["relative_change, profile_distance"]


def test_pairs_tell_how_the_faces_should_have_changed(workspace: Path) -> None:
    write_trained([0], [0], pairing="pair_id")
    evaluate.run(NAME)
    numbers = json.loads((workspace / "metrics/tiny.json").read_text())["photo_to_anime"]
    assert numbers["relative_change"]["value"] > 0
    assert "pixels_of_truth" in numbers["by_region"]["rest"]
    rows = parts.read_rows(workspace / "samples/tiny/translated.parquet")
    assert [row["truth_face_id"] for row in rows[:3]] == ["anime-5", "anime-6", "anime-7"]
    maps = parts.read_rows(workspace / "samples/tiny/changes.parquet")
    assert [(row["translation"], row["of"], row["faces"]) for row in maps[:2]] == [
        ("photo_to_anime", "outputs", 3),
        ("photo_to_anime", "truth", 3),
    ]


def test_several_seeds_add_how_much_the_numbers_vary(workspace: Path) -> None:
    write_trained([0, 1], [0, 1])
    evaluate.run(NAME)
    metrics = json.loads((workspace / "metrics/tiny.json").read_text())
    for numbers in metrics.values():
        over = numbers["seeds"]["psnr_after_way_back"]
        assert over["n"] == 2
        assert over["low"] < over["mean"] < over["high"]
        # The mean of two lies half-way from the first seed's value to the second's.
        first = numbers["psnr_after_way_back"]["value"]
        other = 2 * over["mean"] - first
        assert other != pytest.approx(first, abs=0.002)
        half = 12.706205 * abs(other - over["mean"])
        assert over["high"] - over["mean"] == pytest.approx(half, rel=1e-3)


def test_the_same_weights_give_the_same_bytes(workspace: Path) -> None:
    write_trained([0], [0])
    made = []
    for _ in range(2):
        evaluate.run(NAME)
        made.append([path.read_bytes() for path in sorted(workspace.glob("[ms]*s/**/*.[jp]*"))])
    assert len(made[0]) >= 3
    assert made[0] == made[1]


def test_a_seed_that_was_not_trained_is_a_clear_error(workspace: Path) -> None:
    write_trained([0, 1], [0])
    with pytest.raises(UserError, match=r"seed-1.*run the stage `train` first"):
        evaluate.run(NAME)
