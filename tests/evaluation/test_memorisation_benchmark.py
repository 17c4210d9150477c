"""Document 004's second experiment, small: a network that learnt its faces by heart is caught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import memorisation as benchmark
from benchmarks.memorisation import find_pictures, measure, without_duplicates, write_dataset
from pipeline.evaluation.copies import PIXELS, find_copies, held_out


def test_a_split_by_picture_leaks_duplicates_and_the_datasets_own_does_not(tmp_path: Path) -> None:
    pictures = find_pictures(14, 32, found_twice=0.4)
    assert len(pictures) > 14
    assert len(without_duplicates(pictures)) == 14
    shares = []
    for name, taken in (("found", pictures), ("clean", without_duplicates(pictures))):
        domain = write_dataset(tmp_path / name, taken, {**benchmark.TOLD, "steps": 1}).domains["anime"]
        # Whoever gives back the test faces gives back training faces where duplicates leak.
        found, _ = find_copies(np.array(domain.images[held_out(domain)]), domain, {})
        shares.append(found[PIXELS].share.value)
    assert shares[0] > shares[1] == 0


@pytest.mark.long
def test_what_was_learnt_by_heart_is_caught(tmp_path: Path) -> None:
    pictures = find_pictures(12, 32, found_twice=0.5)
    early, late = (
        measure(tmp_path / str(steps), "without duplicates", pictures, steps, 0).training[PIXELS]
        for steps in (5, 1200)
    )
    assert early.share.value == 0
    assert late.share.value > 0.5
    assert np.median(late.outputs.closeness) < 0.5 * np.median(early.outputs.closeness)
