"""`python -m pipeline export`: what it leaves, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import onnxruntime
import pyarrow as pa
import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline import parts
from pipeline.cli import app
from pipeline.datasets.arrays import load_dataset
from pipeline.errors import UserError
from pipeline.exporting import package
from pipeline.exporting.exported import NOTICE
from pipeline.exporting.markdown import table, words
from pipeline.exporting.origins import origins
from pipeline.exporting.package import export
from tests.exporting.trained_project import NAME, write_metrics, write_project
from tests.report.measured_experiments import estimate, numbers

OUT = Path("exports") / f"{NAME}-onnx"
COPIED = estimate(0.01, 0.01)


@pytest.fixture
def project(in_folder: Path) -> Path:
    write_project(in_folder, "cut")
    return in_folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def credit(domain: str, **facts: str) -> None:
    """Write other facts in every row of a domain of the dataset."""
    path = Path("data/datasets") / NAME / f"{domain}.rows.parquet"
    rows = parts.read_table(path)
    for name, value in facts.items():
        filled = pa.array([value] * rows.num_rows)
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), filled)
    parts.write_table(path, rows)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose model was exported once, with faces that say where they are from."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_project(folder, "cut")
        credit(
            "photo", licence="CC BY-NC 4.0", author="A | [b](javascript:x)", url="https://pictures.test/1.png"
        )
        write_metrics(folder, {"photo_to_anime": numbers(0.1) | {"outputs": 25, "relative_change": COPIED}})
        result = CliRunner().invoke(app, ["export", NAME])
    assert result.exit_code == 0
    assert re.search(
        r"photo_to_anime.onnx: photo to anime; images of 1 faces differ .* at most", result.output
    )
    return folder


def test_a_model_leaves_with_its_card(exported: Path) -> None:
    out = exported / OUT
    assert sorted(contents(out)) == [
        "MODEL_CARD.md",
        "attribution.csv",
        "experiment.json",
        "export.json",
        "photo_to_anime.onnx",
    ]
    session = onnxruntime.InferenceSession(out / "photo_to_anime.onnx")
    assert session.get_modelmeta().custom_metadata_map == {
        "experiment": NAME,
        "translation": "photo_to_anime",
        "notice": NOTICE,
    }
    card = (out / "MODEL_CARD.md").read_text()
    for said in (
        f"**{NOTICE}**",
        "| photo | 6 | 1 | 1 | 8 |",
        r"| photo | pictures.test | CC BY-NC 4.0 | 8 | A \| \[b\](javascript:x) (8) |",
        "| anime | not said | not said | 8 | not said (8) |",
        "| 0 to 2 | the face's image, RGB",
        "| KID (tagger) | 0.100 (95%: 0.095 to 0.105) |",
        "**photo to anime copies its input**",
        "photo to anime: 10.0% (95%: 8% to 12%) of 25 outputs are suspected copies by tagger",
        "The licences of 8 faces forbid commercial use",
        "Of 8 faces no licence is said.",
        "photo to anime was measured on 25 faces only",
        parts.content_hash(out / "photo_to_anime.onnx"),
        parts.content_hash(exported / "models" / NAME / "weights/seed-0/generator.safetensors"),
        "method: cut\n",
    ):
        assert said in card
    assert str(exported) not in card


def test_the_card_s_example_runs(exported: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(exported / OUT, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    Image.new("RGB", (90, 80), (200, 150, 120)).save("face.png")
    (code,) = re.findall(r"```python\n(.*?)```", Path("MODEL_CARD.md").read_text(), re.DOTALL)
    exec(code, {})
    with Image.open("made.png") as made:
        assert made.size == (32, 32)


def test_the_same_model_gives_the_same_bytes_in_place_of_the_old(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(exported)
    first = contents(OUT)
    (OUT / "left").touch()
    export(NAME, OUT)
    assert contents(OUT) == first
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]


def test_nothing_is_left_where_the_check_fails(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(*_: object) -> None:
        raise UserError("images differ; nothing was written")

    monkeypatch.setattr(package, "write_onnx", lambda path, *_: path.touch())
    monkeypatch.setattr(package, "compare", differs)
    with pytest.raises(UserError, match="nothing was written"):
        export(NAME, OUT)
    assert not list(OUT.parent.iterdir())


@pytest.mark.long
def test_both_ways_of_a_method_are_files_and_the_second_sees_its_own_faces(in_folder: Path) -> None:
    write_project(in_folder, "cyclegan")
    there, back = export(NAME, OUT)
    assert (there.name, back.name) == ("photo_to_anime", "anime_to_photo")
    assert {path.name for path in OUT.glob("*.onnx")} == {"photo_to_anime.onnx", "anime_to_photo.onnx"}
    assert there.difference != back.difference
    card = (OUT / "MODEL_CARD.md").read_text()
    assert "Not yet: `dvc repro evaluate@tiny` measures it." in card
    assert "Nothing is known of how good it is" in card


def test_what_is_not_trained_is_named_with_what_is(project: Path) -> None:
    result = CliRunner().invoke(app, ["export", "tinny"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == (
        "models: 'tinny' is not one of the trained experiments: tiny; did you mean 'tiny'?; "
        "`dvc repro train@tinny` trains one of params.yaml"
    )


def test_a_model_that_translates_nothing_is_refused(in_folder: Path) -> None:
    write_project(in_folder, "tagger")
    with pytest.raises(UserError, match="method tagger translates nothing"):
        export(NAME, OUT)


def test_a_method_that_no_file_can_hold_is_refused_by_its_experiment(in_folder: Path) -> None:
    write_project(in_folder, "pix2pix", test_dropout=True)
    with pytest.raises(UserError, match=r"params.yaml: experiments.tiny.test_dropout: .* set it to false"):
        export(NAME, OUT)
    assert not OUT.parent.exists()


def test_a_dataset_that_was_changed_since_is_refused(project: Path) -> None:
    path = Path("data/datasets") / NAME / "experiment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lambda_gan": 3.0}))
    with pytest.raises(UserError, match=r"is of other options than .*; `dvc repro train@tiny` trains"):
        export(NAME, OUT)


def test_a_dataset_without_attribution_is_refused(project: Path) -> None:
    (Path("data/datasets") / NAME / "attribution.csv").unlink()
    with pytest.raises(UserError, match=r"attribution.csv is missing; `dvc repro --force dataset@tiny`"):
        export(NAME, OUT)


def test_damaged_weights_are_refused(project: Path) -> None:
    (Path("models") / NAME / "weights/seed-0/generator.safetensors").write_bytes(b"{}")
    with pytest.raises(UserError, match=r"generator.safetensors is damaged"):
        export(NAME, OUT)


def test_sources_are_those_of_the_catalogue(project: Path) -> None:
    credit("photo", url="https://pictures.test/1.png", author="Ada")
    faces = [{"face_id": f"photo-{n}", "source": "portraits"} for n in range(5)]
    parts.write_rows(Path("data/catalogue/faces.parquet"), faces, parts.FACES)
    found = origins(load_dataset(Path("data/datasets") / NAME))
    assert [(each.domain, each.source, each.faces) for each in found] == [
        ("photo", "portraits", 5),
        ("photo", "pictures.test", 3),
        ("anime", "not said", 8),
    ]
    assert found[0].authors == {"Ada": 5}


def test_words_of_others_stay_words() -> None:
    assert words("a|b\n<img> [x](y) *z* `k`") == r"a\|b \<img\> \[x\](y) \*z\* \`k\`"
    assert table(("a", "b"), [(1, words("x|y"))]) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |"
