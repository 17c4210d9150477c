from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from benchmarks.workspace import Workspace
from pipeline.errors import UserError
from pipeline.params import load_params
from pipeline.sources import check_all
from pipeline.workbench.recipes import enable, recipes

RECIPES = sorted(path.stem for path in (REPOSITORY / "recipes").glob("*.yaml"))
SHIPPED = (REPOSITORY / "params.yaml").read_text()
RECIPE = """\
about: Faces of a lab. What you must do first is to get them.
domains:
  near: {faces: real, detector: dlib-hog, landmarks: dlib-68}   # infrared
sources:
  # From the lab:
  lab:
    kind: folder
    domain: near
    path: $LAB_FACES                   # where they lie
experiments:
  near-to-photo:
    method: cyclegan
    domains: [near, photo]
    size_px: 64
    steps: 5                           # more, in earnest
"""


@pytest.fixture
def place(in_folder: Path) -> Path:
    """A folder with the shipped params.yaml and one recipe."""
    Path("params.yaml").write_text(SHIPPED)
    Path("recipes").mkdir()
    Path("recipes/lab.yaml").write_text(RECIPE)
    return in_folder


def params() -> dict:
    return yaml.safe_load(Path("params.yaml").read_text())


def without_lines_of(recipe: str, text: str) -> list[str]:
    """Return the lines of params.yaml that the recipe did not bring."""
    brought = [line.strip() for line in recipe.splitlines()]
    shipped, left = SHIPPED.splitlines(), []
    for line in text.splitlines():
        if shipped and line == shipped[0]:
            left.append(shipped.pop(0))
        elif line.strip() not in brought:
            left.append(line)
    return left


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_fits_into_the_shipped_params(place: Path, name: str) -> None:
    shutil.copy(REPOSITORY / "recipes" / f"{name}.yaml", "recipes")
    enabled = enable(name)
    merged = load_params()
    check_all(merged)
    content, written = enabled.recipe.content, params()
    for section in ("domains", "sources", "experiments"):
        assert written[section].items() >= getattr(content, section).items()
    assert set(content.sources) <= set(merged.sources)
    recipe = Path(f"recipes/{name}.yaml").read_text()
    assert without_lines_of(recipe, Path("params.yaml").read_text()) == SHIPPED.splitlines()
    assert enable(name).added == []


def test_there_are_recipes_that_say_what_they_are_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert [recipe.name for recipe in recipes()] == RECIPES
    assert all(len(recipe.first_sentence) > 20 for recipe in recipes())


def test_a_recipe_comes_with_its_comments(place: Path) -> None:
    assert enable("lab").added == ["domains.near", "sources.lab", "experiments.near-to-photo"]
    text = Path("params.yaml").read_text()
    for line in RECIPE.splitlines():
        if line.startswith("  "):
            assert line in text.splitlines()
    assert text.index("demo-cartoons:") < text.index("# From the lab:") < text.index("domains:  ")


def test_what_is_there_already_stays(place: Path) -> None:
    enable("lab")
    before = Path("params.yaml").read_bytes()
    assert enable("lab").added == []
    assert Path("params.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "anime: {",
            "near: {faces: whole, detector: none, landmarks: none}\n  anime: {",
            "domains.near: is there",
        ),
        (
            "demo-cartoons:",
            "lab: {kind: folder, path: /x, domain: photo}\n  demo-cartoons:",
            "sources.lab: is there",
        ),
        ("part_size: 512", "part_size: 1000", "params.yaml: crawl.part_size"),
        ("style: cartoon", "style: oil", "params.yaml: sources.demo-cartoons.style"),
    ],
)
def test_nothing_is_written_where_the_result_would_be_wrong(
    place: Path, old: str, new: str, message: str
) -> None:
    text = SHIPPED.replace(old, new)
    assert text != SHIPPED
    Path("params.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        enable("lab")
    assert Path("params.yaml").read_text() == text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("about: Faces of a lab.", "abuot: Faces.", r"recipes/lab.yaml: about: this key is missing"),
        ("sources:", "quality: {}\nsources:", "recipes/lab.yaml: quality: this key is unknown here"),
        ("kind: folder", "kind: foldr", "params.yaml: sources.lab.kind: 'foldr'"),
        ("domain: near", "domain: far", "params.yaml: sources.lab.domain: 'far' is not one of the domains"),
        ("path: ", "glob: 7\n    path: ", "params.yaml: sources.lab.glob: Input should be a valid string"),
        ("sources:", "sources: [", "recipes/lab.yaml: not valid YAML"),
    ],
)
def test_a_wrong_recipe_is_not_enabled(place: Path, old: str, new: str, message: str) -> None:
    Path("recipes/lab.yaml").write_text(RECIPE.replace(old, new))
    with pytest.raises(UserError, match=message):
        enable("lab")
    assert Path("params.yaml").read_text() == SHIPPED


def test_what_the_user_has_to_supply_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_FACES", raising=False)
    steps = enable("lab").next_steps
    assert steps == [
        "set the environment variable LAB_FACES, or edit sources.lab.path: $LAB_FACES",
        "python -m pipeline source check lab",
        "dvc repro evaluate@near-to-photo",
    ]
    monkeypatch.setenv("LAB_FACES", str(place / "faces"))
    assert enable("lab").next_steps[0] == "put the files at $LAB_FACES, or edit sources.lab.path"
    (place / "faces").mkdir()
    assert enable("lab").next_steps == steps[1:]


def test_a_value_that_only_the_user_knows_is_named(place: Path) -> None:
    Path("recipes/lab.yaml").write_text(RECIPE.replace("    path:", "    # path:"))
    assert enable("lab").next_steps[0] == "fill in sources.lab.path in params.yaml"
    with pytest.raises(UserError, match=r"params.yaml: sources.lab.path: this key is missing"):
        check_all(load_params())


def test_recipes_are_listed_and_enabled_from_the_command_line(workspace: Callable[[dict], Workspace]) -> None:
    place = workspace({})
    (place.folder / "recipes").mkdir(exist_ok=True)
    (place.folder / "recipes/lab.yaml").write_text(RECIPE)
    for arguments in ([], ["--list"], ["lab", "--list"]):
        assert "lab: Faces of a lab.\n" in place.run("pipeline", "enable", *arguments)
    said = place.run("pipeline", "enable", "labs", exit_code=2)
    assert "recipes/: 'labs' is not one of the recipes: " in said
    assert "did you mean 'lab'?" in said
    said = place.run("pipeline", "enable", "lab")
    assert "What you must do first is to get them." in said
    assert "params.yaml: added domains.near, sources.lab, experiments.near-to-photo" in said
    assert "1. set the environment variable LAB_FACES" in said
    assert "all of it is there already" in place.run("pipeline", "enable", "lab")
