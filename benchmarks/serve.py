"""How long a visitor of the preview application waits: `python -m benchmarks.serve [FOLDER]`.

The model is CycleGAN's published generator for 256 px (ResNet-9, 64 channels) with random weights, as a trained
experiment in a temporary project, or in FOLDER. First one picture in this process, everything warm: finding the face
(`look`), the bare network on the tensor that it is given, and both as the application does them; the three take turns,
and ratios are medians over the rounds. Then 1, 4 and 16 users at once through the running application: each uploads a
picture of its own and must get back the answer for it.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import requests
import torch
from PIL import Image

from benchmarks.real_pictures import MISSING, REPOSITORY, find_real_pictures
from benchmarks.served import Application, Visitor, served
from pipeline.experiments import as_dict, read_experiment
from pipeline.methods import build_method
from pipeline.params import load_params
from pipeline.serve.looking import Face, look, ways_of
from pipeline.serve.one_face import arrays_of
from pipeline.serve.zoo import WEIGHTS, Zoo
from pipeline.sources.demo.portraits import draw
from pipeline.takedowns import Takedowns
from pipeline.training.checkpoints import load_translator, save_weights
from pipeline.training.reproducible import reproducible

NAME = "published-cyclegan"
EXPERIMENT = {"method": "cyclegan", "domains": ["photo", "anime"], "size_px": 256, "steps": 1}
OF, TO = "photo", "anime"
CPU = torch.device("cpu")
Known = tuple[bytes, np.ndarray]  # a picture, and what the model makes of it
ROUNDS = 9
LIMIT = 1.3
ROUNDING = 2  # of 255
# How many users there are at once, and how many pictures each gives.
USERS = {1: 8, 4: 3, 16: 2}
STEPS = ("look", "bare", "whole")
RENDERED = "rendered portrait"
REAL = "real/celebahq_female_058150.jpg"


@dataclass(frozen=True)
class Round:
    """Seconds that finding the face, the bare network and the whole way took, one after the other."""

    look: float
    bare: float
    whole: float


def main() -> None:
    if sys.argv[1:]:
        measure(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder))


def measure(folder: Path) -> None:
    """Write the project and print every figure."""
    write_project(folder)
    pictures = {RENDERED: rendered(0)}
    if real := find_real_pictures():
        pictures["photograph"] = (real / REAL).read_bytes()
    else:
        print(MISSING)
    print(f"one picture, warm, CPU, torch {torch.__version__}, load {load()}, medians of {ROUNDS} rounds")
    parts_s = {}
    for name, data in pictures.items():
        with reproducible(CPU):
            measured = rounds(folder, data)
        show(name, data, measured)
        parts_s[name] = statistics.median(each.look + each.bare for each in measured)
    known = list(itertools.islice(answered_portraits(folder), max(USERS)))
    print(f"users at once, each with a rendered portrait of 640 px through the application; load {load()}")
    print(
        f"{'users':>7}{'images':>8}{'p50 s':>8}{'p95 s':>8}{'images/s':>10}{'of one':>8}{'errors':>8}{'wrong':>7}"
    )
    with served(folder) as application:
        visit(application, known[0][0])  # the model is read, the detector, too
        one = 0.0
        for users, count in USERS.items():
            each = crowd(application, known[:users], count)
            one = one or each.median_s
            each.show(users, one)
    waited = one / parts_s[RENDERED]
    print(f"    one user's wait / (look + bare network) {waited:.3f}, {verdict(waited)}")


@dataclass(frozen=True)
class Crowd:
    """How long each answer took (s), the whole crowd's time (s), failed requests and answers for other pictures."""

    seconds: list[float]
    whole_s: float
    errors: int
    wrong: int

    @property
    def median_s(self) -> float:
        """How long the answers took; infinite where there are none."""
        return statistics.median(self.seconds) if self.seconds else float("inf")

    def show(self, users: int, one_s: float) -> None:
        """Print a row; `one_s` is the median of one user alone."""
        late = float(np.quantile(self.seconds, 0.95)) if self.seconds else float("inf")
        print(
            f"{users:7}{len(self.seconds):8}{self.median_s:8.2f}{late:8.2f}{len(self.seconds) / self.whole_s:10.2f}"
            f"{self.median_s / one_s:8.2f}{self.errors:8}{self.wrong:7}"
        )


def crowd(application: Application, known: Sequence[Known], count: int) -> Crowd:
    """Let as many users as there are pictures give one each, `count` times one after the other."""
    started = time.perf_counter()
    with ThreadPoolExecutor(len(known)) as threads:
        done = list(threads.map(lambda each: one_user(application, each[0], count), known))
    whole_s = time.perf_counter() - started
    seconds = [each[1] for user in done for each in user if each is not None]
    wrong = sum(
        each is not None and not is_same(each[0], expected)
        for (_, expected), user in zip(known, done, strict=True)
        for each in user
    )
    return Crowd(seconds, whole_s, sum(each is None for user in done for each in user), wrong)


def one_user(application: Application, data: bytes, count: int) -> list[tuple[bytes, float] | None]:
    """Return a user's answers with the seconds each took, None for one that failed."""
    return [visit(application, data) for _ in range(count)]


def visit(application: Application, data: bytes) -> tuple[bytes, float] | None:
    """Return what a visitor gets, and how long the answer took; None where it failed, which is printed."""
    try:
        answers, seconds = Visitor(application.address).translations(data)
    except (requests.RequestException, RuntimeError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return None
    png = answers.get(NAME)
    return None if png is None else (png, seconds)


def is_same(png: bytes, expected: np.ndarray) -> bool:
    """Say whether a PNG shows an image; another number of threads may round another way."""
    got = np.asarray(Image.open(io.BytesIO(png)))
    return got.shape == expected.shape and int(np.abs(got.astype(int) - expected).max()) <= ROUNDING


def answered_portraits(folder: Path) -> Iterator[Known]:
    """Yield rendered portraits with what the model makes of each, without the application."""
    zoo, ways = Zoo(folder / "models", CPU), ways_of(load_params(folder / "params.yaml"), OF)
    for index in itertools.count():
        data = rendered(index)
        faces = look(data, ways, Takedowns()).faces
        if len(faces) == 1 and faces[0].reason is None:
            answer = zoo.translate(NAME, faces[0], OF, TO)
            assert answer.image is not None, answer.problem
            yield data, answer.image


def load() -> str:
    """Return what else this machine does, as the number of processes that want to run."""
    return f"{os.getloadavg()[0]:.1f}"


def write_project(folder: Path) -> None:
    """Write params.yaml and the weights of the published generator, drawn from a seed, as a training leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    experiment = read_experiment(EXPERIMENT)
    weights = folder / "models" / NAME / WEIGHTS
    save_weights(weights / f"seed-{experiment.seeds[0]}", build_method(experiment, torch.Generator()))
    (weights / "experiment.json").write_text(json.dumps({"name": NAME, **as_dict(experiment)}))


def rendered(index: int, size_px: int = 640) -> bytes:
    """Return the JPEG of a rendered portrait."""
    buffer = io.BytesIO()
    Image.fromarray(draw(0, index).pixels).resize((size_px, size_px)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def rounds(folder: Path, data: bytes) -> list[Round]:
    """Return what each step took in each round, after one that does not count."""
    zoo, ways = Zoo(folder / "models", CPU), ways_of(load_params(folder / "params.yaml"), OF)

    def found() -> Face:
        return look(data, ways, Takedowns()).faces[0]

    def whole() -> None:
        answer = zoo.translate(NAME, found(), OF, TO)
        assert answer.image is not None, answer.problem

    bare = bare_network(folder, found())
    steps: tuple[Callable[[], object], ...] = (found, bare, whole)
    return [Round(*map(seconds_of, steps)) for _ in range(ROUNDS + 1)][1:]


def bare_network(folder: Path, face: Face) -> Callable[[], object]:
    """Return the forward pass of the generator alone, on the tensor that the face becomes."""
    experiment = read_experiment(EXPERIMENT)
    model = load_translator(folder / "models" / NAME / WEIGHTS / f"seed-{experiment.seeds[0]}", experiment)
    tensor = model.inputs(arrays_of(face, experiment, OF), np.zeros(1, np.int64))
    network = model.networks["generator_to_target"]

    def forward() -> object:
        with torch.inference_mode():
            return network(tensor)

    return forward


def seconds_of(step: Callable[[], object]) -> float:
    """Return how long a step takes."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def verdict(ratio: float) -> str:
    """Say whether a ratio is within the limit."""
    return f"at most {LIMIT}: {'met' if ratio <= LIMIT else 'MISSED'}"


def show(name: str, data: bytes, measured: list[Round]) -> None:
    """Print the medians of one picture's steps, and how the whole compares with its parts."""
    width, height = Image.open(io.BytesIO(data)).size
    medians = (statistics.median(getattr(each, step) * 1000 for each in measured) for step in STEPS)
    said = ", ".join(f"{step} {median:.0f}" for step, median in zip(STEPS, medians, strict=True))
    allowed = statistics.median(each.whole / (each.look + each.bare) for each in measured)
    strict = statistics.median((each.whole - each.look) / each.bare for each in measured)
    print(f"  {name}, {width}x{height} px: ms {said}")
    print(f"    whole / (look + bare network) {allowed:.3f}, {verdict(allowed)}")
    print(f"    (whole - look) / bare network {strict:.3f}")


if __name__ == "__main__":
    main()
