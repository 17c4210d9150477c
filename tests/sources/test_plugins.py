from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.workspace import Workspace
from pipeline import parts
from pipeline.errors import UserError
from pipeline.params import Limit, SourceEntry
from pipeline.sources import build, kind_named, kinds
from tests.crawl.local_site import LocalSite, Reply, png, serving

CLASS = '''
from pipeline.crawl.references import ImageRef, Source
from pipeline.params import Section


class ShelfOptions(Section):
    """Where the shelf stands."""

    base: str


class ShelfSource(Source[ShelfOptions]):
    """Pictures that a JSON list names."""

    kind = "shelf"
    terms = "Made up for a test; free for all uses."
    Options = ShelfOptions

    def discover(self, session, known):
        """Yield the pictures in the order of the list."""
        for name in session.get_json(f"{self.options.base}/list.json", api=True):
            yield ImageRef(f"{self.options.base}/{name}", licence="CC0 1.0")
'''


def install(folder: Path, code: str, kind: str = "shelf", name: str = "likeness-shelf") -> None:
    """Build a package of one module that adds one kind, and install it into `folder/installed`."""
    uv = pytest.importorskip("uv", reason="uv, of the extra dev, is not installed")
    project = folder / name
    project.mkdir()
    module = name.replace("-", "_")
    (project / f"{module}.py").write_text(code)
    (project / "pyproject.toml").write_text(
        f"""
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"

        [project]
        name = "{name}"
        version = "1.0"

        [project.entry-points."likeness.sources"]
        {kind} = "{module}:ShelfSource"

        [tool.setuptools]
        py-modules = ["{module}"]
        """
    )
    options = ("--quiet", "--offline", "--no-deps", "--no-build-isolation", "--no-config")
    place = ("--python", sys.executable, "--target", folder / "installed")
    subprocess.run([uv.find_uv_bin(), "pip", "install", *options, *place, project], check=True)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder whose `installed` packages this process and its children find."""
    installed = tmp_path / "installed"
    monkeypatch.syspath_prepend(installed)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    yield tmp_path
    for module in ("likeness_shelf", "another_shelf"):
        sys.modules.pop(module, None)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    install(folder, CLASS)
    return folder / "installed"


@pytest.fixture
def shelf(built: Path, place: Path) -> Path:
    """Return the module of the installed package that adds `shelf`."""
    shutil.copytree(built, place / "installed")
    return place / "installed" / "likeness_shelf.py"


def entry(kind: str = "shelf", **options: object) -> SourceEntry:
    return SourceEntry(kind=kind, domain="photo", limit=Limit(images=9), **options)


def test_the_kind_of_an_installed_package_is_crawled(
    shelf: Path, workspace: Callable[[dict], Workspace]
) -> None:
    site = LocalSite()
    site.routes["/list.json"] = Reply(b'["1.png", "2.png"]')
    site.routes |= {f"/{number}.png": Reply(png(number)) for number in (1, 2)}
    with serving(site):
        listed = entry(base=f"http://127.0.0.1:{site.port}", allow_networks=["127.0.0.0/8"])
        there = workspace({"shelf": listed.model_dump(mode="json", exclude_none=True)})
        assert "shelf: 2 new" in there.run("pipeline", "crawl", "shelf")
    (part,) = parts.list_parts(there.folder / "data" / "raw" / "shelf")
    assert {row["licence"] for row in parts.read_rows(part)} == {"CC0 1.0"}


def test_an_added_kind_is_listed_with_the_package_that_adds_it(shelf: Path) -> None:
    listed = dict(kinds())
    assert listed["shelf"] == "likeness-shelf"
    assert listed["folder"] is None
    assert kind_named("shelf").terms.startswith("Made up")


def test_the_options_of_an_added_kind_are_checked(shelf: Path) -> None:
    with pytest.raises(UserError, match=r"^params.yaml: sources.mine.base: this key is missing$"):
        build("mine", entry())


def test_an_unknown_kind_is_told_all_kinds(shelf: Path) -> None:
    with pytest.raises(
        UserError, match=r"sources.mine.kind: 'shelv' is not one of the kinds: .*folder.*shelf"
    ):
        build("mine", entry("shelv"))


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import not_there", "cannot be imported: ModuleNotFoundError: No module named 'not_there'"),
        ("ShelfSource = print(", "cannot be imported: SyntaxError: "),
        ("raise OSError('no display')", "cannot be imported: OSError: no display"),
        ("", "cannot be imported: AttributeError: "),
        ("class ShelfSource: kind = 'shelf'", "is no subclass of pipeline.crawl.references.Source"),
        ("ShelfSource = 3", "is no subclass of pipeline.crawl.references.Source"),
        (CLASS.replace("def discover", "def explore"), "does not define discover"),
        (CLASS.replace('kind = "shelf"', ""), "must have the attribute kind = 'shelf'"),
        (CLASS.replace('kind = "shelf"', 'kind = "rack"'), "must have the attribute kind = 'shelf'"),
        (CLASS.replace("terms =", "words ="), "must say its terms"),
        (CLASS.replace("    Options = ShelfOptions", ""), "must have its Options"),
        (CLASS.replace("Options = ShelfOptions", "Options = dict"), "must have its Options"),
    ],
)
def test_a_faulty_package_is_named_and_breaks_its_own_kind_only(
    shelf: Path, code: str, complaint: str
) -> None:
    shelf.write_text(code)
    with pytest.raises(UserError) as raised:
        build("mine", entry())
    assert str(raised.value).startswith(
        "params.yaml: sources.mine.kind: 'shelf' is added by likeness-shelf, whose likeness_shelf:ShelfSource "
        f"{complaint}"
    )
    assert build("other", entry("folder", path="."))


def test_a_package_does_not_replace_a_built_in_kind(place: Path) -> None:
    install(place, CLASS.replace("shelf", "folder"), kind="folder")
    with pytest.raises(UserError, match=r"'folder' is built in, but added by likeness-shelf too"):
        build("mine", entry("folder", path="."))
    assert build("other", entry("gallery", start="https://example.org/", item="li", image="img"))
    assert [name for name, _ in kinds()].count("folder") == 1


def test_two_packages_do_not_add_the_same_kind(shelf: Path) -> None:
    install(shelf.parent.parent, CLASS, name="another-shelf")
    with pytest.raises(
        UserError, match=r"'shelf' is added by another-shelf, likeness-shelf; remove all but one"
    ):
        build("mine", entry())
