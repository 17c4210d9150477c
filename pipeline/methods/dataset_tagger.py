"""Where the tagger lies through whose backbone a method looks at faces: in the dataset that it is trained on."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.datasets.arrays import EXPERIMENT_NAME, TAGGER
from pipeline.errors import UserError


def dataset_tagger(dataset: Path | None, named: str) -> tuple[Path, str]:
    """Return the tagger's folder and its backbone's name.

    `named` is what the option `perceptual_weights` says; `UserError` where the dataset, None for a finished model,
    does not hold it.
    """
    folder = None if dataset is None else dataset / TAGGER
    if folder is None or not (folder / EXPERIMENT_NAME).exists():
        raise UserError(
            f"perceptual_weights: the dataset does not hold {named}; run the stage `dataset` again"
        )
    return folder, json.loads((folder / EXPERIMENT_NAME).read_text(encoding="utf-8"))["backbone"]
