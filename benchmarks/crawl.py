"""How fast the crawler is, against img2dataset 1.47.0 and against bare pooled requests, in one run.

    python -m benchmarks.crawl [IMAGES] [REPETITIONS]

5,000 images of about 120 kB come from a server on this machine, which answers at once or after 50 ms. Ours crawls
them through the front door (`kind: urls`) and stores them whole, hashed (SHA-256 and perceptual), in parts.
img2dataset, in an environment of its own, does its 256-px work: it decodes, resizes, encodes and writes shards. The
bare client fetches with the same number of threads, hashes with the same functions, and stores nothing. The arms take
turns; the clock runs from an arm's first request to the end of its process.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.image_server import Server, photographs, serving
from benchmarks.real_pictures import REPOSITORY
from benchmarks.workspace import Workspace

IMG2DATASET = ("setuptools<81", "img2dataset==1.47.0", "Pillow")
ENVIRONMENT = REPOSITORY / ".cache/benchmarks/img2dataset"
THREADS = 32
LATENCIES_MS = (0, 50)


@dataclass(frozen=True)
class Measured:
    """What an arm took: seconds from its first request to its end, CPU seconds, the most memory."""

    seconds: float
    cpu_s: float
    memory_mb: float


def main(images: int = 5000, repetitions: int = 3) -> None:
    """Print the medians of every arm and the ratios between them."""
    set_up_img2dataset()
    pictures = photographs(small=False)
    print(f"images of {sum(map(len, pictures)) / len(pictures) / 1000:.0f} kB on average")
    for latency_ms in LATENCIES_MS:
        runs: dict[str, list[Measured]] = {name: [] for name in ARMS}
        with serving(latency_ms) as server:
            for _ in range(repetitions):
                for name, arm in ARMS.items():
                    print(f"load {os.getloadavg()[0]:.1f}: {name}", file=sys.stderr)
                    runs[name].append(measured(arm, server, images))
        print_table(latency_ms, images, runs)


def set_up_img2dataset() -> None:
    """Install img2dataset beside the project: it needs other versions than we do."""
    if (ENVIRONMENT / "bin/img2dataset").exists():
        return
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, ENVIRONMENT], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", ENVIRONMENT / "bin/python"]
    subprocess.run([*install, *IMG2DATASET], check=True)


def measured(arm: Callable[[Server, int, Path], subprocess.Popen], server: Server, images: int) -> Measured:
    """Run an arm and see that it fetched every image."""
    with tempfile.TemporaryDirectory() as folder:
        server.spent()
        process = arm(server, images, Path(folder))
        watch = MemoryWatch(process.pid)
        output, _ = process.communicate()
        ended = time.time()
        assert process.returncode == 0, output
        memory_mb = watch.stop()
        spent = server.spent()
        assert spent["requests"] >= images, f"{spent['requests']} of {images} images were asked for\n{output}"
        return Measured(ended - spent["first"], watch.cpu_s, memory_mb)


class MemoryWatch:
    """Samples the memory and the CPU time of a process and all that it starts."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._cpu: dict[int, float] = {}
        self._root = psutil.Process(pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all processes, as last seen."""
        return sum(self._cpu.values())

    def stop(self) -> float:
        """Return the most memory that was held at once, in MB."""
        self._done.set()
        self._thread.join()
        return self.peak / 1e6

    def _sample(self) -> None:
        while not self._done.wait(0.25):
            try:
                processes = [self._root, *self._root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            held = 0
            for process in processes:
                try:
                    held += process.memory_info().rss
                    times = process.cpu_times()
                    self._cpu[process.pid] = times.user + times.system
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            self.peak = max(self.peak, held)


def write_urls(server: Server, images: int, folder: Path) -> Path:
    """Write the list of all images."""
    path = folder / "urls.txt"
    path.write_text("".join(f"http://127.0.0.1:{server.port}/{number}.jpg\n" for number in range(images)))
    return path


def ours(server: Server, images: int, folder: Path) -> subprocess.Popen:
    """Crawl the list through the front door."""
    source = {
        "kind": "urls",
        "domain": "photo",
        "path": str(write_urls(server, images, folder)),
        "allow_networks": ["127.0.0.0/8"],
        "requests_per_s": 1_000_000,
        "connections_per_host": THREADS,
    }
    workspace = Workspace(folder / "workspace", {"listed": source})
    workspace.set(crawl=workspace.params()["crawl"] | {"threads": THREADS})
    return workspace.start("pipeline", "crawl", "listed")


def img2dataset(server: Server, images: int, folder: Path) -> subprocess.Popen:
    """Run img2dataset as its documentation shows, with both cores."""
    options = {
        "url_list": write_urls(server, images, folder),
        "input_format": "txt",
        "output_folder": folder / "out",
        "output_format": "webdataset",
        "image_size": 256,
        "resize_mode": "border",
        "processes_count": len(os.sched_getaffinity(0)),
        "thread_count": THREADS,
        "number_sample_per_shard": 500,
        "enable_wandb": False,
        "retries": 0,
        "timeout": 10,
    }
    command = [
        str(ENVIRONMENT / "bin/img2dataset"),
        *(f"--{name}={value}" for name, value in options.items()),
    ]
    environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def bare(server: Server, images: int, folder: Path) -> subprocess.Popen:
    """Fetch and hash with nothing around it."""
    command = [sys.executable, "-m", "benchmarks.crawl", "bare", str(server.port), str(images)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def fetch_barely(port: int, images: int) -> None:
    """Be the bare client: pooled requests, SHA-256, the same perceptual hash."""
    import requests
    from requests.adapters import HTTPAdapter

    from pipeline.crawl.describing import Described, look_at

    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_connections=THREADS, pool_maxsize=THREADS))

    def fetch(number: int) -> Described:
        data = session.get(f"http://127.0.0.1:{port}/{number}.jpg", timeout=10).content
        return look_at(data)

    with ThreadPoolExecutor(THREADS) as pool:
        found = {described.image_id for described in pool.map(fetch, range(images))}
    assert len(found) == images


ARMS = {"ours": ours, "img2dataset": img2dataset, "bare": bare}


def print_table(latency_ms: int, images: int, runs: dict[str, list[Measured]]) -> None:
    """Print one line for each arm, and how ours compares."""
    print(
        f"\n{images} images, {latency_ms} ms, medians of {len(runs['ours'])}, load {os.getloadavg()[0]:.1f}"
    )
    rates = {}
    for name, measured_runs in runs.items():
        rates[name] = statistics.median(images / run.seconds for run in measured_runs)
        each = " ".join(f"{images / run.seconds:.0f}" for run in measured_runs)
        cpu_ms = statistics.median(1000 * run.cpu_s / images for run in measured_runs)
        memory = max(run.memory_mb for run in measured_runs)
        print(f"{name:12} {rates[name]:6.0f} images/s ({each}), {cpu_ms:5.1f} CPU ms each, {memory:5.0f} MB")
    for other in ("img2dataset", "bare"):
        print(f"ours / {other}: {rates['ours'] / rates[other]:.2f} times as fast")


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        fetch_barely(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
