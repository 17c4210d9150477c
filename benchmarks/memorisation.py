"""Document 004's second experiment: a small set with duplicates is learnt by heart, and the checks see it.

`python -m benchmarks.memorisation`

pix2pix learns cartoon faces of the demo from their landmarks and colours. Some of the pictures were found twice: the
same again, or at half the size, lighter and compressed anew. Split by picture, as the document split them, a face that
is tested was often trained on too; split as the dataset stage does it, without near-duplicates, none was. Randomness is
the document's third experiment: noise, colours that vary at each access, and here conditions withheld and dropout kept.

All rows are trained alike in the same run, and each is measured on its test faces and on its training faces: the share
of suspected copies among outputs by pixels and by a face embedding, the same of the held-out real faces, and how much
of an output follows landmarks or colours that are exchanged (0: ignored, 1: these alone decide).
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.real_pictures import REPOSITORY
from pipeline import images
from pipeline.datasets.arrays import Dataset, DomainArrays, load_dataset, write_domain
from pipeline.datasets.duplicates import cluster
from pipeline.evaluation.condition_swap import condition_swap
from pipeline.evaluation.copies import Sets, find_copies, held_out
from pipeline.evaluation.translations import translate_faces
from pipeline.experiments import as_dict, read_experiment
from pipeline.faces import alignment, embedding
from pipeline.faces.warping import warp
from pipeline.metrics.intervals import Estimate
from pipeline.metrics.memorisation import Memorisation
from pipeline.params import Align, load_params
from pipeline.sources.demo import cartoons
from pipeline.training.checkpoints import load_translator
from pipeline.training.loop import train

DOMAIN, SOURCE = "anime", "photo"
BATCH = 8
TOLD = {"conditions": ["landmarks", "colors"]}
RANDOM = {
    "conditions": ["landmarks", "colors", "noise"],
    "color_jitter": 0.1,
    "condition_dropout": 0.2,
    "test_dropout": True,
}
# What is done about the duplicates, and what the experiment adds.
ROWS: dict[str, tuple[bool, dict[str, Any]]] = {
    "duplicates in both splits": (False, TOLD),
    "without duplicates": (True, TOLD),
    "without duplicates, with randomness": (True, RANDOM),
    "duplicates in both splits, with randomness": (False, RANDOM),
}
# Of the pictures, how many are found twice, and how many pictures are held out.
FOUND_TWICE, HELD_OUT = 0.5, 0.4


@dataclass(frozen=True)
class Found:
    """One picture as it was found: the aligned face, its landmarks in pixels of that, colours, hash and embedding."""

    image: np.ndarray
    points: np.ndarray
    colors: dict[str, tuple[int, int, int]]
    phash: str
    embedding: np.ndarray


@dataclass(frozen=True)
class Row:
    """What was measured of one model."""

    test: dict[str, Memorisation]
    training: dict[str, Memorisation]
    response: dict[str, Estimate]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=32, choices=(32, 64))
    parser.add_argument("--characters", type=int, default=32)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    given = parser.parse_args()
    pictures = find_pictures(given.characters, given.size)
    found = f"{given.characters} characters, {len(pictures)} pictures"
    print(f"{found}, {given.size} px, {given.steps} steps of {BATCH} faces", flush=True)
    for seed in given.seeds:
        for name in ROWS:
            started = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                row = measure(Path(folder), name, pictures, given.steps, seed)
            print(
                f"\nseed {seed}, {name} ({time.perf_counter() - started:.0f} s)\n" + "\n".join(describe(row)),
                flush=True,
            )


def find_pictures(characters: int, size_px: int, found_twice: float = FOUND_TWICE) -> list[Found]:
    """Return the faces of so many characters, each drawn once, and a second find of some of them."""
    align = load_params(REPOSITORY / "params.yaml").align
    random, found = np.random.default_rng(0), []
    for index in _drawable(characters):
        picture = cartoons.draw(7, index)
        face = picture.faces[0]
        colors = {
            f"{part}_rgb": getattr(face, f"{part}_rgb") for part in ("skin", "hair", "left_eye", "right_eye")
        }
        finds = [(picture.pixels, face.landmarks_68)]
        if random.random() < found_twice:
            finds.append(_found_again(*finds[0], exact=bool(random.random() < 0.5)))
        found += [_aligned(pixels, points, colors, align, size_px) for pixels, points in finds]
    return found


def _drawable(characters: int) -> Iterator[int]:
    plain = (
        index
        for index in range(10 * characters)
        if cartoons.face_count(index) == 1 and not cartoons.is_hidden(index)
    )
    return (next(plain) for _ in range(characters))


def _found_again(pixels: np.ndarray, points: np.ndarray, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    if exact:
        return pixels, points
    half = Image.fromarray(pixels).resize((len(pixels) // 2, len(pixels) // 2), Image.Resampling.LANCZOS)
    lighter, buffer = half.point(lambda value: min(255, round(1.06 * value))), io.BytesIO()
    lighter.save(buffer, "JPEG", quality=60)
    return np.array(Image.open(buffer)), (points + 0.5) / 2 - 0.5


def _aligned(
    pixels: np.ndarray, points: np.ndarray, colors: dict[str, Any], align: Align, size_px: int
) -> Found:
    eyes = np.array([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    whole = alignment.eye_similarity(eyes, align.size_px, align.eye_y, align.eye_distance)
    crop = warp(pixels, whole, align.size_px)
    own = alignment.eye_similarity(eyes, size_px, align.eye_y, align.eye_distance)
    phash = images.perceptual_hash(Image.fromarray(crop))
    face = warp(pixels, own, size_px)
    return Found(face, alignment.transform(points, own), colors, phash, embedding.embed(face[None])[0])


def measure(folder: Path, name: str, pictures: Sequence[Found], steps: int, seed: int) -> Row:
    """Train one row and measure what it makes of its test faces and of its training faces."""
    is_clean, options = ROWS[name]
    taken = without_duplicates(pictures) if is_clean else pictures
    dataset = write_dataset(folder / "dataset", taken, {**options, "steps": steps, "seeds": [seed]})
    train(folder / "dataset", folder / "checkpoints", folder / "out", accelerator="cpu")
    method = load_translator(folder / "out" / "weights" / f"seed-{seed}", read_experiment(dataset.experiment))
    domain = dataset.domains[DOMAIN]
    test, training = held_out(domain), domain.indices("train")
    outputs = translate_faces(method, domain, test, DOMAIN)
    known = np.array([picture.embedding for picture in taken])
    features = {embedding.NAME: Sets(embedding.embed(outputs), known[training], known[test])}
    response, _ = condition_swap(method, domain, test, DOMAIN, seed)
    return Row(
        _copies(outputs, domain, features),
        _copies(translate_faces(method, domain, training, DOMAIN), domain, {}),
        response["condition_swap"],
    )


def without_duplicates(pictures: Sequence[Found]) -> list[Found]:
    """Return the first of each cluster of near-duplicates, as the catalogue clusters them."""
    distance = load_params(REPOSITORY / "params.yaml").catalogue.duplicates.max_distance
    numbers = cluster([picture.phash for picture in pictures], distance).numbers
    _, first = np.unique(numbers, return_index=True)
    return [pictures[place] for place in np.sort(first)]


def write_dataset(folder: Path, pictures: Sequence[Found], options: dict[str, Any]) -> Dataset:
    """Write the pictures as the target domain, split by picture; the source's are never used."""
    size_px = len(pictures[0].image)
    experiment = read_experiment(
        {
            "method": "pix2pix",
            "domains": [SOURCE, DOMAIN],
            "size_px": size_px,
            "batch_size": BATCH,
            "augment": {"enlarge": 1.0, "flip": False},
            "learning_rate": 1e-3,
            "generator": {"width": 16},
            "discriminator": {"width": 8, "layers": 2},
            **options,
        }
    )
    count = round(HELD_OUT * len(pictures))
    is_test = np.random.default_rng(0).permutation(len(pictures)) < count
    points = np.array([picture.points for picture in pictures])
    rows = [
        {"face_id": f"{place:03}", "split": "test" if tested else "train", **picture.colors}
        for place, (picture, tested) in enumerate(zip(pictures, is_test, strict=True))
    ]
    for domain in (SOURCE, DOMAIN):
        write_domain(
            folder,
            domain,
            (picture.image for picture in pictures),
            len(pictures),
            size_px,
            points,
            rows,
        )
    (folder / "experiment.json").write_text(json.dumps({"name": "memorisation", **as_dict(experiment)}))
    return load_dataset(folder)


def _copies(outputs: np.ndarray, domain: DomainArrays, features: dict[str, Sets]) -> dict[str, Memorisation]:
    found, missing = find_copies(outputs, domain, features)
    for name, reason in missing.items():
        print(f"{name}: not measured: {reason}")
    return found


def describe(row: Row) -> Iterator[str]:
    """Yield lines of figures."""
    for what, found in (("test", row.test), ("training", row.training)):
        for name, judged in found.items():
            yield (
                f"  {what:8} {name:15} copies {_share(judged.share)}; held-out real faces "
                f"{_share(judged.held_out_share)}; median closeness {np.median(judged.outputs.closeness):.2f} "
                f"against {np.median(judged.held_out.closeness):.2f}, threshold {judged.threshold:.2f}"
            )
    yield "  follows  " + "; ".join(
        f"{name.replace('_relative_', ', ')} {each.value:.2f} [{each.low:.2f}, {each.high:.2f}]"
        for name, each in row.response.items()
        if "relative" in name
    )


def _share(share: Estimate) -> str:
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


if __name__ == "__main__":
    main()
