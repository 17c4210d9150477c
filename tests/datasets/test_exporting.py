import csv
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.datasets import exporting
from pipeline.datasets.arrays import write_domain
from pipeline.datasets.exporting import FORMATS, export, file_name
from pipeline.errors import UserError

SUBJECTS = ["Ada", "ada", None, "Ada", "../x"]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    splits = ["train", "val", "train", "test", "train"]
    for domain in ("photo", "anime"):
        rows = [
            {
                "face_id": f"{domain}-{n}",
                "split": split,
                "subject": subject,
                "tags": ["a b", "c"],
                "labels": [1, 0],
            }
            for n, (split, subject) in enumerate(zip(splits, SUBJECTS, strict=True))
        ]
        write_domain(folder, domain, map(picture, range(5)), 5, 16, np.zeros((5, 68, 2)), rows)
    options = {"name": "x", "domains": ["photo", "anime"], "labels": {"nose": ["n"], "smile": ["s"]}}
    (folder / "experiment.json").write_text(json.dumps(options))
    (folder / "attribution.csv").write_text("image_id,author\n1,Ada\n")
    return folder


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_folder_has_every_face_in_its_split(dataset: Path, tmp_path: Path) -> None:
    assert export(dataset, "folder", tmp_path / "out") == 10
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert len(found) == 10
    assert found[-5:] == [
        "photo/test/photo-3.png",
        *(f"photo/train/photo-{n}.png" for n in (0, 2, 4)),
        "photo/val/photo-1.png",
    ]
    assert np.array_equal(Image.open(tmp_path / "out/photo/test/photo-3.png"), picture(3))


def test_metadata_and_attribution_lie_beside_the_images(dataset: Path, tmp_path: Path) -> None:
    export(dataset, "folder", tmp_path / "out")
    with (tmp_path / "out/metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert [rows[3][name] for name in ("domain", "face_id", "tags", "labels", "weight", "hair_rgb")] == [
        *("photo", "photo-3", "a b;c", "1 0", "1.0", "")
    ]
    assert (tmp_path / "out/attribution.csv").read_text() == (dataset / "attribution.csv").read_text()
    assert json.loads((tmp_path / "out/export.json").read_text()) == {
        "experiment": "x",
        "format": "folder",
        "labels": ["nose", "smile"],
    }


def test_each_subject_has_a_zip_of_its_own(dataset: Path, tmp_path: Path) -> None:
    export(dataset, "zip-per-subject", tmp_path / "out")
    inside = {path.name: zipfile.ZipFile(path).namelist() for path in (tmp_path / "out/photo").iterdir()}
    assert sorted(inside) == sorted(f"{file_name(subject)}.zip" for subject in set(SUBJECTS))
    assert inside[f"{file_name('Ada')}.zip"] == ["train/photo-0.png", "test/photo-3.png"]
    assert inside["without-subject.zip"] == ["train/photo-2.png"]


def test_a_subject_names_a_file_that_no_other_has_and_that_lies_nowhere_else() -> None:
    names = ["ada", "Ada", "a d a", "a-d-a", "../x", "x", "李", "", "without-subject", None]
    found = [file_name(name) for name in names]
    assert len(set(found)) == len(names)
    assert found[0] == "ada"
    assert not any("/" in name or name.startswith(".") for name in found)


def test_shards_hold_each_image_beside_what_is_known_of_it(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "SHARD_FACES", 2)
    export(dataset, "webdataset", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("photo*")) == [
        *("photo-test-000000.tar", "photo-train-000000.tar", "photo-train-000001.tar", "photo-val-000000.tar")
    ]
    with tarfile.open(tmp_path / "out/photo-train-000000.tar") as shard:
        names = [f"photo-{n}.{ending}" for n in (0, 2) for ending in ("json", "png")]
        assert shard.getnames() == names
        row = json.load(shard.extractfile(names[0]))  # type: ignore[arg-type]
        assert (row["subject"], row["tags"], row["labels"]) == ("Ada", ["a b", "c"], [1, 0])
        image = Image.open(io.BytesIO(shard.extractfile(names[3]).read()))  # type: ignore[union-attr]
        assert np.array_equal(image, picture(2))


@pytest.mark.parametrize("layout", FORMATS)
def test_the_same_dataset_gives_the_same_bytes_in_place_of_an_earlier_export(
    dataset: Path, tmp_path: Path, layout: exporting.Format
) -> None:
    export(dataset, layout, tmp_path / "one")
    export(dataset, "folder", tmp_path / "other")
    export(dataset, layout, tmp_path / "other")
    assert files(tmp_path / "one") == files(tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "one", "other"]


def test_a_folder_that_is_no_export_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    precious = tmp_path / "home/thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years")
    with pytest.raises(UserError, match="no earlier export"):
        export(dataset, "folder", precious.parent)
    with pytest.raises(UserError, match="no earlier export"):
        export(dataset, "folder", precious)
    assert precious.read_text() == "years"


def test_an_export_that_fails_leaves_the_earlier_one(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(dataset, "folder", tmp_path / "out")
    before = files(tmp_path / "out")
    (dataset / "attribution.csv").unlink()
    with pytest.raises(FileNotFoundError):
        export(dataset, "webdataset", tmp_path / "out")
    assert files(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "out"]


def test_the_command_line_exports(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/datasets").mkdir()
    dataset.rename("data/datasets/x")
    said = CliRunner().invoke(app, ["dataset", "export", "x", "--format", "zip-per-subject"])
    assert (said.exit_code, "10 faces" in said.output) == (0, True)
    assert Path("exports/x-zip-per-subject/export.json").exists()
    missing = CliRunner().invoke(app, ["dataset", "export", "y"])
    assert isinstance(missing.exception, UserError)
    assert CliRunner().invoke(app, ["dataset", "export", "x", "--format", "cd"]).exit_code == 2
