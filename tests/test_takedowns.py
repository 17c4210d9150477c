"""What is taken down leaves the workspace for good; what DVC and models still hold of it is listed."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from benchmarks.workspace import Workspace
from pipeline import cache, parts
from pipeline.commands.takedown import takedown
from pipeline.crawl.references import ImageRef
from pipeline.crawl.run import Settings, Summary, crawl
from pipeline.datasets.arrays import ROWS, write_domain
from pipeline.errors import UserError
from pipeline.evaluation.tables import COPIES, TRANSLATED
from pipeline.stages.crawl import state_path
from pipeline.takedowns import Takedown, Takedowns, add_lines, load_takedowns
from pipeline.upkeep.removal import take_down
from pipeline.upkeep.traces import Tracer, Unreadable
from tests.crawl.local_site import SITE, Listed, LocalSite, Reply, client, png, serving

DAY = "2026-01-31"


def image_id(number: int) -> str:
    return hashlib.sha256(png(number)).hexdigest()


def line(what: str, value: str, reason: str = "asked for") -> Takedown:
    return Takedown(what, value, reason, DAY)


# The list.


def test_a_line_is_listed_once(in_folder: Path) -> None:
    assert load_takedowns() == Takedowns()
    wanted = [
        line("image", "a" * 64),
        line("subject", "Doe, Jane", 'said "no"'),
        line("url", f"{SITE}/jane/"),
    ]
    assert add_lines(wanted) == wanted
    assert add_lines([line("subject", "Doe, Jane", "again"), line("subject", "Roe")]) == [
        line("subject", "Roe")
    ]
    assert Path("takedowns.csv").read_text().splitlines() == [
        "what,value,reason,date",
        f"image,{'a' * 64},asked for,{DAY}",
        f'subject,"Doe, Jane","said ""no""",{DAY}',
        f"url,{SITE}/jane/,asked for,{DAY}",
        f"subject,Roe,asked for,{DAY}",
    ]
    listed = load_takedowns()
    assert listed.covers(url=f"{SITE}/jane/1.jpg")
    assert listed.covers(image_id="b" * 64, subject="Roe")
    assert not listed.covers("b" * 64, f"{SITE}/jack/1.jpg", "Joe")


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("image", "abc"),
        ("image", "A" * 64),
        ("subject", ""),
        ("url", ""),
        ("url", "h"),
        ("url", "https://"),
        ("person", "Doe"),
    ],
)
def test_a_line_that_would_take_down_all_or_nothing_is_refused(
    in_folder: Path, what: str, value: str
) -> None:
    with pytest.raises(UserError):
        add_lines([line(what, value)])
    assert not Path("takedowns.csv").exists()
    Path("takedowns.csv").write_text(f"what,value,reason,date\nsubject,Roe,,\n{what},{value},because,{DAY}\n")
    with pytest.raises(UserError, match=r"takedowns\.csv: line 3: "):
        load_takedowns()


@pytest.mark.parametrize("text", ["", "what,value\n", "what,value,reason,date\nsubject,Roe\n"])
def test_a_list_that_is_none_is_refused(in_folder: Path, text: str) -> None:
    Path("takedowns.csv").write_text(text)
    with pytest.raises(UserError, match=r"takedowns\.csv: line [12]"):
        load_takedowns()


# Taking down.


@pytest.fixture
def site() -> Iterator[LocalSite]:
    with serving(LocalSite()) as site:
        for number in range(8):
            site.routes[f"/{number}.png"] = Reply(png(number))
        yield site


@pytest.fixture
def source() -> Listed:
    """Eight images, of which Jane is on 1, 2 and 6; and one that is the same as 2."""
    refs = [ImageRef(f"{SITE}/{n}.png", subject="Jane" if n in (1, 2, 6) else "Jack") for n in range(8)]
    return Listed(*refs, "/copy-of-2.png")


@pytest.fixture
def crawled(in_folder: Path, site: LocalSite, source: Listed) -> Path:
    """A workspace with eight images in parts of three."""
    site.routes["/copy-of-2.png"] = Reply(png(2))
    assert crawl_here(source, site).new == 8
    return in_folder


def crawl_here(source: Listed, site: LocalSite) -> Summary:
    with client(site) as session:
        settings = Settings(part_size=3, takedowns=load_takedowns())
        return crawl("s", source, session, parts.folder("raw", "s"), state_path("s"), settings)


def raw() -> dict[str, list[int]]:
    """Return the numbers of the images in each part."""
    return {
        path.name: [
            int(row["url"].removeprefix(f"{SITE}/").removesuffix(".png")) for row in parts.read_rows(path)
        ]
        for path in parts.list_parts(parts.folder("raw", "s"))
    }


def refused() -> dict[str, str]:
    rows = parts.read_rows(parts.folder("raw", "s") / parts.REJECTED_NAME)
    return {row["url"].removeprefix(SITE): row["reason"] for row in rows}


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(takedown, arguments)
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.output


def test_an_image_is_gone_and_the_others_stay_as_they_were(crawled: Path) -> None:
    before = {part.name: part.read_bytes() for part in parts.list_parts(parts.folder("raw", "s"))}
    said = run("add", "--image", image_id(4), "--reason", "asked for", "--date", DAY)
    assert f"takedowns.csv: image {image_id(4)} listed" in said
    assert "data/raw/s/part-00001.parquet: 1 image removed" in said
    assert "dvc repro" in said
    assert raw() == {
        "part-00000.parquet": [0, 1, 2],
        "part-00001.parquet": [3, 5],
        "part-00002.parquet": [6, 7],
    }
    assert refused() == {"/4.png": "taken_down", "/copy-of-2.png": "duplicate"}
    after = {part.name: part.read_bytes() for part in parts.list_parts(parts.folder("raw", "s"))}
    assert {name for name in after if after[name] != before[name]} == {"part-00001.parquet"}
    assert png(4) not in state_path("s").read_bytes()


def test_a_rewritten_part_is_as_if_the_image_had_never_been_in_it(crawled: Path) -> None:
    path = parts.folder("raw", "s") / parts.part_name(1)
    rows = [row for row in parts.read_rows(path) if row["image_id"] != image_id(4)]
    run("add", "--image", image_id(4), "--reason", "asked for")
    parts.write_rows(crawled / "expected", rows, parts.RAW)
    assert path.read_bytes() == (crawled / "expected").read_bytes()


def test_all_images_of_a_subject_go_and_are_listed_by_their_ids(crawled: Path) -> None:
    run("add", "--subject", "Jane", "--reason", "asked for", "--date", DAY)
    assert raw() == {"part-00000.parquet": [0], "part-00001.parquet": [3, 4, 5], "part-00002.parquet": [7]}
    assert load_takedowns().images == {image_id(number) for number in (1, 2, 6)}
    assert refused() == dict.fromkeys(("/1.png", "/2.png", "/6.png", "/copy-of-2.png"), "taken_down")


def test_all_images_below_a_url_go_and_a_part_may_become_empty(crawled: Path) -> None:
    run("add", "--url", f"{SITE}/", "--reason", "asked for")
    assert raw() == {parts.part_name(number): [] for number in range(3)}
    assert set(refused().values()) == {"taken_down"}


def test_what_is_taken_down_is_never_fetched_again(crawled: Path, site: LocalSite, source: Listed) -> None:
    run("add", "--subject", "Jane", "--reason", "asked for")
    before, asked = raw(), site.images_asked
    summary = crawl_here(source, site)
    assert (summary.new, site.images_asked) == (0, asked)
    assert summary.refused == {"taken_down": 4}
    assert raw() == before
    state_path("s").unlink()
    site.routes["/mirror/6.png"] = Reply(png(6))
    summary = crawl_here(Listed(*source.found, "/mirror/6.png"), site)
    assert summary.new == 0
    assert refused()["/mirror/6.png"] == "taken_down"
    assert raw() == before


def test_the_same_again_changes_nothing(crawled: Path) -> None:
    run("add", "--subject", "Jane", "--reason", "asked for")
    files = {path: path.stat().st_mtime_ns for path in Path("data").rglob("*.parquet")}
    listed = Path("takedowns.csv").read_bytes()
    assert "was listed already" in run("add", "--subject", "Jane", "--reason", "asked for twice")
    assert {path: path.stat().st_mtime_ns for path in Path("data").rglob("*.parquet")} == files
    assert Path("takedowns.csv").read_bytes() == listed


@pytest.mark.parametrize("killed_at", ["write_table", "write_rows"])
def test_cut_short_it_is_completed_by_typing_it_again(
    crawled: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    class Killed(BaseException):
        """Stands for the end of the process."""

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(parts, killed_at, kill)
        with pytest.raises(Killed):
            take_down(line("subject", "Jane"))
    assert sum(map(len, raw().values())) == 8
    run("add", "--subject", "Jane", "--reason", "asked for")
    assert [number for numbers in raw().values() for number in numbers] == [0, 3, 4, 5, 7]
    assert len(load_takedowns().images) == 3
    assert set(refused().values()) == {"taken_down"}


def test_the_beginning_of_an_id_is_enough_if_it_is_unique(crawled: Path) -> None:
    with pytest.raises(UserError, match="at least 6 digits"):
        run("add", "--image", "abc", "--reason", "asked for")
    with pytest.raises(UserError, match="the beginning of no image's id here"):
        run("add", "--image", "0123456789", "--reason", "asked for")
    run("add", "--image", image_id(4)[:10].upper(), "--reason", "asked for")
    assert load_takedowns().images == {image_id(4)}


@pytest.mark.parametrize("given", [[], ["--image", "a" * 64, "--subject", "Jane"], ["--url", "example.org"]])
def test_what_cannot_be_meant_is_refused(in_folder: Path, given: list[str]) -> None:
    with pytest.raises(UserError):
        run("add", *given, "--reason", "asked for")
    assert not Path("takedowns.csv").exists()


def test_cached_results_and_explaining_pictures_go_too(crawled: Path) -> None:
    for number in range(3):
        result = Path(f"result{number}")
        parts.write_rows(result, [{"image_id": image_id(number)}], parts.DETECTIONS)
        cache.store(f"{number:064x}", result)
        picture = Path(f"report/explain/{image_id(number)[:16]}.png")
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(png(number))
    run("add", "--image", image_id(1), "--reason", "asked for")
    assert [cache.fetch(f"{number:064x}", Path("fetched")) for number in range(3)] == [True, False, True]
    assert len(list(Path("report/explain").glob("*.png"))) == 2


# What remains.


def test_nothing_remains_of_what_was_never_made_into_more(crawled: Path) -> None:
    run("add", "--subject", "Jane", "--reason", "asked for")
    assert "gone: 3 listed images are nowhere in this workspace" in run("verify")


def face(number: int) -> dict[str, str]:
    return {"image_id": image_id(number), "face_id": f"{image_id(number)}-0"}


def write_remains(place: str) -> Path:
    """Leave a trace of image 1 somewhere."""
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".sqlite":
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE pending (image_id TEXT)")
            database.execute("INSERT INTO pending VALUES (?)", (image_id(1),))
        database.close()
    elif "rows" in path.name:
        parts.write_rows(path, [{**face(1), "split": "train"}], ROWS)
    elif path.name == "translated.parquet":
        shown = "truth_face_id" if "truth" in path.parent.name else "nearest_face_id"
        row = {"face_id": face(0)["face_id"], shown: face(1)["face_id"]}
        parts.write_rows(path, [row], TRANSLATED)
    elif path.name == "copies.parquet":
        row = {"face_id": face(0)["face_id"], "training_face_id": face(1)["face_id"]}
        parts.write_rows(path, [row], COPIES)
    elif path.suffix == ".parquet":
        parts.write_rows(path, [face(0), face(1)], parts.DETECTIONS)
    elif path.suffix == ".png":
        path = path.with_name(f"{image_id(1)[:16]}.png")
        path.write_bytes(png(1))
    else:
        path.write_text(f'<figure title="{face(1)["face_id"]}">')
    return path


@pytest.mark.parametrize(
    "place",
    [
        "data/raw/s/.compact/part-00000.parquet",
        "data/detections/s/part-00000.parquet",
        "data/aligned/s/.part-00000.parquet.77.tmp.parquet",
        "data/catalogue/faces.parquet",
        "data/datasets/e/photo.rows.parquet",
        "samples/e/translated.parquet",
        "samples/e-with-truth/translated.parquet",
        "samples/e/copies.parquet",
        "metrics/e.json",
        "report/index.html",
        "report/explain/picture.png",
        ".cache/parts/ab/abc.parquet",
        ".state/t.sqlite",
    ],
)
def test_a_trace_is_found_wherever_it_is(in_folder: Path, place: str) -> None:
    add_lines([line("image", image_id(1))])
    path = write_remains(place)
    said = run("verify", exit_code=1)
    assert f"still here: {path}: {image_id(1)[:16]}" in said
    assert "gone" not in said.splitlines()[0]
    path.unlink()
    assert "gone: 1 listed images" in run("verify")


def test_rows_of_a_subject_or_url_that_another_workspace_took_down_are_found(crawled: Path) -> None:
    add_lines([line("subject", "Jane"), line("url", f"{SITE}/7")])
    said = run("verify", exit_code=1)
    found = {
        path.name: Tracer(load_takedowns()).images_in(path) for path in parts.list_parts(Path("data/raw/s"))
    }
    assert found == {
        "part-00000.parquet": {image_id(1), image_id(2)},
        "part-00001.parquet": set(),
        "part-00002.parquet": {image_id(6), image_id(7)},
    }
    assert said.count("still here: data/raw/s") == 2


def test_a_half_written_table_could_hold_anything(in_folder: Path) -> None:
    add_lines([line("image", image_id(1))])
    path = Path("data/aligned/s/.part-00000.parquet.77.tmp")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 and no end")
    with pytest.raises(Unreadable):
        Tracer(load_takedowns()).images_in(path)
    assert f"cannot tell: {path}: it cannot be read" in run("verify", exit_code=1)


def test_pictures_of_an_earlier_training_could_show_anyone(in_folder: Path) -> None:
    Path(".cache/train/0123").mkdir(parents=True)
    assert "lists nothing" in run("verify")
    add_lines([line("image", image_id(1))])
    assert "cannot tell: .cache/train/0123: pictures of an earlier training" in run("verify", exit_code=1)


# What DVC's stores and the history of dvc.lock say, of objects as DVC lays them out.


def put(store: Path, content: bytes, suffix: str = "") -> str:
    """Put an object into a store; return its hash."""
    md5 = hashlib.md5(content).hexdigest() + suffix
    path = store / "files/md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return md5


def put_dataset(store: Path, *numbers: int) -> str:
    """Put a dataset of these images into a store; return its directory's hash."""
    folder = Path("dataset")
    pixels = np.zeros((len(numbers), 32, 32, 3), np.uint8)
    write_domain(
        folder,
        "photo",
        iter(pixels),
        len(numbers),
        32,
        np.zeros((len(numbers), 68, 2)),
        [face(n) for n in numbers],
    )
    entries = [{"md5": put(store, p.read_bytes()), "relpath": p.name} for p in sorted(folder.iterdir())]
    return put(store, json.dumps(entries).encode(), ".dir")


def lock_of(experiment: str, dataset: str, weights: str) -> str:
    train = {
        "deps": [{"path": f"data/datasets/{experiment}", "md5": dataset}],
        "outs": [{"path": f"models/{experiment}/weights", "md5": weights}],
    }
    return yaml.safe_dump({"stages": {f"train@{experiment}": train}})


def git(*arguments: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True)


def test_models_that_were_trained_on_a_listed_face_are_named_with_their_commits(in_folder: Path) -> None:
    store = Path(".dvc/cache")
    add_lines([line("image", image_id(1))])
    git("init", "--quiet")
    states = [
        lock_of("e", put_dataset(store, 0, 1), "11.dir"),
        lock_of("e", put_dataset(store, 0, 1), "22.dir"),
        lock_of("e", put_dataset(store, 0), "33.dir"),
        lock_of("e", "0" * 32 + ".dir", "44.dir"),
    ]
    for state in states:
        Path("dvc.lock").write_text(state)
        git("add", "dvc.lock")
        git("commit", "--quiet", "--message", "trained")
    said = run("verify")
    trained = [line for line in said.splitlines() if line.startswith("trained: ")]
    assert [line.rsplit(" ", 1)[1] for line in trained] == ["22.dir", "11.dir"]
    assert all("trained: e, commit " in line and "on 1 listed images" in line for line in trained)
    assert f"cannot tell: data/datasets/e ({'0' * 32}.dir), dvc.lock, commit " in said
    run("verify", "--strict", exit_code=1)


def test_pictures_beside_a_present_model_remain_until_it_is_trained_anew(in_folder: Path) -> None:
    add_lines([line("image", image_id(1))])
    Path("models/e/samples").mkdir(parents=True)
    Path("dvc.lock").write_text(lock_of("e", put_dataset(Path(".dvc/cache"), 0, 1), "11.dir"))
    assert "still here: models/e/samples" in run("verify", exit_code=1)
    Path("dvc.lock").write_text(lock_of("e", put_dataset(Path(".dvc/cache"), 0), "22.dir"))
    assert "gone" in run("verify")


def test_arrays_are_listed_with_the_table_that_says_who_is_in_them(in_folder: Path) -> None:
    add_lines([line("image", image_id(1))])
    put_dataset(Path(".dvc/cache"), 0, 1)
    said = run("verify")
    md5s = [hashlib.md5(path.read_bytes()).hexdigest() for path in Path("dataset").iterdir()]
    assert len(md5s) == 3
    for md5 in md5s:
        assert f"stored: .dvc/cache/files/md5/{md5[:2]}/{md5[2:]}" in said


def test_folder_remotes_are_looked_at_and_of_others_the_keys_are_listed(in_folder: Path) -> None:
    add_lines([line("image", image_id(1))])
    write_remains("table.parquet")
    content = Path("table.parquet").read_bytes()
    md5 = put(Path("elsewhere"), content)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text(
        "[core]\n    remote = near\n['remote \"near\"']\n    url = ../elsewhere\n"
        "['remote \"far\"']\n    url = s3://bucket/likeness\n"
    )
    key = f"files/md5/{md5[:2]}/{md5[2:]}"
    said = run("verify")
    assert f"stored: .dvc/../elsewhere/{key}" in said
    assert f"perhaps stored (not looked at): s3://bucket/likeness/{key}" in said
    assert "cannot tell: far (s3://bucket/likeness): not looked at" in said


def test_an_object_that_is_damaged_is_said_so(in_folder: Path) -> None:
    put(Path(".dvc/cache"), b"PAR1 and no end")
    add_lines([line("image", image_id(1))])
    assert "cannot be read" in run("verify")


# The whole, with DVC itself.


def test_from_the_command_line_to_the_remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(3):
        (pictures / f"{number}.png").write_bytes(png(number))
    entry = {"kind": "folder", "path": str(pictures), "domain": "ultrasound"}
    workspace = Workspace(tmp_path / "workspace", {"scans": entry})
    workspace.dvc("repro", "detect@scans")
    workspace.dvc("remote", "add", "--default", "store", str(tmp_path / "store"))
    workspace.dvc("push", "--quiet")
    before = workspace.hashes()
    monkeypatch.chdir(workspace.folder)

    said = run("add", "--image", image_id(1), "--reason", "asked for")
    assert "crawl@scans: its parts are committed to DVC" in said
    assert workspace.hashes()["data/raw/scans"] != before["data/raw/scans"]
    assert "still here: data/detections/scans/part-00000.parquet" in run("verify", exit_code=1)

    said = workspace.dvc("repro", "detect@scans")
    assert "Stage 'crawl@scans' didn't change, skipping" in said
    said = run("verify")
    assert "gone: 1 listed images are nowhere in this workspace" in said
    stored = [
        Path(line.removeprefix("stored: ")) for line in said.splitlines() if line.startswith("stored: ")
    ]
    in_remote = [path for path in stored if path.is_relative_to(tmp_path / "store")]
    in_cache = [path for path in stored if not path.is_absolute()]
    assert len(in_remote) == len(in_cache) == 2
    run("verify", "--strict", exit_code=1)
    for path in stored:
        path.unlink()
    assert "stored" not in run("verify", "--strict")


def test_an_edited_entry_is_left_to_the_next_crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "1.png").write_bytes(png(1))
    entry = {"kind": "folder", "path": str(pictures), "domain": "ultrasound"}
    workspace = Workspace(tmp_path / "workspace", {"scans": entry})
    workspace.dvc("repro", "crawl@scans")
    before = workspace.hashes()
    workspace.set(sources={"scans": entry | {"limit": {"images": 5}}})
    monkeypatch.chdir(workspace.folder)
    assert "crawl@scans: its entry was edited" in run("add", "--image", image_id(1), "--reason", "asked for")
    assert workspace.hashes() == before
