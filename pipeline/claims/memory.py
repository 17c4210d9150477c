"""Document 004: a network that remembers its training faces by their colours, and what cures it.

A small set in which a few cartoons come many times, as in the document's. Asked for are the colours of such a cartoon
with the landmarks of another face: a network that uses what it is told makes a new face, one that remembers makes the
cartoon whose colours they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.claims.arms import Arm, Trained, measured
from pipeline.claims.cutting import aligned, dataset
from pipeline.claims.lab import Lab
from pipeline.claims.options import pix2pix
from pipeline.claims.rendered import Faces, render
from pipeline.claims.verdicts import Finding, compare
from pipeline.evaluation.copies import PIXELS, find_copies

_COLORS = ("skin_rgb", "hair_rgb", "left_eye_rgb", "right_eye_rgb")
# Of so many cartoons the last third is held out; of the others each eighth comes so many times.
_CARTOONS, _EACH, _TIMES = 72, 8, 12
# Long and fast enough that a plain training learns them by heart.
_BATCH, _ROUNDS, _LEARNING_RATE = 4, 4, 1e-3
_RANDOM = {
    "conditions": ["landmarks", "colors", "noise"],
    "color_jitter": 0.2,
    "condition_dropout": 0.1,
    "augment": {"enlarge": 1.25, "flip": True, "rotation_deg": 8.0, "brightness": 0.1},
}


def memorised(lab: Lab) -> list[Finding]:
    """Compare copies among outputs with those among held-out faces, and after each cure."""
    plain = {"conditions": ["landmarks", "colors"]}
    arms = {
        "with duplicates": _pix2pix(lab, _arrays(lab, _TIMES), plain),
        "without duplicates": _pix2pix(lab, _arrays(lab, 1), plain),
        "with duplicates and randomness": _pix2pix(lab, _arrays(lab, _TIMES), _RANDOM),
        "without duplicates, with randomness": _pix2pix(lab, _arrays(lab, 1), _RANDOM),
    }
    numbers = {name: measured(lab, arm, "copies", _copies) for name, arm in arms.items()}
    copies = {name: of["copies"] for name, of in numbers.items()}
    ill = copies["with duplicates"]
    honest = numbers["with duplicates"]["held out"]
    return [
        compare(
            "share of suspected copies (pixels) among outputs minus among held-out faces",
            "above 0",
            **{"outputs": ill, "held-out faces": honest},
        ),
        *(
            compare(
                f"share of suspected copies (pixels), {name} minus with duplicates",
                "below 0",
                **{name: copies[name], "with duplicates": ill},
            )
            for name in list(copies)[1:]
        ),
    ]


def _arrays(lab: Lab, times: int) -> Path:
    """Write cartoons of which some come `times` times, and what is asked for."""
    drawn = aligned(render(lab, "cartoon"), lab.effort.size_px)
    cartoons = drawn.take(list(range(min(_CARTOONS, len(drawn)))))
    first_held = 2 * len(cartoons) // 3
    training = [place for place in range(first_held) for _ in range(times if place % _EACH == 0 else 1)]
    held = list(range(first_held, len(cartoons)))
    names = [f"{cartoons.rows[place]['face_id']} {number}" for number, place in enumerate(training + held)]
    anime = cartoons.take(training + held).with_rows(
        face_id=names, split=["train"] * len(training) + ["test"] * len(held)
    )
    return dataset(
        lab, "duplicates", photo=_asked(cartoons, held, list(range(0, first_held, _EACH))), anime=anime
    )


def _asked(cartoons: Faces, held: list[int], repeated: list[int]) -> Faces:
    """Return held-out faces' landmarks with the colours of cartoons that may come many times."""
    faces = cartoons.take(held)
    theirs = [cartoons.rows[repeated[number % len(repeated)]] for number in range(len(held))]
    colors = {name: [row[name] for row in theirs] for name in _COLORS}
    splits = ["train"] + ["test"] * (len(held) - 1)
    return faces.with_rows(split=splits, **colors)


def _pix2pix(lab: Lab, arrays: Path, options: Mapping[str, Any]) -> Arm:
    size_px = lab.effort.size_px
    as_they_are = {"augment": {"enlarge": 1.0, "flip": False}}
    own = {"batch_size": _BATCH, "learning_rate": _LEARNING_RATE, **as_they_are, **options}
    return Arm(arrays, pix2pix(lab.effort, ("photo", "anime"), size_px, _ROUNDS, **own))


def _copies(trained: Trained) -> Mapping[str, float]:
    found, missing = find_copies(trained.outputs("photo", "anime"), trained.dataset.domains["anime"], {})
    if PIXELS not in found:
        raise ValueError(missing[f"copies_{PIXELS}"])
    return {"copies": found[PIXELS].share.value, "held out": found[PIXELS].held_out_share.value}
