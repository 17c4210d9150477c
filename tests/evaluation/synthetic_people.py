"""A recogniser's dataset of synthetic people: the numbers of each lie about a direction of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets.arrays import Dataset, load_dataset, write_domain, write_embeddings
from pipeline.experiments import as_dict, read_experiment

PEOPLE = tuple(f"person-{number}" for number in range(8))
SPLITS = ("train", "train", "train", "val", "test", "test", "test")
NUMBERS = 576


def write_people(
    folder: Path, noise: float = 0.05, tags: tuple[str, ...] = ("glasses", "smile"), **options: Any
) -> Path:
    """Write seven faces of each person in each domain, whose embeddings lie so far from the person's direction.

    Their pictures have each another brightness; every second face has each of the tags.
    """
    common = {"method": "recogniser", "domains": ["vis", "nir"], "size_px": 32, "steps": 60, "batch_size": 16}
    labels = {name: [name] for name in PEOPLE}
    experiment = read_experiment(
        {**common, "embedding": "pixels", "learning_rate": 0.01, "labels": labels, **options}
    )
    random = np.random.default_rng(0)
    directions = random.normal(size=(len(PEOPLE), NUMBERS))
    for domain in experiment.domains:
        rows, embeddings, images = [], [], []
        for person, name in enumerate(PEOPLE):
            for number, split in enumerate(SPLITS):
                rows.append(
                    {
                        "face_id": f"{domain}-{name}-{number}",
                        "subject": name,
                        "split": split,
                        "labels": [int(person == other) for other in range(len(PEOPLE))],
                        "tags": [tag for tag in tags if number % 2],
                    }
                )
                embeddings.append(directions[person] + noise * random.normal(size=NUMBERS) * 10)
                images.append(np.full((32, 32, 3), 20 + 10 * number + person, np.uint8))
        points = np.full((len(rows), 68, 2), np.nan)
        write_domain(folder, domain, images, len(rows), 32, points, rows)
        write_embeddings(folder, domain, np.array(embeddings))
    (folder / "experiment.json").write_text(json.dumps({"name": "people", **as_dict(experiment)}))
    return folder


def open_people(folder: Path, **options: Any) -> Dataset:
    """Write such a dataset and open it."""
    return load_dataset(write_people(folder, **options))
