"""What features and FID cost, ours beside torch-fidelity and clean-fid: `python -m benchmarks.metrics [COUNT]`.

All have the same Inception v3 with the same random weights, the same pictures as PNG files of 256 px in folders, one
thread and no other processes; run it with OMP_NUM_THREADS=1, for the algebra too. COUNT pictures are read, the odd ones
compared with the even ones. The libraries take turns over several rounds, so that whatever else the machine does hits
them alike. What is counted is CPU time, of this process and its children. Then ours alone does `--alone` pictures, in
a process of its own whose peak of memory is printed; these are drawn as they are used, which is counted too.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cleanfid.fid
import cleanfid.inception_pytorch
import numpy as np
import torch
import torch_fidelity.metric_fid
import torch_fidelity.utils
from PIL import Image
from torch import nn

from pipeline.metrics.fid import fid
from pipeline.networks.features import inception
from pipeline.networks.fid_inception import SIDE_PX, FidInception
from pipeline.networks.resizing import prepare

SETS = ("outputs", "real")
OURS_OF = {"torch-fidelity": "ours, as torch-fidelity", "clean-fid": "ours, as clean-fid"}
_QUIET = {"cuda": False, "cache": False, "verbose": False, "save_cpu_ram": True}


@dataclass
class Library:
    """How a library makes features of a folder and a distance of two sets; and what it has taken so far, in seconds."""

    features: Callable[[Path], np.ndarray]
    distance: Callable[[np.ndarray, np.ndarray], float]
    made: dict[str, list[np.ndarray]] = field(default_factory=lambda: {name: [] for name in SETS})
    features_s: float = 0.0
    distance_s: float = 0.0
    value: float = float("nan")

    def sets(self) -> list[np.ndarray]:
        """Return the features of both sets."""
        return [np.concatenate(self.made[name]) for name in SETS]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("count", nargs="?", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--alone", type=int, default=10_000, help="pictures for ours alone; 0 for none")
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)  # in the process that is alone
    given = parser.parse_args()
    if given.weights:
        alone(given.alone, given.size, given.weights)
        return
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random.pth"
        write_random_weights(weights)
        if given.count:
            compare(given.count, given.rounds, given.size, Path(folder), weights)
        if given.alone:
            own = ["--alone", str(given.alone), "--size", str(given.size), "--weights", str(weights)]
            subprocess.run([sys.executable, "-m", "benchmarks.metrics", *own], check=True)


def compare(count: int, rounds: int, size_px: int, folder: Path, weights: Path) -> None:
    """Print what each library takes for the pictures, and how its FID differs from ours."""
    torch.set_num_threads(1)
    print(f"{count} pictures of {size_px} px, torch {torch.__version__}, {torch.get_num_threads()} thread")
    libraries = all_libraries(weights)
    warm = folder / "warm"
    write_picture(warm, 0, size_px)
    for library in libraries.values():
        library.features(warm)  # weights read, networks built
    for places in np.array_split(np.arange(count), rounds):
        folders = {name: folder / name / str(places[0]) for name in SETS}
        for place in places:
            write_picture(folders[SETS[place % 2]], int(place), size_px)
        for library in libraries.values():
            for name, each in folders.items():
                start = cpu_s()
                library.made[name].append(library.features(each))
                library.features_s += cpu_s() - start
        taken = ", ".join(f"{name} {library.features_s:.1f} s" for name, library in libraries.items())
        print(f"{places[-1] + 1} pictures: {taken}", flush=True)
    for name, library in libraries.items():
        start = cpu_s()
        try:
            library.value = library.distance(*library.sets())
        except ValueError as error:  # clean-fid's matrix root where there are few pictures
            print(f"{name} gives no distance: {error}")
        library.distance_s = cpu_s() - start
    show(libraries, count)


def all_libraries(weights: Path) -> dict[str, Library]:
    """Return both libraries, each followed by ours with its resizing."""
    return {
        "torch-fidelity": torch_fidelity_library(weights),
        OURS_OF["torch-fidelity"]: our_library(weights, "fidelity"),
        "clean-fid": clean_fid_library(weights),
        OURS_OF["clean-fid"]: our_library(weights, "clean"),
    }


def torch_fidelity_library(weights: Path) -> Library:
    extractor = torch_fidelity.utils.create_feature_extractor(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights), **_QUIET
    )
    # It keeps features in the order of the files' names.
    return Library(
        lambda folder: torch_fidelity.utils.extract_featuresdict_from_input_id(
            1, extractor, input1=str(folder), **_QUIET
        )["2048"].numpy(),
        torch_fidelity_distance,
    )


def torch_fidelity_distance(features: np.ndarray, others: np.ndarray) -> float:
    of = torch_fidelity.metric_fid
    statistics = [of.fid_features_to_statistics(torch.from_numpy(each)) for each in (features, others)]
    return of.fid_statistics_to_metric(*statistics, verbose=False)[of.KEY_METRIC_FID]


def clean_fid_library(weights: Path) -> Library:
    """Return clean-fid with its own network: its mode `clean` runs one in TorchScript that has to be downloaded."""
    of = cleanfid.inception_pytorch
    of.load_state_dict_from_url = lambda *_, **__: torch.load(weights, weights_only=True)
    network = of.InceptionV3([3], resize_input=False, normalize_input=False).eval()

    def features(folder: Path) -> np.ndarray:
        return cleanfid.fid.get_folder_features(
            str(folder),
            lambda images: network((images - 128) / 128)[0].flatten(1),
            num_workers=0,
            device=torch.device("cpu"),
            mode="clean",
            verbose=False,
        )

    return Library(features, cleanfid.fid.fid_from_feats)


def our_library(weights: Path, resizing: str) -> Library:
    source = inception(str(weights), resizing)
    return Library(lambda folder: source.extract(read_pictures(folder)), fid)


def show(libraries: dict[str, Library], count: int) -> None:
    """Print a row for each library, and each one beside ours with its resizing."""
    for name, library in libraries.items():
        print(
            f"{name:24} features {library.features_s:8.1f} s ({1000 * library.features_s / count:6.1f} ms each)  "
            f"distance {library.distance_s:6.1f} s  FID {library.value:.10g}"
        )
    for name, library in libraries.items():
        if name not in OURS_OF:
            continue
        ours = libraries[OURS_OF[name]]
        total, our_total = library.features_s + library.distance_s, ours.features_s + ours.distance_s
        on_theirs = ours.distance(*library.sets())
        print(
            f"{name}: features {library.features_s / ours.features_s:.2f}, "
            f"with the distance {total / our_total:.2f} times ours per CPU second; "
            f"FID differs by {relative(library.value, ours.value):.1e}, "
            f"that of its features by our algebra by {relative(on_theirs, ours.value):.1e}, "
            f"both algebras on its features by {relative(library.value, on_theirs):.1e}"
        )


def alone(count: int, size_px: int, weights: Path) -> None:
    """Print what ours takes for many pictures, and the peak of memory."""
    torch.set_num_threads(1)
    source = inception(str(weights))
    start = cpu_s()
    features = source.extract(Drawn(count, size_px))  # type: ignore[arg-type]
    made = cpu_s() - start
    value = fid(features[::2], features[1::2])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"ours alone, {count} pictures: features {made:.1f} s, distance {cpu_s() - start - made:.1f} s, "
        f"FID {value:.10g}, peak {peak:.0f} MiB"
    )


class Drawn:
    """N pictures that are drawn when they are asked for, as an array on the disk would read them."""

    def __init__(self, count: int, size_px: int) -> None:
        self.count, self.size_px = count, size_px

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, places: slice) -> np.ndarray:
        return np.stack([draw(place, self.size_px) for place in range(*places.indices(self.count))])


def draw(place: int, size_px: int) -> np.ndarray:
    """Return a picture of soft blots and fine noise; the odd ones are softer and darker."""
    rng = np.random.default_rng(place)
    cells, brightest = (6, 128) if place % 2 else (9, 255)
    blots = Image.fromarray(rng.integers(0, brightest, (cells, cells, 3), np.uint8))
    soft = np.asarray(blots.resize((size_px, size_px), Image.Resampling.BICUBIC)).astype(np.int16)
    return (soft + rng.integers(-8, 9, soft.shape, np.int16)).clip(0, 255).astype(np.uint8)


def write_picture(folder: Path, place: int, size_px: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw(place, size_px)).save(folder / f"{place:06}.png")


def read_pictures(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.iterdir())])


def write_random_weights(path: Path) -> None:
    """Write weights drawn at random, with norms of what pictures they give: features differ as trained ones do."""
    generator = torch.Generator().manual_seed(0)
    network = FidInception()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the norms' statistics are plain means
    nn.init.normal_(network.fc.weight, std=0.05, generator=generator)
    nn.init.zeros_(network.fc.bias)
    pictures = torch.from_numpy(np.stack([draw(place, SIDE_PX) for place in range(8)]))
    with torch.no_grad():
        network.train()(prepare(pictures, SIDE_PX, "fidelity"))
    torch.save(network.state_dict(), path)


def cpu_s() -> float:
    """Return the CPU time that this process and its finished children have taken, in seconds."""
    return sum(os.times()[:4])


def relative(value: float, other: float) -> float:
    return abs(value - other) / abs(other)


if __name__ == "__main__":
    main()
