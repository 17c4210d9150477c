"""On a Dask cluster the same stages give the same bytes, whatever dies; and what is wrong with it is said."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from benchmarks.workspace import Workspace
from pipeline import parts
from pipeline.engine import cluster as dask
from pipeline.engine import versions
from pipeline.errors import UserError
from pipeline.params import DaskEngine, load_params
from tests.toy_stage import LANDMARKS, Options, computed, forget, rows_of, run, set_up, write_raw

IMAGES = [f"image {number}".encode() for number in range(75)]


@dataclass(frozen=True)
class Cluster:
    """A scheduler, and workers with a folder of their own that hold nothing of the project."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: subprocess.Popen[bytes]


def start_cluster(folder: Path) -> Cluster:
    """Start `dask scheduler` and `dask worker` as docs/clusters.md says, with two worker processes."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    }
    known = folder / "scheduler.json"
    options = ["--scheduler-file", str(known)]

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        command = [str(Path(sys.executable).parent / "dask"), *arguments, "--no-dashboard", *options]
        log = (folder / f"{arguments[0]}.log").open("wb")
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0")
    workers = start("worker", "--nworkers", "2", "--nthreads", "1")
    return Cluster(address_in(known), scheduler, workers)


def address_in(file: Path, seconds: int = 60) -> str:
    for _ in range(10 * seconds):
        if file.exists() and (text := file.read_text()).endswith("}"):
            return json.loads(text)["address"]
        time.sleep(0.1)
    raise AssertionError(f"{file} did not come")


def stop(cluster: Cluster) -> None:
    for process in (cluster.workers, cluster.scheduler):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = start_cluster(tmp_path_factory.mktemp("cluster"))
    yield started
    stop(started)


@pytest.fixture(autouse=True)
def project(in_folder: Path) -> Path:
    set_up(in_folder)
    return in_folder


@pytest.fixture(params=["folder", "storage"])
def share(request: pytest.FixtureRequest, project: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What workers share with the project: its folder, or a URL at which there is nothing of it."""
    return str(project) if request.param == "folder" else tmp_path_factory.mktemp("bucket").as_uri()


def test_the_cluster_gives_the_same_bytes_as_processes_here(cluster: Cluster, share: str) -> None:
    write_raw(0, [*IMAGES, b"raise", b"empty"])
    write_raw(1, [b"three"])
    write_raw(2, [])
    here = run(), run(stage=LANDMARKS)
    forget()
    engine = DaskEngine(address=cluster.address, share=share)
    assert (run(engine=engine), run(engine=engine, stage=LANDMARKS)) == here
    assert computed() == 3


def test_what_was_computed_here_is_known_on_the_cluster(cluster: Cluster, share: str) -> None:
    write_raw(0, IMAGES[:3])
    here = run()
    assert run(engine=DaskEngine(address=cluster.address, share=share)) == here
    assert computed() == 0


def test_a_worker_killed_in_mid_run_changes_nothing(cluster: Cluster, share: str, project: Path) -> None:
    write_raw(0, [*IMAGES[:40], b"crash once", *IMAGES[40:]])
    marker = project / "marker"
    marker.touch()
    undisturbed = run(Options(marker=str(marker)))
    forget()
    marker.unlink()
    assert run(Options(marker=str(marker)), DaskEngine(address=cluster.address, share=share)) == undisturbed
    assert marker.exists()


def test_an_image_that_kills_every_worker_costs_itself(cluster: Cluster, share: str) -> None:
    write_raw(0, [b"one", b"crash", b"two"])
    run(engine=DaskEngine(address=cluster.address, share=share))
    assert [row["reason"] for row in rows_of(0)] == [None, "worker_crashed", None]


def test_nothing_is_left_in_the_storage(cluster: Cluster, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    write_raw(0, IMAGES[:3])
    run(engine=DaskEngine(address=cluster.address, share=storage.as_uri()))
    assert list(storage.iterdir()) == []
    write_raw(1, [b"one", b"no weights"])
    with pytest.raises(UserError, match="weights are missing"):
        run(engine=DaskEngine(address=cluster.address, share=storage.as_uri()))
    assert list(storage.iterdir()) == []


def test_a_worker_with_other_versions_is_refused(cluster: Cluster, project: Path, monkeypatch) -> None:
    here = versions.versions(()) | {"numpy": "1.0"}
    monkeypatch.setattr(dask, "versions", lambda weight_names: here)
    write_raw(0, [b"one"])
    with pytest.raises(UserError, match=r"other versions .* numpy: \S+ there, 1\.0 here\. Install the same"):
        run(engine=DaskEngine(address=cluster.address, share=str(project)))


def test_a_folder_that_the_workers_do_not_see_is_an_error(cluster: Cluster) -> None:
    write_raw(0, [b"one"])
    with pytest.raises(UserError, match=r"engine\.share: .*/nowhere/data/raw/.* does not exist"):
        run(engine=DaskEngine(address=cluster.address, share="/nowhere"))


def test_a_stale_copy_of_the_folder_is_an_error(cluster: Cluster, project: Path, tmp_path: Path) -> None:
    write_raw(0, [b"one"])
    copy = tmp_path / "copy"
    part = parts.list_parts(parts.folder("raw", "demo-portraits"))[0]
    (copy / part).parent.mkdir(parents=True)
    (copy / part).write_bytes(part.read_bytes())
    os.utime(copy / part, (0, 0))
    with pytest.raises(UserError, match=r"engine\.share: .* is another file"):
        run(engine=DaskEngine(address=cluster.address, share=str(copy)))


def test_storage_that_cannot_be_written_is_an_error(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    write_raw(0, [b"one"])
    for url in ((tmp_path / "file").as_uri(), "moon://crater/7"):
        with pytest.raises(UserError, match=r"engine\.share: cannot write at"):
            run(engine=DaskEngine(address=cluster.address, share=url))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"address": "somewhere:8786"}, ["engine.address", "tcp://HOST:8786", "'somewhere:8786'"]),
        ({"address": "tcp://somewhere"}, ["engine.address", "tcp://HOST:8786"]),
        ({"share": "likeness"}, ["engine.share", "absolute path", "s3://", "'likeness'"]),
        ({"share": "memory://x"}, ["engine.share", "one process only"]),
        ({"workers": 2}, ["engine.workers", "unknown here"]),
    ],
)
def test_a_wrong_entry_is_named(project: Path, wrong: dict, words: list[str]) -> None:
    right = {"kind": "dask", "address": "tcp://127.0.0.1:8786", "share": "/srv/likeness"}
    file = project / "params.yaml"
    values = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(values | {"engine": right}))
    assert load_params().engine == DaskEngine(**right)
    file.write_text(yaml.safe_dump(values | {"engine": right | wrong}))
    with pytest.raises(UserError) as error:
        load_params()
    for word in words:
        assert word in str(error.value)


def test_a_scheduler_that_does_not_answer_is_an_error(project: Path, monkeypatch) -> None:
    monkeypatch.setattr(dask, "CONNECT_S", 0.5)
    write_raw(0, [b"one"])
    with pytest.raises(
        UserError, match=r"engine\.address: no Dask scheduler answers at tcp://127\.0\.0\.1:9"
    ):
        run(engine=DaskEngine(address="tcp://127.0.0.1:9", share=str(project)))


def test_without_the_package_it_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"needs the package distributed; run .*\[dask\]"):
        importlib.reload(dask)


@pytest.mark.long
@pytest.mark.long
def test_a_scheduler_that_goes_away_is_an_error_and_finished_parts_are_kept(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch
) -> None:
    own = start_cluster(tmp_path_factory.mktemp("own"))
    write_raw(0, [b"one"])
    write_raw(1, [f"slow {number}".encode() for number in range(90)])
    engine = DaskEngine(address=own.address, share=str(project))
    write_rows = parts.write_rows

    def write_and_stop(*arguments: object) -> None:
        write_rows(*arguments)
        if own.scheduler.poll() is None:
            os.killpg(own.scheduler.pid, signal.SIGKILL)
            own.scheduler.wait()

    try:
        monkeypatch.setattr(parts, "write_rows", write_and_stop)
        with pytest.raises(UserError, match=r"engine\.address: the scheduler .* went away"):
            run(engine=engine)
    finally:
        stop(own)
    run()
    assert computed() == 1


@pytest.mark.long
def test_one_process_two_processes_and_a_cluster_give_the_same_bytes_of_real_faces(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Of people and of cartoons, through all four stages, by the project's folder and by storage."""
    demo = {"kind": "demo", "count": 10, "seed": 0}
    sources = {
        "people": demo | {"style": "portrait", "domain": "photo"},
        "cartoons": demo | {"style": "cartoon", "domain": "anime"},
    }
    workspace = Workspace(tmp_path / "workspace", sources)
    for source in sources:
        workspace.run("pipeline", "crawl", source)
    dask_engine = {"kind": "dask", "address": cluster.address}
    engines = (
        {"kind": "local", "workers": 1},
        {"kind": "local", "workers": 2},
        dask_engine | {"share": str(workspace.folder)},
        dask_engine | {"share": (tmp_path / "bucket").as_uri()},
    )
    made = [whole_way(workspace, engine, sources) for engine in engines]
    assert len(made[0]) == 8
    assert made[1:] == made[:1] * 3


def whole_way(workspace: Workspace, engine: dict, sources: Iterable[str]) -> dict[str, bytes]:
    """Run the four stages from nothing on an engine; return the parts that they write."""
    workspace.set(engine=engine)
    shutil.rmtree(workspace.folder / ".cache", ignore_errors=True)
    tables = {"detect": "detections", "landmarks": "landmarks", "align": "aligned", "colors": "colors"}
    made = {}
    for stage, table in tables.items():
        for source in sources:
            shutil.rmtree(workspace.folder / "data" / table / source, ignore_errors=True)
            workspace.run("pipeline", stage, source)
            for part in parts.list_parts(workspace.folder / "data" / table / source):
                made[f"{table}/{source}/{part.name}"] = part.read_bytes()
    return made
