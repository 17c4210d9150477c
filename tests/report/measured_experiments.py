"""A project whose experiments have all been trained and measured, without any training: all of it is made up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline import images, parts
from pipeline.datasets.arrays import ROWS
from pipeline.evaluation.tables import COPIES, TAGS, TRANSLATED
from pipeline.experiments import as_dict
from tests.methods.tiny_dataset import experiment

WAY = "photo_to_anime"
COMMAND = "python -m pipeline weights fetch inception-fid"
MISSING = {"fid_inception": f"weights missing: run {COMMAND}", "lpips_alex": "weights missing"}


def estimate(value: float, reach: float, **facts: Any) -> dict[str, Any]:
    return {"value": value, "low": value - reach, "high": value + reach, **facts}


def attribute(verdict: str, mismatch: bool) -> dict[str, Any]:
    medians = {"source": 1.0, "output": 2.0, "target": 3.0}
    distances = {"from_source": estimate(1.0, 0.5), "to_target": estimate(1.0, 0.5), "before": 2.0}
    judged = {"verdict": verdict, "keep": True, "mismatch": mismatch, "of": 25}
    return {**medians, **distances, "unit": "degrees", **judged}


def numbers(kid: float, reach: float = 0.005) -> dict[str, Any]:
    """Return what an experiment is measured to be, the better the lower its KID."""
    return {
        "outputs": 25,
        "kid_tagger": estimate(kid, reach),
        "fid_tagger": {"value": 900 * kid, "images": 25},
        "density_tagger": estimate(1 - kid, 0.1),
        "coverage_tagger": estimate(0.8 - kid, 0.1),
        "psnr_after_way_back": estimate(20 - 10 * kid, 0.5),
        "ssim_after_way_back": estimate(0.8 - kid, 0.02),
        "ms_ssim_after_way_back": estimate(0.8 - kid, 0.02),
        "one_face": estimate(0.9 - kid, 0.05, of=25),
        "landmark_consistency": estimate(0.1 + kid, 0.01, found=20, of=25),
        "pose_shift": {f"{angle}_deg": estimate(5 + 10 * kid, 1.0) for angle in ("yaw", "pitch", "roll")},
        "scale_shift": estimate(0.1, 0.05),
        "color_consistency": {
            part: estimate(12 + 20 * kid, 2.0, compared=25, of=25) for part in ("skin", "hair", "eyes")
        },
        "identity_dlib_resnet128": estimate(0.9, 0.02),
        "copies_tagger": estimate(kid, 0.02, of=25, held_out=estimate(0.01, 0.01, of=50)),
        "condition_swap": {
            f"{condition}_{unit}": estimate(3.0, 0.5)
            for condition in ("landmarks", "colors")
            for unit in ("pixels", "delta_e", "relative_pixels", "relative_delta_e")
        },
    }


def write_measured(name: str, metrics: Mapping[str, Any], missing: Mapping[str, Any] | None = None) -> None:
    """Write what `evaluate` leaves of an experiment that translates no faces."""
    parts.write_json(Path("metrics") / f"{name}.json", metrics)
    unmeasured = missing if missing is not None else dict.fromkeys(metrics, MISSING)
    parts.write_json(Path("samples") / name / "not_measured.json", unmeasured)
    attributes = {
        "yaw": attribute("kept", mismatch=False),
        "long_hair": attribute("moved towards the target", mismatch=True),
    }
    translated = {way: attributes for way, numbers in metrics.items() if "one_face" in numbers}
    parts.write_json(Path("samples") / name / "attributes.json", translated)


def write_samples(name: str, faces: int = 4, size_px: int = 32, way: str = WAY, seed: int = 0) -> None:
    """Write samples, as noisy as pictures can be, and the dataset's table of their faces."""
    random = np.random.default_rng(seed)
    rows = [
        {
            "translation": way,
            "face_id": f"photo-{face}",
            "url": f"https://pictures.example/photo-{face}.png",
            "page_url": f"https://pictures.example/page-{face}",
            "licence": "CC BY 4.0",
            "input": _png(np.random.default_rng(face), size_px),
            "output": _png(random, size_px),
            "nearest": _png(random, size_px),
            "nearest_face_id": f"anime-{face}",
            "nearest_distance": 12.0 + face,
            "landmark_error": 0.2,
        }
        for face in range(faces)
    ]
    parts.write_rows(Path("samples") / name / "translated.parquet", rows, TRANSLATED)
    for domain in ("photo", "anime"):
        table = [
            {
                "face_id": f"{domain}-{face}",
                "split": "val",
                "url": f"https://pictures.example/{domain}-{face}.png",
                "page_url": f"https://pictures.example/{domain}s/{face}",
                "licence": "CC BY-SA 3.0",
                "author": f"A. Painter {face}",
            }
            for face in range(faces)
        ]
        parts.write_rows(Path("data/datasets") / name / f"{domain}.rows.parquet", table, ROWS)


def write_copies(name: str, faces: int = 4, size_px: int = 32) -> None:
    """Write the outputs that are nearest to training images."""
    random = np.random.default_rng(9)
    rows = [
        {
            "translation": WAY,
            "rank": face,
            "output": _png(random, size_px),
            "training": _png(random, size_px),
            "face_id": f"photo-{face}",
            "training_face_id": f"anime-{face}",
            "url": f"https://pictures.example/anime-{face}.png",
            "page_url": f"https://pictures.example/animes/{face}",
            "licence": "CC0",
            "author": "B. Painter",
            "pixels_distance": 12.5,
            "pixels_closeness": 0.25 + face / 100,
            "pixels_suspected": face == 0,
            "features_distance": 0.5,
            "features_closeness": 0.75,
            "features_suspected": False,
            "features": "tagger",
        }
        for face in range(faces)
    ]
    parts.write_rows(Path("samples") / name / "copies.parquet", rows, COPIES)


def write_tags(name: str, precision: Mapping[str, float | None]) -> None:
    """Write what a tagger found of each tag, by its average precision."""
    face = {
        "face_id": "photo-0",
        "url": "https://pictures.example/photo-0.png",
        "page_url": "https://pictures.example/photos/0",
        "licence": "CC BY 4.0",
        "author": "C. Painter",
        "image": _png(np.random.default_rng(4), 32),
        "probability": 0.97,
    }
    counts = {"training_faces": 90, "test_faces": 40, "of": 50}
    decided = {"precision": 0.8, "recall": 0.7, "f1": 0.75, "threshold": 0.5}
    rows = [
        {
            "tag": tag,
            **counts,
            **decided,
            "average_precision": value,
            "low": None if value is None else value - 0.1,
            "high": None if value is None else value + 0.1,
            "is_tuned": tag != "beard",
            "imagined": face,
            "missed": face,
        }
        for tag, value in precision.items()
    ]
    parts.write_rows(Path("samples") / name / "tags.parquet", rows, TAGS)


def write_training(name: str, size_px: int = 32, faces: int = 4) -> None:
    """Write the curves and the grids of samples that a training leaves."""
    random = np.random.default_rng(3)
    curves = Path("models") / name / "curves"
    curves.mkdir(parents=True)
    for loss in ("gan", "cycle"):
        points = (f"{step}\t{random.uniform():.4f}\n" for step in range(10, 410, 10))
        (curves / f"{loss}.tsv").write_text("step\tloss\n" + "".join(points))
    grids = Path("models") / name / "samples/seed-0"
    grids.mkdir(parents=True)
    for step in (100, 200, 400):
        pixels = random.integers(0, 256, (faces * size_px, 8 * size_px, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(grids / f"step-{step:06d}.png")


def options(**changed: Any) -> dict[str, Any]:
    """Return an experiment's entry with all its options."""
    return as_dict(experiment("cyclegan", **changed))


def write_catalogue(sources: int, faces: int, size_px: int = 112) -> None:
    """Write the catalogue of sources, and the crops of their faces, as noisy as pictures can be."""
    random = np.random.default_rng(5)
    rows, rejections, funnel = [], [], {}
    for number in range(sources):
        source = f"source-{number}"
        ids = [f"{source}-face-{face}" for face in range(faces)]
        part = parts.part_name(0)
        crops = [{"face_id": face, "bytes": _png(random, size_px)} for face in ids]
        parts.write_rows(parts.folder("aligned", source) / part, crops, parts.ALIGNED)
        rows += [
            {
                "face_id": face,
                "source": source,
                "part": part,
                "domain": "photo",
                "url": "https://pictures.example/a.png",
                "kept": True,
                "box_xyxy": [0, 0, 9, 9],
            }
            for face in ids
        ]
        steps = ("discovered", "crawled", "decoded", "with_faces", "faces", "landmarked", "aligned", "kept")
        funnel[source] = {"rejected": {}, **dict.fromkeys(steps, faces)}
    parts.write_rows(Path("data/catalogue/faces.parquet"), rows, parts.FACES)
    parts.write_rows(Path("data/catalogue/rejections.parquet"), rejections, parts.REJECTIONS)
    parts.write_json(Path("data/catalogue/funnel.json"), funnel)


def _png(random: np.random.Generator, size_px: int) -> bytes:
    return images.encode(random.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8), "png")
