"""The whole page, of at least four experiments: complete, small enough, and able to do without a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline import parts
from pipeline.datasets.arrays import ROWS
from pipeline.report import page as page_module
from pipeline.report.page import LIMIT_BYTES, render
from tests.report.measured_experiments import (
    COMMAND,
    WAY,
    estimate,
    numbers,
    options,
    write_catalogue,
    write_copies,
    write_measured,
    write_samples,
    write_tags,
    write_training,
)

pytestmark = pytest.mark.usefixtures("in_folder")
KIDS = {"cyclegan-landmarks": 0.05, "cyclegan": 0.09, "cut": 0.2, "munit": 0.21}


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the words of its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def values(self, *names: str) -> list[str]:
        return [value or "" for _, of in self.found for name, value in of.items() if name in names]


def write_experiments(names: Sequence[str], faces: int = 4, size_px: int = 32) -> dict[str, dict[str, Any]]:
    """Write experiments with all that one can leave, and return their entries."""
    for number, name in enumerate(names):
        kid = KIDS.get(name, 0.1 + number / 100)
        write_measured(name, {WAY: numbers(kid), "anime_to_photo": numbers(kid + 0.3)})
        write_samples(name, faces, size_px, seed=number)
        write_copies(name, min(faces, 10), size_px)
        write_training(name, size_px, min(faces, 8))
    return {name: options() for name in names}


@pytest.fixture
def four(in_folder: Path) -> dict[str, dict[str, Any]]:
    write_catalogue(sources=1, faces=2)
    return write_experiments(list(KIDS))


def test_four_experiments_are_compared_and_shown(four: dict[str, dict[str, Any]]) -> None:
    page = render(four)
    assert page.index("Experiments compared") < page.index("Experiment cyclegan-landmarks")
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for expected in (
        "cyclegan-landmarks is better than cyclegan, cut and munit in KID (tagger)",
        "No difference can be told in",
        f"not measured: FID (inception): weights missing: run {COMMAND}",
        "5.0% (95%: 3% to 7%) of 25 outputs are suspected copies by tagger",
        "1.0% (95%: 0% to 2%) of held-out real faces",
        "suspected copy",
        "pixels: 12.5 away, closeness 0.25, suspected",
        "long hair should be kept, but moved towards the target",
        "part of what lies between two faces, ΔE00",
        "yaw 1 2 3 1.0 (95%: 0.5 to 1.5)",
        "Whose faces these are",
    ):
        assert expected in words


def test_every_output_links_to_its_image_and_page_and_says_its_licence(
    four: dict[str, dict[str, Any]],
) -> None:
    page = render(four)
    cards = re.findall(r'<div class="card.*?(?=<div class="card|</section>)', page, re.S)
    assert len(cards) == 4 * (4 + 4)
    for card in cards:
        assert re.search(r'<a href="https://pictures\.example/[\w-]+\.png">image</a>', card)
        assert re.search(r'<a href="https://pictures\.example/[\w/-]+">page</a>', card)
        assert re.search(r"CC (BY|BY-SA) [34]\.0", card)
    memorised = [card for card in cards if "training image:" in card]
    assert all("CC0 · B. Painter" in card for card in memorised)


def test_the_page_needs_no_network(four: dict[str, dict[str, Any]]) -> None:
    page = render(four)
    elements = Elements(page)
    loaded = elements.values("src", "srcset", "poster", "data", "action", "background")
    assert loaded
    assert all(value.startswith("data:image/jpeg;base64,") for value in loaded)
    assert not {tag for tag, _ in elements.found} & {"link", "iframe", "object", "embed", "base", "video"}
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", page)


def test_columns_say_how_to_sort_them_and_their_tables_scroll_by_themselves(
    four: dict[str, dict[str, Any]],
) -> None:
    page = render(four)
    heads = re.findall(r'<th scope="col" data-better="(\w+)"', page)
    assert {"lower", "higher", "none"} == set(heads)
    assert page.count('<table class="compared">') == 4
    assert page.count('<div class="scroll" tabindex="0" role="region"') >= 4
    assert page.count('aria-sort", sign') == 1


def test_the_same_inputs_give_the_same_page(four: dict[str, dict[str, Any]]) -> None:
    assert render(four) == render(four)


def test_a_page_that_is_too_large_shows_less_of_every_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    write_catalogue(sources=2, faces=30)
    entries = write_experiments(["one", "other"], faces=12)
    full = render(entries)
    monkeypatch.setattr(page_module, "LIMIT_BYTES", len(full.encode()) // 3)
    monkeypatch.setattr(page_module, "AIM_BYTES", len(full.encode()) // 4)
    page = render(entries)
    assert len(page.encode()) < page_module.LIMIT_BYTES
    assert "of its pictures, so that this page stays under" in page
    for name in ("source-0", "source-1", "experiment-one", "experiment-other"):
        section, before = (each[each.index(f'id="{name}"') :].split("</section>")[0] for each in (page, full))
        assert 0.1 < section.count("<img") / before.count("<img") < 0.5


@pytest.mark.long
def test_a_page_of_twenty_experiments_and_twenty_sources_stays_under_15_mb() -> None:
    write_catalogue(sources=20, faces=40)
    page = render(write_experiments([f"experiment-{number}" for number in range(20)], faces=12, size_px=96))
    assert len(page.encode()) < LIMIT_BYTES
    assert "of its pictures, so that this page stays under 15 MB" in page
    for number in range(20):
        section = page[page.index(f'id="experiment-experiment-{number}"') :].split("</section>")[0]
        assert section.count('class="card') >= 3  # thinned evenly: every sheet still shows something
        source = page[page.index(f'id="source-{number}"') :].split("</section>")[0]
        assert source.count('alt="aligned face"') >= 5


def test_a_page_that_cannot_be_thinned_enough_has_no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    write_catalogue(sources=1, faces=2)
    entries = write_experiments(["only"])
    monkeypatch.setattr(page_module, "LIMIT_BYTES", 10_000)
    monkeypatch.setattr(page_module, "AIM_BYTES", 9_000)
    page = render(entries)
    assert "data:image" not in page
    assert "Experiment only" in page


def test_classifiers_alone_make_a_page_too() -> None:
    write_catalogue(sources=1, faces=2)
    lighting = {
        "vis": {"darkest": estimate(0.5, 0.1, luminance=0.2), "brightest": estimate(0.7, 0.1, luminance=0.8)}
    }
    recognised = {
        "rank_1": estimate(0.6, 0.1, of=40),
        "weights": "dlib-resnet-128",
        "by_domain": {"vis": estimate(0.8, 0.1, of=20), "nir": estimate(0.6, 0.1, of=20)},
        "by_lighting": lighting,
        "by_tag": {},
    }
    write_measured(
        "recogniser", {"recognition": recognised}, {"recognition": {"tar_at_0.001": "needs 1000 pairs"}}
    )
    write_measured("tagger", {"tags": {"mean_average_precision": estimate(0.6, 0.1)}}, {})
    page = render({"recogniser": options(), "tagger": options()})
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "vis 0.80 (95%: 0.70 to 0.90) 20" in words
    assert "vis 0.50 (95%: 0.40 to 0.60); luminance 0.2 0.70 (95%: 0.60 to 0.80); luminance 0.8" in words
    assert "by tag" not in words
    assert 'class="card' not in page


def test_tags_are_a_table_with_the_worst_mistakes_as_pictures() -> None:
    write_catalogue(sources=1, faces=2)
    write_measured("tagger", {"tags": {"mean_average_precision": estimate(0.6, 0.1)}}, {})
    write_tags("tagger", {"long_hair": 0.8, "beard": 0.25, "hat": None})
    page = render({"tagger": options()})
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "long hair 90 40 50 0.80 (95%: 0.70 to 0.90) 0.8 0.7 0.75 0.5" in words
    assert "hat 90 40 50 no number" in words
    assert "0.5 (not tuned)" in words
    assert "beard lacks it, 97% sure" in words
    assert words.index("beard lacks it") < words.index("long hair lacks it") < words.index("hat lacks it")
    assert "has it: image · page · CC BY 4.0 · C. Painter" in words


def test_an_address_that_is_none_of_the_web_is_no_link() -> None:
    write_catalogue(sources=1, faces=2)
    entries = write_experiments(["only"], faces=2)
    table = [
        {
            "face_id": "photo-0",
            "split": "val",
            "url": "javascript:alert(1)",
            "page_url": "javascript:alert(2)",
        },
        {"face_id": "photo-1", "split": "val", "url": "/srv/pictures/<b>.png", "licence": "<script>"},
    ]
    parts.write_rows(Path("data/datasets/only/photo.rows.parquet"), table, ROWS)
    page = render(entries)
    assert not any(value.startswith("javascript:") for value in Elements(page).values("href"))
    assert "/srv/pictures/&lt;b&gt;.png" in page
    assert "<b>.png" not in page


def test_experiments_without_samples_datasets_or_reasons_are_shown(four: dict[str, dict[str, Any]]) -> None:
    for path in ("samples/cut", "samples/munit", "data/datasets/cyclegan"):
        for file in Path(path).iterdir():
            file.unlink()
    page = render(four)
    assert page.count("<h2>Experiment ") == 4


def test_votes_of_people_have_a_table_beside_the_comparison(four: dict[str, dict[str, Any]]) -> None:
    lines = ["rater,face_id,way,left,right,choice,time"]
    lines += [
        f"ann,face-{n},{WAY},cut,munit,{choice},2026-01-31T12:00:00Z"
        for n, choice in enumerate(["left"] * 6 + ["tie", "right"])
    ]
    Path("ratings.csv").write_text("\n".join(lines) + "\n")
    page = render(four)
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "8 votes on 8 faces by 1 person" in words
    assert "+0.73 6 1 1" in words
