"""Near-duplicates: the search among a million hashes, and how far apart copies, photographs and people are.

`python -m benchmarks.duplicates`
"""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import norm

from benchmarks.real_pictures import MISSING, REPOSITORY, find_real_pictures
from benchmarks.whole_way import Way, shipped_way
from pipeline.datasets.duplicates import cluster
from pipeline.params import load_params

HASHES, PLANTED, BLANK = 1_000_000, 20_000, 5_000
DISTANCES = (0, 2, 4, 6, 8, 10, 12)
_BITS = np.arange(64, dtype=np.uint64)
_ONE = np.uint64(1)


def main() -> None:
    threshold = load_params(REPOSITORY / "params.yaml").catalogue.duplicates.max_distance
    rng = np.random.default_rng(0)
    print(f"== {HASHES} hashes with {PLANTED} planted copies and {BLANK} blank frames")
    evenly = rng.integers(0, 2**64, HASHES, dtype=np.uint64)
    for distance in sorted({threshold, 6}):
        print_search("evenly spread", evenly, distance, rng)
    pictures = find_real_pictures()
    if pictures is None:
        print(MISSING)
        return
    way = shipped_way(load_params(REPOSITORY / "params.yaml"), "photo")
    people = hashes_of(way, paths_of(pictures, "identity/caltech", 1) + paths_of(pictures, "identity/att", 2))
    strangers = hashes_of(way, paths_of(pictures, "train/photo", 1), kept=True)
    faces = look_alikes(np.array(list(strangers.values()), np.uint64), HASHES, rng)
    for distance in sorted({threshold, 6}):
        print_search("spread as real faces are", faces, distance, rng)
    print(
        f"\n== Distances of aligned faces in bits of 64; the catalogue takes up to {threshold} for duplicates"
    )
    print(f"{'':44}{'pairs':>8}" + "".join(f"{f'<= {distance}':>8}" for distance in DISTANCES))
    sample = paths_of(pictures, "identity/caltech", 6) + paths_of(pictures, "train/photo", 30)
    for name, distances in copies(way, sample).items():
        print_distances(f"a copy, {name}", distances)
    same, other = by_person(people)
    print_distances("one person, another photograph", same)
    print_distances("another person, same series", other)
    print_distances(
        "other people (UTKFace, FairFace, …)", between(np.array(list(strangers.values()), np.uint64))
    )


def print_search(name: str, codes: np.ndarray, distance: int, rng: np.random.Generator) -> None:
    """Plant copies and blank frames among the codes, cluster, and print what it cost and what was found."""
    originals = rng.choice(len(codes) - BLANK - PLANTED, PLANTED, replace=False)
    planted = codes.copy()
    planted[-PLANTED:] = [
        flipped(planted[index], int(rng.integers(0, distance + 1)), rng) for index in originals
    ]
    blank = slice(-PLANTED - BLANK, -PLANTED)
    planted[blank] = [flipped(np.uint64(0), int(rng.integers(0, 3)), rng) for _ in range(BLANK)]
    hashes = [f"{code:016x}" for code in planted.tolist()]
    before, started = peak_mib(), time.perf_counter()
    found = cluster(hashes, distance)
    took, sizes = time.perf_counter() - started, np.bincount(found.numbers)
    recall = (found.numbers[originals] == found.numbers[-PLANTED:]).mean()
    exact = planted[originals] == planted[-PLANTED:]
    assert (found.numbers[originals] == found.numbers[-PLANTED:])[exact].all()
    print(
        f"{name}, up to {distance} bits: {took:.1f} s, peak {peak_mib():.0f} MiB ({before:.0f} before); "
        f"planted copies found {recall:.2%}, blank frames in {len(set(found.numbers[blank].tolist()))} clusters; "
        f"largest cluster {sizes.max()}, crowded {found.crowded}, cut {found.cut}, "
        f"in clusters of several {sizes[sizes > 1].sum() / len(hashes):.1%}"
    )


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def flipped(code: np.uint64, bits: int, rng: np.random.Generator) -> np.uint64:
    return code ^ np.bitwise_or.reduce(_ONE << rng.choice(_BITS, bits, replace=False), initial=np.uint64(0))


def look_alikes(codes: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return hashes whose bits are set as often, and together as often, as those of real faces: a Gaussian copula."""
    bits = ((codes[:, None] >> _BITS) & _ONE).astype(float)
    often = bits.mean(axis=0).clip(0.002, 0.998)
    together = np.corrcoef((bits + 1e-6 * rng.normal(size=bits.shape)).T)
    values, vectors = np.linalg.eigh(np.sin(np.pi / 2 * together))
    spread = vectors * np.sqrt(values.clip(1e-3))
    spread /= np.linalg.norm(spread, axis=1, keepdims=True)
    made = [
        ((rng.normal(size=(len(block), 64)) @ spread.T < norm.ppf(often)).astype(np.uint64) << _BITS).sum(
            axis=1, dtype=np.uint64
        )
        for block in np.array_split(np.arange(count), max(count // 100_000, 1))
    ]
    return np.concatenate(made)


def paths_of(pictures: Path, folder: str, every: int) -> list[Path]:
    return sorted((pictures / folder).iterdir())[::every]


def hashes_of(way: Way, paths: Iterable[Path], kept: bool = False) -> dict[str, int]:
    """Return the hash of each picture's largest face by the picture's name; of those that fill their crop alone."""
    found = {path.name: face_hash(way, png(Image.open(path)), kept) for path in paths}
    return {name: code for name, code in found.items() if code is not None}


def face_hash(way: Way, data: bytes, kept: bool = False) -> int | None:
    """Return the hash of the picture's largest aligned face; `kept`: of none that reaches out of the picture."""
    rows = [row for row in way.faces(data) if row.get("phash")]
    rows = [row for row in rows if not kept or row["reason"] in (None, "blurred")]
    return int(max(rows, key=lambda row: row["eye_distance_px"])["phash"], 16) if rows else None


def png(picture: Image.Image) -> bytes:
    return _encoded(picture.convert("RGB"), "PNG")


def jpeg(quality: int) -> Callable[[Image.Image], bytes]:
    return lambda picture: _encoded(picture, "JPEG", quality=quality)


def _encoded(picture: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _half(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)


def _cropped(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.crop((int(0.02 * width), int(0.01 * height), int(0.98 * width), int(0.97 * height)))


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG quality 90": jpeg(90),
    "JPEG quality 30": jpeg(30),
    "half the size": lambda picture: jpeg(85)(_half(picture)),
    "15% brighter": lambda picture: jpeg(85)(picture.point(lambda value: min(255, round(1.15 * value)))),
    "4% cropped": lambda picture: jpeg(85)(_cropped(picture)),
    "4% cropped, half the size, quality 50": lambda picture: jpeg(50)(_half(_cropped(picture))),
}


def copies(way: Way, paths: Iterable[Path]) -> dict[str, np.ndarray]:
    """Return the distances between pictures' faces and those of their copies."""
    distances: dict[str, list[int]] = {name: [] for name in COPIES}
    for path in paths:
        picture = Image.open(path).convert("RGB")
        original = face_hash(way, png(picture), kept=True)
        for name, copied in COPIES.items():
            copy = None if original is None else face_hash(way, copied(picture))
            if original is not None and copy is not None:
                distances[name].append((original ^ copy).bit_count())
    return {name: np.array(found) for name, found in distances.items()}


def by_person(hashes: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances between faces of one person, and of two of one series; names begin with the person's."""
    names = np.array([name.split("_")[0] for name in hashes])
    codes = np.array(list(hashes.values()), np.uint64)
    first, second = np.triu_indices(len(codes), 1)
    distances = np.bitwise_count(codes[first] ^ codes[second])
    same = names[first] == names[second]
    series = names.astype("<U1")[first] == names.astype("<U1")[second]
    return distances[same], distances[~same & series]


def between(codes: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(len(codes), 1)
    return np.bitwise_count(codes[first] ^ codes[second])


def print_distances(name: str, distances: np.ndarray) -> None:
    shares = "".join(f"{_share(distances, most):>8}" for most in DISTANCES)
    print(f"{name:44}{len(distances):>8}{shares}")


def _share(distances: np.ndarray, most: int) -> str:
    share = (distances <= most).mean()
    return f"{share:.1%}" if share > 0.005 or share == 0 else f"{share:.0e}"


if __name__ == "__main__":
    main()
