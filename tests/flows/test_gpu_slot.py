"""One GPU, two trainings: one after the other; one that is cancelled or killed makes room, and goes on later."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.states import Cancelling

from flows.workspace import TRAINING_VARIABLE
from pipeline.training.checkpoints import list_checkpoints, step_of
from pipeline.training.loop import train
from tests.flows.server import Server, running, until
from tests.flows.workspaces import gpu_workspace, working_in
from tests.methods.tiny_dataset import write_dataset

GPU = f"tag:gpu-{socket.gethostname()}"
EXPERIMENTS = ("one", "two", "three", "four", "five", "faces")

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a workspace of trainings that stop at half their steps until they may go on."""
    with running(gpu_workspace(tmp_path_factory.mktemp("gpu") / "workspace", EXPERIMENTS).folder) as server:
        yield server


def start(server: Server, experiment: str) -> UUID:
    return server.run_deployment("train", {"experiments": [experiment]})


def at_half(server: Server, experiment: str) -> None:
    until((server.workspace / f"at-half-{experiment}").exists, 120)


def let_go(server: Server, experiment: str) -> None:
    (server.workspace / f"go-{experiment}").touch()


def told(server: Server, *experiments: str) -> list[tuple[str, str, int]]:
    """Return who began, left and ended, and at which step."""
    lines = map(json.loads, (server.workspace / "trainings.jsonl").read_text().splitlines())
    return [(name, word, step) for name, word, step, *_ in lines if name in experiments]


def weights(server: Server, experiment: str) -> str:
    return (server.workspace / "models" / experiment / "weights/weights.txt").read_text()


def undisturbed_weights(experiment: str) -> str:
    """Return what forty steps in one go come to."""
    value = experiment
    for step in range(1, 41):
        value = hashlib.sha256(f"{value} {step}".encode()).hexdigest()
    return value


def checkpoint(server: Server, experiment: str) -> dict[str, object]:
    path = server.workspace / ".cache/checkpoints" / experiment / "checkpoint.json"
    return dict(json.loads(path.read_text()))


def test_of_two_trainings_one_is_cancelled_the_other_runs_and_the_first_goes_on_later(server: Server) -> None:
    first = start(server, "one")
    at_half(server, "one")
    assert server.slots_taken(GPU) == 1
    second = start(server, "two")
    server.wait(second, "Running")
    until(lambda: (server.workspace / "data/datasets/two").exists(), 120)
    time.sleep(15)  # the other had its chance
    assert told(server, "one", "two") == [("one", "begins", 0)]

    began = time.monotonic()
    with server.client as client:
        client.set_flow_run_state(first, Cancelling())  # as the UI's button does
    server.wait(first, "Cancelled")
    print(f"cancelled after {time.monotonic() - began:.0f} s")
    at_half(server, "two")
    print(f"the second is at work {time.monotonic() - began:.0f} s after the first was cancelled")
    assert told(server, "one", "two") == [("one", "begins", 0), ("one", "leaves", 20), ("two", "begins", 0)]
    assert checkpoint(server, "one")["step"] == 20
    (lock,) = {each.environ()[TRAINING_VARIABLE] for each in working_in(server.workspace, TRAINING_VARIABLE)}
    assert Path(lock).name == "train-two.lock", "nothing of the first lives on"

    let_go(server, "two")
    server.wait(second, "Completed")
    let_go(server, "one")
    server.wait(start(server, "one"), "Completed")
    assert told(server, "one")[-2:] == [("one", "begins", 20), ("one", "ends", 40)]
    for experiment in ("one", "two"):
        assert weights(server, experiment) == undisturbed_weights(experiment)
    assert server.slots_taken(GPU) == 0


def test_worker_and_training_killed_at_once_leave_the_gpu_to_the_next_one(server: Server) -> None:
    killed = start(server, "three")
    at_half(server, "three")
    server.kill_worker("gpu", with_runs=True)
    began = time.monotonic()
    until(lambda: not working_in(server.workspace), 60)
    until(lambda: server.slots_taken(GPU) == 0, 300)
    print(f"the GPU's slot is free {time.monotonic() - began:.0f} s after worker, flow and stage were killed")
    server.wait(killed, "Crashed", 300)
    print(f"the run is Crashed after {time.monotonic() - began:.0f} s")
    server.start_worker("gpu")
    let_go(server, "three")
    server.wait(start(server, "three"), "Completed")
    assert told(server, "three") == [("three", "begins", 0), ("three", "begins", 20), ("three", "ends", 40)]
    assert weights(server, "three") == undisturbed_weights("three")


def test_a_killed_flow_leaves_the_gpu_to_the_next_one_and_its_training_a_checkpoint(server: Server) -> None:
    killed = start(server, "four")
    at_half(server, "four")
    waiting = start(server, "five")
    server.wait(waiting, "Running")
    began = time.monotonic()
    (flow,) = (
        each
        for each in server.runs("gpu")
        if str(each.environ().get("PREFECT__FLOW_RUN_ID", "")) == str(killed)
    )
    flow.kill()
    server.wait(killed, "Crashed")
    print(f"the run is Crashed after {time.monotonic() - began:.0f} s")
    until(lambda: ("four", "leaves", 20) in told(server, "four"), 60)
    at_half(server, "five")
    print(f"the next one is at work {time.monotonic() - began:.0f} s after the flow was killed")
    let_go(server, "five")
    server.wait(waiting, "Completed")
    let_go(server, "four")
    server.wait(start(server, "four"), "Completed")
    assert told(server, "four")[-2:] == [("four", "begins", 20), ("four", "ends", 40)]
    assert weights(server, "four") == undisturbed_weights("four")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def test_a_real_training_that_is_cancelled_goes_on_and_ends_in_the_weights_of_one_left_alone(
    server: Server, tmp_path: Path
) -> None:
    dataset = write_dataset(server.workspace / "real/faces", "pix2pix", steps=600, checkpoint_every=50)
    saved = server.workspace / ".cache/real/seed-0"

    cancelled = start(server, "faces")
    until(lambda: list_checkpoints(saved), 120)
    with server.client as client:
        client.set_flow_run_state(cancelled, Cancelling())
    server.wait(cancelled, "Cancelled")
    until(lambda: not working_in(server.workspace), 60)
    reached = step_of(list_checkpoints(saved)[0])
    print(f"cancelled at step {reached}")
    assert 50 <= reached < 600

    server.wait(start(server, "faces"), "Completed")
    train(dataset, tmp_path / "checkpoints", tmp_path / "out", accelerator="cpu")
    assert files(server.workspace / "models/faces") == files(tmp_path / "out")
    with server.client as client:
        artifacts = {artifact.key for artifact in client.read_artifacts()}
    assert {"progress-faces", "training-faces", "grid-faces"} <= artifacts
