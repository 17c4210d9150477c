"""Workspaces that a real server's flows work in: one that crawls a site of this process, one with quick trainings."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from PIL import Image

from benchmarks.real_pictures import REPOSITORY
from benchmarks.workspace import Workspace
from flows.workspace import VARIABLE
from tests.crawl.local_site import LocalSite, Reply, html

_PAUSE_S = 0.5


def picture(number: int) -> bytes:
    """Return a small picture that looks like no other number's."""
    squares = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(squares).resize((96, 96), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def publish(site: LocalSite, source: str, count: int) -> None:
    """Show pictures 0 to count - 1 in a source's gallery, on two pages: /SOURCE/ and /SOURCE/2."""
    first = 1000 * sum(source.encode())  # pictures of its own
    items = [f'<figure><img src="/{source}/{number}.png"></figure>' for number in range(count)]
    site.routes[f"/{source}/"] = html(
        "".join(items[: count // 2]) + f'<a class="next" href="/{source}/2">more</a>'
    )
    site.routes[f"/{source}/2"] = html("".join(items[count // 2 :]))
    for number in range(count):
        site.routes[f"/{source}/{number}.png"] = Reply(picture(first + number))


class Gate:
    """A page that comes in drops, and to its end only when the gate has been opened."""

    def __init__(self, page: Reply) -> None:
        self.page = page
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, earlier: int) -> Reply:
        """Answer a request."""
        return Reply(self._drops(), headers=self.page.headers)

    def _drops(self) -> Iterator[bytes]:
        self.reached.set()
        while not self.opened.wait(_PAUSE_S):
            yield b"<!-- wait -->"
        assert isinstance(self.page.body, bytes)
        yield self.page.body


@contextmanager
def held(site: LocalSite, source: str) -> Iterator[Gate]:
    """Keep crawls of a source at its second page, when the pictures of the first are on their way, until opened."""
    path = f"/{source}/2"
    page = site.routes[path]
    assert isinstance(page, Reply)
    gate = Gate(page)
    site.routes[path] = gate
    try:
        yield gate
    finally:
        gate.opened.set()
        site.routes[path] = page


def recrawl_workspace(
    folder: Path, site: LocalSite, sources: Sequence[str] = ("gallery",), **sections: Any
) -> Workspace:
    """Make a workspace with the deployments as shipped, whose sources are galleries of `site`.

    Each picture is one face as it is: no detector runs. `sections` replace those of params.yaml.
    """
    entries = {
        source: {
            **{"kind": "gallery", "domain": "ultrasound", "start": f"http://127.0.0.1:{site.port}/{source}/"},
            **{"item": "figure", "image": "img", "next": "a.next", "limit": {"images": 1000}},
            **{"allow_networks": ["127.0.0.0/8"], "requests_per_s": 500},
        }
        for source in sources
    }
    workspace = Workspace(folder, entries)
    workspace.set(engine={"kind": "local", "workers": 1}, **sections)
    shutil.copy(REPOSITORY / "prefect.yaml", folder)
    workspace.dvc("status")
    return workspace


def made(workspace: Workspace) -> dict[str, str]:
    """Return the hash of each file that the stages of a recrawl made."""
    found = (path for path in sorted((workspace.folder / "data").rglob("*")) if path.is_file())
    return {
        str(path.relative_to(workspace.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
    }


def recrawl_by_hand(workspace: Workspace, source: str) -> None:
    """Do what the flow does, by DVC alone and undisturbed."""
    workspace.dvc("repro", "--quiet", "--force", "--single-item", f"crawl@{source}")
    workspace.dvc("repro", "--quiet", "catalogue")


def working_in(folder: Path, variable: str = VARIABLE) -> list[psutil.Process]:
    """Return the living processes that a flow, or a training, of this folder has started."""
    prefix = f"{(folder / '.state').resolve()}{os.sep}"
    found = []
    for process in psutil.process_iter():
        try:
            named = process.environ().get(variable, "")
            if named.startswith(prefix) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


_TRAINING = '''
"""A training in the manner of the real one: whole steps, a checkpoint, and 143 when it is asked to leave."""

import hashlib, json, os, subprocess, sys, signal, time
from pathlib import Path

name = sys.argv[1]
if Path("real", name).exists():
    from pipeline.training.loop import train

    out, status = Path("models", name), Path("logs/train") / f"{name}.json"
    train(Path("real", name), Path(".cache/real"), out, accelerator="cpu", status=status)
    sys.exit()

folder = Path(".cache/checkpoints") / name
folder.mkdir(parents=True, exist_ok=True)
checkpoint = folder / "checkpoint.json"


def say(word):
    line = json.dumps([name, word, state["step"], os.getpid(), time.time()])
    with open("trainings.jsonl", "a") as told:
        print(line, file=told)


def save():
    whole = checkpoint.with_suffix(".new")
    whole.write_text(json.dumps(state))
    whole.replace(checkpoint)


state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"step": 0, "weights": name}
received = []
signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
loader = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
say("begins")
while state["step"] < 40 and not received:
    if state["step"] == 20 and not Path(f"go-{name}").exists():
        if not Path(f"at-half-{name}").exists():
            save()
            Path(f"at-half-{name}").touch()
        time.sleep(0.05)
        continue
    step = state["step"] + 1
    weights = hashlib.sha256(f"{state['weights']} {step}".encode()).hexdigest()
    time.sleep(0.02)
    state = {"step": step, "weights": weights}
loader.terminate()
save()
if received:
    time.sleep(1)
    say("leaves")
    sys.exit(143)
out = Path("models") / name / "weights"
out.mkdir(parents=True)
(out / "weights.txt").write_text(state["weights"])
say("ends")
'''


def gpu_workspace(folder: Path, experiments: Sequence[str] = ("one", "two")) -> Workspace:
    """Make a workspace whose trainings are made up: each stops at half its steps until there is a file go-NAME.

    They tell what they do in trainings.jsonl: name, "begins", "leaves" or "ends", step, process, time. An experiment
    whose dataset somebody puts into real/NAME is trained by the real trainer instead.
    """
    workspace = Workspace(folder, {})
    shutil.copy(REPOSITORY / "prefect.yaml", folder)
    (folder / "training.py").write_text(_TRAINING)
    stages = {
        "dataset": {"cmd": "echo ${item} > data/datasets/${item}", "outs": ["data/datasets/${item}"]},
        "train": {
            "cmd": "python training.py ${item}",
            "deps": ["data/datasets/${item}"],
            "outs": ["models/${item}"],
        },
        "evaluate": {
            "cmd": "echo '{\"fid\": 1}' > metrics/${item}.json",
            "deps": ["models/${item}"],
            "metrics": [{"metrics/${item}.json": {"cache": False}}],
        },
    }
    described = {name: {"foreach": list(experiments), "do": stage} for name, stage in stages.items()}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": described}))
    workspace.dvc("status")
    return workspace
