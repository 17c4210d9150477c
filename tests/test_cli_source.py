from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image, ImageDraw

from benchmarks.real_pictures import REPOSITORY
from benchmarks.workspace import Workspace
from pipeline.crawl.references import ImageRef, Refusal
from pipeline.crawl.run import Summary
from pipeline.errors import UserError
from pipeline.sources import kind_named, kinds
from pipeline.workbench import overview
from pipeline.workbench.adding import read_value, read_values
from pipeline.workbench.checking import Findings, describe, preview
from pipeline.workbench.contact_sheet import THUMBNAIL_PX, caption, contact_sheet
from pipeline.workbench.entries import render_entry
from tests.crawl.local_site import Listed, LocalSite, Reply, client, crawl_into, html, serving, stored

OPEN = {"allow_networks": ["127.0.0.0/8"], "requests_per_s": 500}
GALLERY = {
    "item": "figure",
    "image": "img",
    "next": "a[rel=next]",
    "fields": {"title": "figcaption", "licence": ".by"},
}


def picture(number: int, side: int = 60) -> bytes:
    image = Image.new("RGB", (side + number, side), (40 * number % 256, 90, 160))
    ImageDraw.Draw(image).ellipse((10, 10, side - 10, side - 10), fill=(240, 210, 180))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def site() -> Iterator[LocalSite]:
    """Two list pages of nine pictures each; the third picture is gone, the fourth is no image."""
    site = LocalSite()
    for page in (0, 1):
        shown = "".join(
            f'<figure><img src="/{n}.png"><figcaption>Face {n}</figcaption><b class="by">CC BY 4.0</b></figure>'
            for n in range(9 * page, 9 * page + 9)
        )
        following = '<a rel="next" href="/1">more</a>' if page == 0 else ""
        site.routes[f"/{page or ''}"] = html(shown + following)
    for number in range(18):
        site.routes[f"/{number}.png"] = Reply(picture(number))
    del site.routes["/2.png"]
    site.routes["/3.png"] = html("no picture")
    with serving(site):
        yield site


def entry_of(site: LocalSite, **options: object) -> dict[str, object]:
    start = f"http://127.0.0.1:{site.port}/"
    limit = {"images": 500, "pages": 9}
    return {"kind": "gallery", "domain": "photo", "start": start, "limit": limit} | GALLERY | OPEN | options


def command(workspace: Workspace, *arguments: str, exit_code: int = 0) -> str:
    return workspace.run("pipeline", "source", *arguments, exit_code=exit_code)


# source add


def test_a_new_source_is_filled_in_step_by_step_until_its_check_shows_faces(
    workspace: Callable[[dict], Workspace], site: LocalSite
) -> None:
    place = workspace({})
    params = place.folder / "params.yaml"
    params.write_bytes((REPOSITORY / "params.yaml").read_bytes())
    said = command(place, "add", "newborns", "--kind", "gallery", "--domain", "photo", "--set", "item=figure")
    assert "to fill in: sources.newborns.start" in said
    assert "python -m pipeline source check newborns" in said
    text = params.read_text()
    written = text.splitlines()
    assert "    item: figure" in written
    assert "    # start: REQUIRED — a web address, or a list of them" in written
    assert "    # newest_first: false                 # true or false" in written
    shipped = (REPOSITORY / "params.yaml").read_text().splitlines()
    begin = written.index("  newborns:")
    end = begin + len(written) - len(shipped)
    assert written[:begin] + written[end:] == shipped

    said = command(place, "check", "newborns", exit_code=2)
    assert "params.yaml: sources.newborns.start: this key is missing" in said
    start = f"    start: http://127.0.0.1:{site.port}/\n    image: img\n    requests_per_s: 500"
    text = text.replace("    # start: REQUIRED — a web address, or a list of them", start)
    params.write_text(text)
    said = command(place, "check", "newborns", exit_code=2)
    assert "sources.newborns.start" in said
    assert "address_refused" in said
    params.write_text(text.replace("    item:", "    allow_networks: [127.0.0.0/8]\n    item:"))
    assert "contact sheet: report/check/newborns.png" in command(place, "check", "newborns")


@pytest.mark.parametrize("kind", [name for name, _ in kinds()])
def test_the_entry_of_every_kind_is_yaml_that_says_each_option_once(kind: str) -> None:
    loaded = kind_named(kind)
    entry = render_entry("x", loaded, ["photo", "anime"], {"domain": "photo"})
    assert yaml.safe_load(entry)["x"].keys() <= {"kind", "domain", "limit"}
    assert ("limit" in yaml.safe_load(entry)["x"]) == loaded.needs_limit
    lines = [line.strip(" #") for line in entry.splitlines()]
    for option, field in loaded.Options.model_fields.items():
        said = [line for line in lines if line.startswith(f"{option}:")]
        assert len(said) == 1
        assert ("REQUIRED" in said[0]) == field.is_required()
    assert max(map(len, entry.splitlines())) < 200


def test_defaults_in_comments_are_the_values_that_hold_anyway() -> None:
    commons = kind_named("commons")
    entry = render_entry("x", commons, ["photo"], {"domain": "photo", "category": "Faces"})
    uncommented = entry.replace("# sort:", "sort:").replace("# api:", "api:").replace("# search:", "search:")
    values = yaml.safe_load(uncommented)["x"]
    options = {key: values[key] for key in ("category", "search", "sort", "api")}
    assert commons.Options.model_validate(options) == commons.Options.model_validate({"category": "Faces"})


def test_values_are_yaml_or_text() -> None:
    assert read_values(["a=1", "b={x: .y}", "c=a[rel=next]", "d=#top li", "e=x=y"]) == {
        "a": 1,
        "b": {"x": ".y"},
        "c": "a[rel=next]",
        "d": "#top li",
        "e": "x=y",
    }
    assert read_value("*") == "*"
    with pytest.raises(UserError, match="--set item: must be OPTION=VALUE"):
        read_values(["item"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Bad_Name", "--kind", "gallery"], "sources: 'Bad_Name' is no name for a source"),
        (["lab", "--kind", "folder"], "sources.lab: is there already"),
        (["x", "--kind", "galery"], "sources.x.kind: 'galery' is not one of the kinds: "),
        (["x", "--kind", "galery"], "did you mean 'gallery'?"),
        (
            ["x", "--kind", "gallery", "--domain", "foto"],
            "sources.x.domain: 'foto' is not one of the domains: photo",
        ),
        (["x", "--kind", "gallery", "--set", "itm=b"], "'itm' is not one of the options of the kind gallery"),
        (["x", "--kind", "gallery", "--set", "start=ftp"], "sources.x.start.0: String should match pattern"),
        (["x", "--kind", "gallery", "--set", "limit={images: 0}"], "sources.x.limit.images: "),
        (["x", "--kind", "demo", "--set", "count=many", "--set", "style=oil"], "sources.x.style: "),
    ],
)
def test_a_wrong_source_is_not_added(
    in_folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    text = "domains: {photo: {faces: real}}\nsources:\n  lab: {kind: folder}\n"
    Path("params.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        run_here("source", "add", *arguments)
    assert "params.yaml: " in str(error.value)
    assert message in str(error.value)
    assert Path("params.yaml").read_text() == text


def test_a_pair_has_a_domain_for_each_role(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").write_text("domains: {photo: {}, scan: {}}\nsources: {}\n")
    domains = "{before: scan, after: photo}"
    run_here(
        "source", "add", "x", "--kind", "gallery", "--domain", domains, "--set", "start=https://a.example/"
    )
    assert yaml.safe_load(Path("params.yaml").read_text())["sources"]["x"] == {
        "kind": "gallery",
        "domain": {"before": "scan", "after": "photo"},
        "limit": {"images": 100, "pages": 5},
        "start": "https://a.example/",
    }
    assert "to fill in: sources.x.item" in capsys.readouterr().out


def test_what_options_lack_together_is_to_be_filled_in(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("params.yaml").write_text("domains: {photo: {}}\nsources:\n")
    values = ("--set", "start=[https://a.example/, https://b.example/]", "--set", "item=li")
    run_here("source", "add", "x", "--kind", "gallery", "--domain", "photo", *values)
    assert "to fill in: params.yaml: sources.x: give either image or pair" in capsys.readouterr().out


def run_here(*arguments: str) -> None:
    from pipeline.cli import app

    app(arguments, standalone_mode=False)


# source check


def test_a_check_fetches_a_dozen_and_leaves_nothing_but_the_contact_sheet(
    workspace: Callable[[dict], Workspace], site: LocalSite
) -> None:
    place = workspace({"faces": entry_of(site)})
    before = everything(place)
    said = command(place, "check", "faces", "--count", "5").splitlines()
    assert sorted(everything(place) - before) == [Path("report/check/faces.png")]
    assert "found     5 images and items, by 7 requests" in said
    assert "fetched   3 images" in said
    assert "rejected  not_found 1, not_an_image 1" in said
    assert "licences  CC BY 4.0 3" in said
    assert "sizes     60x60 to 64x60 px" in said
    assert "formats   PNG 3" in said
    assert "stopped   the limit of images is reached" in said
    assert f"http://127.0.0.1:{site.port}/2.png | not_found: HTTP 404" in said
    assert site.images_asked == 5
    with Image.open(place.folder / "report/check/faces.png") as sheet:
        assert sheet.width > 3 * THUMBNAIL_PX


def test_a_check_stays_within_the_sources_own_limit(
    workspace: Callable[[dict], Workspace], site: LocalSite
) -> None:
    place = workspace({"faces": entry_of(site, limit={"images": 2})})
    assert "fetched   2 images" in command(place, "check", "faces")
    assert site.images_asked == 2


def test_a_selector_that_matches_nothing_is_shown_with_the_html_nearest_to_it(
    workspace: Callable[[dict], Workspace], site: LocalSite
) -> None:
    place = workspace({"faces": entry_of(site, image="img.full")})
    said = command(place, "check", "faces", exit_code=2)
    assert "params.yaml: sources.faces.image: 'img.full' matches nothing" in said
    assert '<figure><img src="/0.png"/>' in said


def test_a_source_of_which_nothing_can_be_had_fails_its_check(
    workspace: Callable[[dict], Workspace], site: LocalSite
) -> None:
    site.routes["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /*.png")
    said = command(workspace({"faces": entry_of(site)}), "check", "faces", exit_code=2)
    assert "disallowed_by_robots" in said
    assert "params.yaml: sources.faces: no image could be had of it" in said


@pytest.mark.parametrize("verb", ["check", "preview"])
def test_an_unknown_source_is_met_with_the_one_that_was_meant(
    workspace: Callable[[dict], Workspace], site: LocalSite, verb: str
) -> None:
    said = command(workspace({"faces": entry_of(site)}), verb, "face", exit_code=2)
    assert "params.yaml: sources: 'face' is not one of the sources: faces; did you mean 'faces'?" in said


def test_pairs_groups_and_subjects_are_counted() -> None:
    row = {"licence": None, "width_px": 60, "height_px": 60, "format": "PNG", "group": None}
    row["bytes"] = picture(0)
    rows = [
        row | {"pair_id": pair, "role": role, "subject": pair}
        for pair, role in [("1", "before"), ("1", "after"), ("2", "before")]
    ]
    said = describe(Findings(Summary(discovered=3), rows, [])).splitlines()
    assert "pairs     1 complete, 1 incomplete, 1 without after" in said
    assert "licences  none said 3" in said
    assert "subjects  1 2, 2 1" in said
    said = describe(Findings(Summary(), rows, []), roles=("before", "after", "later")).splitlines()
    assert "pairs     0 complete, 2 incomplete, 1 without after, 2 without later" in said


def test_the_contact_sheet_shows_what_cannot_be_decoded_too(tmp_path: Path) -> None:
    site = LocalSite()
    broken = picture(1)[:60]
    site.routes = {"/a.png": Reply(picture(0)), "/b.png": Reply(broken)}
    with serving(site):
        crawl_into(tmp_path, Listed("/a.png", "/b.png"), site)
    rows = stored(tmp_path)
    assert len(rows) == 2
    assert "broken    undecodable 1" in describe(Findings(Summary(), rows, [])).splitlines()
    sheet = contact_sheet(rows)
    assert sheet.width < 3 * THUMBNAIL_PX
    assert sheet.getpixel((10 + THUMBNAIL_PX // 2, 10 + THUMBNAIL_PX // 2)) == (240, 210, 180)


def test_a_caption_says_role_size_and_licence() -> None:
    row = {"width_px": 640, "height_px": 480, "format": "JPEG", "bytes": b"x" * 52_400, "title": "A face"}
    paired = row | {"role": "before", "pair_id": "12", "licence": "CC0 1.0"}
    assert caption(paired) == ("before of 12", "640x480 JPEG, 52 kB", "CC0 1.0")
    plain = row | {"role": None, "pair_id": None, "licence": None}
    assert caption(plain) == ("A face", "640x480 JPEG, 52 kB", "no licence said")


# source preview


def test_a_preview_fetches_no_image(workspace: Callable[[dict], Workspace], site: LocalSite) -> None:
    place = workspace({"faces": entry_of(site)})
    said = command(place, "preview", "faces", "--count", "10").splitlines()
    host = f"http://127.0.0.1:{site.port}"
    assert said[0] == f"{host}/0.png | page {host}/ | title Face 0 | licence CC BY 4.0"
    assert len(said) == 10
    assert site.images_asked == 0


def test_a_preview_says_what_is_refused_and_where_it_stops(
    workspace: Callable[[dict], Workspace], site: LocalSite
) -> None:
    site.routes["/"] = html(
        '<figure id="empty"></figure><figure><img src="/1.png"></figure><a rel="next" href="/1">'
    )
    place = workspace({"faces": entry_of(site, limit={"pages": 1}, fields={})})
    host = f"http://127.0.0.1:{site.port}"
    assert command(place, "preview", "faces").splitlines() == [
        f"refused: {host}/#empty | no_image: the item shows no image",
        f"{host}/1.png | page {host}/ | licence none said",
        "stopped: the limit of pages is reached",
    ]


def test_a_sites_words_cannot_steer_the_terminal() -> None:
    with serving(LocalSite()) as site, client(site) as session:
        found = (
            ImageRef("http://a.test/1", title="a\x1b[2Jb\nc", tags=("x", "y"), pair_id="7", role="after"),
            Refusal("http://a.test/2", "not_found", ""),
        )
        assert list(preview("s", Listed(*found), session, 9)) == [
            "http://a.test/1 | title a [2Jb c | licence none said | tags x, y | pair 7 after",
            "refused: http://a.test/2 | not_found: the server has no such image",
        ]


# source list


def test_sources_and_kinds_are_listed(workspace: Callable[[dict], Workspace], site: LocalSite) -> None:
    place = workspace(
        {"faces": entry_of(site, domain={"before": "photo", "after": "anime"}), "half": {"kind": "demo"}}
    )
    place.set(schedules={"faces": "0 4 * * *"})
    said = command(place, "list").splitlines()
    assert re.split("  +", said[0]) == overview.HEADER
    limit, schedule = "500 images, 9 pages", "0 4 * * *"
    roles = "before: photo, after: anime"
    assert re.split("  +", said[1]) == ["faces", "gallery", roles, limit, schedule, "0", "-"]
    assert said[2].split() == ["half", "demo", "-", "-", "-", "0", "-"]
    assert any(line.startswith("gallery: A gallery on the web") for line in said)
    assert [line for line in said if line.startswith("  ")] == [
        f"  {kind_named(name).terms}" for name, _ in kinds()
    ]


def test_sources_are_listed_where_the_schedules_are_wrong(in_folder: Path) -> None:
    (row,) = overview.entries(
        {"sources": {"x": {"kind": "demo"}}, "schedules": ["0 4 * * *"]}, Path(".state")
    )
    assert row == ["x", "demo", "-", "-", "-", "0", "-"]


def test_what_was_crawled_is_listed(workspace: Callable[[dict], Workspace], site: LocalSite) -> None:
    place = workspace({"faces": entry_of(site)})
    place.run("pipeline", "crawl", "faces")
    row = command(place, "list").splitlines()[1].split()
    assert row[-3] == "16"
    assert row[-2].startswith("20")


def test_a_kind_of_another_distribution_is_added_like_any_other(
    workspace: Callable[[dict], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = workspace({})
    (place.folder / "lists.py").write_text(
        "from pipeline.crawl.references import ImageRef, Source\n"
        "from pipeline.params import Section\n"
        "class Options(Section):\n"
        "    '''`word` is what to draw.'''\n"
        "    word: str\n"
        "class Words(Source[Options]):\n"
        "    '''Images of words.'''\n"
        "    kind, terms, Options = 'words', 'Free of rights.', Options\n"
        "    def discover(self, session, known):\n"
        "        yield ImageRef(f'https://{self.options.word}.example/')\n"
    )
    info = place.folder / "words-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: words\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[likeness.sources]\nwords = lists:Words\n")
    monkeypatch.setenv("PYTHONPATH", os.fspath(place.folder))
    assert "words: Images of words. [from words]\n  Free of rights." in command(place, "list")
    command(place, "add", "mine", "--kind", "words", "--domain", "photo", "--set", "word=cat")
    assert command(place, "preview", "mine") == "https://cat.example/ | licence none said\n"


def everything(place: Workspace) -> set[Path]:
    files = (path for path in place.folder.rglob("*") if path.is_file())
    return {path.relative_to(place.folder) for path in files if "__pycache__" not in path.parts}
