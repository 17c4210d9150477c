"""Document 003: generators A, B and C of near-infrared faces, and whether their images help to recognise people.

Photographs of 18 people become near-infrared by the documented transform, so that what a generator should make of a
photograph is known. The pictures of half of them are the visible side, those of the other half the near-infrared one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import images
from pipeline.claims.arms import Arm, Trained, measured, trained
from pipeline.claims.cutting import aligned, dataset
from pipeline.claims.judges import why_not
from pipeline.claims.lab import Lab
from pipeline.claims.options import cyclegan
from pipeline.claims.photographs import folder_of
from pipeline.claims.rendered import Faces
from pipeline.claims.verdicts import Expected, Finding, compare, missing
from pipeline.datasets.arrays import load_dataset, write_embeddings
from pipeline.datasets.crops import prepare, reduce
from pipeline.evaluation.recognition import evaluate_recogniser
from pipeline.evaluation.translations import translate_faces
from pipeline.experiments.common import Preprocess
from pipeline.faces import embedding
from pipeline.faces.detection import Search, find_faces
from pipeline.faces.landmarks.marking import Unmarkable, mark_real
from pipeline.faces.near_infrared import near_infrared
from pipeline.methods.recogniser import Recogniser
from pipeline.metrics.kid import kid
from pipeline.metrics.psnr import psnr_per_image
from pipeline.metrics.ssim import ssim_per_image
from pipeline.progress import counter

_SEARCH = Search("real", ("blazeface",))
_FOUND_BY = ("faces", "claims/rendered.py")
_CROP_PX = 128
# Every so many pictures of a person one is for testing; so many near-infrared ones of each train a recogniser.
_EVERY, _FEW = 4, 1
_PERCEPTUAL = "vgg16"
_MEASURES: tuple[tuple[str, str, Expected], ...] = (
    ("ssim", "SSIM to the true near-infrared image", "above 0"),
    ("psnr", "PSNR to the true near-infrared image", "above 0"),
    ("kid", f"KID ({embedding.NAME}) to held-out near-infrared images", "below 0"),
)


def generators(lab: Lab) -> list[Finding]:
    """Compare generator A (aligned faces), B (with equalised light) and C (with the perceptual loss)."""
    arms = _generators(lab)
    numbers = {name: measured(lab, arm, "to the truth", _to_truth) for name, arm in arms.items()}
    findings = []
    for worse, better in (("A", "B"), ("B", "C")):
        for key, label, expected in _MEASURES:
            measure = f"{label}, generator {better} minus {worse}"
            if better in numbers:
                sides = {name: numbers[name][key] for name in (better, worse)}
                findings.append(compare(measure, expected, **sides))
            else:
                findings.append(missing(measure, why_not(_PERCEPTUAL)))
    return findings


def recognition(lab: Lab) -> list[Finding]:
    """Compare recognisers that were and were not shown generated images."""
    arms = _generators(lab)
    findings = []
    without = measured(lab, _recogniser(lab, None), "recognition", _recognised)
    for name in ("A", "B", "C"):
        measure = (
            f"rank-1 of near-infrared test images, trained with images of generator {name} minus without"
        )
        if name not in arms:
            findings.append(missing(measure, why_not(_PERCEPTUAL)))
            continue
        shown = measured(lab, _recogniser(lab, arms[name]), "recognition", _recognised)
        findings.append(
            compare(measure, "above 0", **{f"with {name}": shown["rank_1"], "without": without["rank_1"]})
        )
    return findings


def _generators(lab: Lab) -> dict[str, Arm]:
    aligned_only, equal = (_unpaired(lab, equalize) for equalize in (False, True))
    arms = {"A": Arm(aligned_only, _cyclegan(lab)), "B": Arm(equal, _cyclegan(lab))}
    if not why_not(_PERCEPTUAL):
        arms["C"] = Arm(equal, _cyclegan(lab, lambda_perceptual=1.0, perceptual_weights=_PERCEPTUAL))
    return arms


def _cyclegan(lab: Lab, **options: Any) -> dict[str, Any]:
    return cyclegan(lab.effort, ("vis", "nir"), lab.effort.large_px, **options)


def _unpaired(lab: Lab, equalize: bool) -> Path:
    """Write people as photographs, and others' or others of their pictures in near-infrared, with the truth of each."""
    people = _people(lab)
    half = np.arange(len(people)) % 2 == 0
    visible, others = people.take(np.flatnonzero(half)), people.take(np.flatnonzero(~half))
    return dataset(
        lab,
        "near-infrared",
        vis=_visible(visible, lab.effort.large_px, equalize),
        nir=_infrared(others, lab.effort.large_px),
        truth=_infrared(visible, lab.effort.large_px),
    )


def _visible(people: Faces, size_px: int, equalize: bool) -> Faces:
    how = Preprocess(equalize="global" if equalize else "none")
    crops = np.stack([reduce(prepare(image, how), size_px) for image in people.images])
    return Faces(crops, _reduced_points(people, size_px), people.rows)


def _infrared(people: Faces, size_px: int) -> Faces:
    made = [near_infrared(np.asarray(image), seed=place) for place, image in enumerate(people.images)]
    crops = np.stack([reduce(image, size_px) for image in made])
    return Faces(crops, _reduced_points(people, size_px), people.rows)


def _reduced_points(faces: Faces, size_px: int) -> np.ndarray:
    return ((faces.points + 0.5) * (size_px / faces.images.shape[1]) - 0.5).astype(np.float32)


def _people(lab: Lab) -> Faces:
    """Return the aligned faces of the photographs of known people, in turn, with their splits."""
    folder = folder_of("identity/caltech")
    paths = sorted(folder.iterdir())[: lab.effort.photographs]
    what = {"files": [[path.name, path.stat().st_size] for path in paths]}
    place = lab.once("people", what, _FOUND_BY, lambda into: _find(into, paths))
    crops, points = (np.load(place / f"{name}.npy") for name in ("images", "points"))
    names = (place / "names.txt").read_text(encoding="utf-8").splitlines()
    seen: dict[str, int] = {}
    rows = []
    for name in names:
        subject = name.split("_")[0]
        number = seen[subject] = seen.get(subject, -1) + 1
        # Each half of the pictures, the even and the odd ones, has its own test images.
        split = "test" if number % (2 * _EVERY) >= 2 * _EVERY - 2 else "train"
        rows.append({"face_id": name, "subject": subject, "split": split, "number": number})
    order = sorted(range(len(rows)), key=lambda place: (rows[place]["subject"], rows[place]["number"]))
    told = [{key: value for key, value in rows[place].items() if key != "number"} for place in order]
    return Faces(crops[order], points[order], told)


def _find(folder: Path, paths: list[Path]) -> dict[str, int]:
    faces: dict[str, Faces] = {}
    with counter("claims: finding faces", len(paths), "picture") as progress:
        for path in paths:
            progress.update()
            if (face := _aligned_face(images.decode(path.read_bytes()))) is not None:
                faces[path.stem] = face
    np.save(folder / "images.npy", np.concatenate([face.images for face in faces.values()]))
    np.save(folder / "points.npy", np.concatenate([face.points for face in faces.values()]))
    (folder / "names.txt").write_text("\n".join(faces), encoding="utf-8")
    return {"pictures": len(paths), "faces": len(faces)}


def _aligned_face(rgb: np.ndarray) -> Faces | None:
    """Return the best face of a picture, cut out; None where none is found or can be marked."""
    faces = find_faces(rgb, _SEARCH).faces
    if not faces:
        return None
    try:
        points = mark_real(rgb, faces[0].box_xyxy, faces[0].points, "dlib-68").points_68
    except Unmarkable:
        return None
    return None if points is None else aligned(Faces(rgb[None], points[None], [{}]), _CROP_PX)


def _to_truth(one: Trained) -> Mapping[str, float]:
    visible, infrared = (one.dataset.domains[name] for name in ("vis", "nir"))
    truth = np.load(one.dataset_folder / "truth.images.npy")[visible.indices("test")]
    outputs = one.outputs("vis", "nir")
    real = np.array(infrared.images[infrared.indices("test")])
    return {
        "ssim": float(ssim_per_image(outputs, truth).mean()),
        "psnr": float(psnr_per_image(outputs, truth).mean()),
        "kid": kid(embedding.embed(outputs), embedding.embed(real)),
    }


def _recogniser(lab: Lab, generator: Arm | None) -> Callable[[int], Arm]:
    """Return the recogniser of each seed, with or without what a generator of that seed made."""
    return lambda seed: _recogniser_of(lab, generator, seed)


def _recogniser_of(lab: Lab, generator: Arm | None, seed: int) -> Arm:
    """Return a recogniser of both domains' people, with what a generator of this seed made of the visible ones."""
    source = load_dataset(trained(lab, _generators(lab)["A"], seed).place / "dataset")
    visible, infrared = source.domains["vis"], source.domains["nir"]
    vis, nir = (
        _faces(domain.images, domain.points, domain.rows.to_pylist()) for domain in (visible, infrared)
    )
    nir = nir.take(_few(nir))
    if generator is not None:
        nir = _joined(nir, _made(trained(lab, generator, seed)))
    subjects = sorted({row["subject"] for row in vis.rows} & {row["subject"] for row in nir.rows})
    vis, nir = (_labelled(faces, subjects) for faces in (vis, nir))
    arrays = dataset(lab, "recognition", vis=vis, nir=nir)
    for name, faces in (("vis", vis), ("nir", nir)):
        if not (arrays / f"{name}.embeddings.npy").exists():
            write_embeddings(arrays, name, embedding.embed(faces.images))
    options = {
        "method": "recogniser",
        "domains": ["vis", "nir"],
        "size_px": lab.effort.large_px,
        "steps": lab.effort.steps,
        "labels": {subject: [] for subject in subjects},
    }
    return Arm(arrays, options)


def _faces(pixels: np.ndarray, points: np.ndarray, rows: list[dict[str, Any]]) -> Faces:
    known = ("face_id", "subject", "split")
    return Faces(np.array(pixels), np.array(points), [{key: row[key] for key in known} for row in rows])


def _few(faces: Faces) -> list[int]:
    """Return where the test faces and the first few training faces of each person lie."""
    counted: dict[str, int] = {}
    kept = []
    for place, row in enumerate(faces.rows):
        if row["split"] == "train":
            counted[row["subject"]] = counted.get(row["subject"], 0) + 1
        if row["split"] != "train" or counted[row["subject"]] <= _FEW:
            kept.append(place)
    return kept


def _made(generator: Trained) -> Faces:
    visible = generator.dataset.domains["vis"]
    training = visible.indices("train")
    outputs = translate_faces(generator.method(), visible, training, "nir")
    rows = visible.rows.take(training).to_pylist()
    made = _faces(outputs, visible.points[training], rows)
    return made.with_rows(face_id=[f"{row['face_id']}@generated" for row in rows])


def _joined(one: Faces, other: Faces) -> Faces:
    return Faces(
        np.concatenate([one.images, other.images]),
        np.concatenate([one.points, other.points]),
        one.rows + other.rows,
    )


def _labelled(faces: Faces, subjects: list[str]) -> Faces:
    known = faces.take([place for place, row in enumerate(faces.rows) if row["subject"] in subjects])
    labels = [[int(row["subject"] == subject) for subject in subjects] for row in known.rows]
    return known.with_rows(labels=labels)


def _recognised(one: Trained) -> Mapping[str, float]:
    method = one.method_of(Recogniser)
    return {"rank_1": evaluate_recogniser(method, one.dataset, one.seed).metrics["rank_1"]["value"]}
