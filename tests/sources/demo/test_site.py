"""The gallery site: what it lists and how it answers, as a pure function and over a socket."""

import http.client
import io
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from pipeline.sources.demo.site import PAGE_SIZE, DemoSite
from pipeline.sources.demo.web import DATE, ROBOTS_TXT, serving
from pipeline.sources.demo.words import colour_word

KINDS = {"single", "two", "none", "near-duplicate", "duplicate", "broken", "missing", "private"}


@pytest.fixture(scope="module")
def site() -> DemoSite:
    return DemoSite("cartoon", 24, 0)


def entry_of(site: DemoSite, kind: str):
    return next(entry for entry in site.entries if entry.kind == kind)


def image(site: DemoSite, kind: str) -> bytes:
    return site.respond(entry_of(site, kind).image_path).body


def test_twenty_four_entries_hold_one_of_each_kind(site):
    assert {entry.kind for entry in site.entries} == KINDS


def test_two_hundred_and_forty_entries_hold_the_promised_numbers():
    kinds = Counter(entry.kind for entry in DemoSite("portrait", 240, 0).entries)
    assert kinds["two"] == kinds["none"] == kinds["near-duplicate"] == 8
    assert kinds["duplicate"] == 4
    assert kinds["broken"] == kinds["missing"] == kinds["private"] == 1
    assert sum(kinds.values()) == 240


def test_duplicates_repeat_an_earlier_plain_entry():
    site = DemoSite("portrait", 240, 0)
    for entry in site.entries:
        original = site.entries[entry.original]
        if "duplicate" in entry.kind:
            assert original.index < entry.index
            assert original.kind == "single"
        else:
            assert original is entry


def test_robots_disallow_the_private_page(site):
    assert "Disallow: /private/" in ROBOTS_TXT
    assert site.respond("/robots.txt").body.decode() == ROBOTS_TXT
    private = [entry for entry in site.entries if entry.page_path.startswith("/private/")]
    assert [entry.kind for entry in private] == ["private"]


def test_list_pages_lead_from_one_to_the_next():
    site = DemoSite("portrait", 50, 0)
    path, pages, links = "/gallery/", 0, 0
    while path:
        text = site.respond(path).body.decode()
        pages, links = pages + 1, links + text.count('class="item"')
        path = f"/gallery/?page={pages + 1}" if f'rel="next" href="?page={pages + 1}"' in text else ""
    assert (pages, links) == (3, 50)
    assert site.respond("/gallery/?page=4").status == 404
    assert site.respond("/gallery/?page=no").status == 404
    assert PAGE_SIZE == 24


def test_item_pages_name_image_author_licence_and_tags(site):
    text = site.respond("/item/0.html").body.decode()
    for piece in (
        'class="full" src="../images/0.jpg"',
        'class="author"',
        'rel="license"',
        "creativecommons.org",
    ):
        assert piece in text
    based = site.respond("/item/3.html").body.decode()
    assert '<base href="/">' in based
    assert 'src="images/3.jpg"' in based


@pytest.mark.parametrize("style", ["portrait", "cartoon"])
def test_tags_say_what_is_drawn_of_the_one_person_shown(style):
    tags = {entry.index: entry.tags for entry in DemoSite(style, 48, 0).entries}
    own = {index: said[3:] for index, said in tags.items()}
    for index, said in tags.items():
        assert len(set(said)) == len(said)
        assert said[:2] == (style, "drawn")
        assert said[2] == {8: "two people", 17: "scene"}.get(index % 30, "one person")
        assert (own[index] == ()) == (index % 30 in (8, 17)), "of two people, what holds of one is not said"
    frequent = Counter(word for said in own.values() for word in said)
    assert len([word for word, count in frequent.items() if 5 <= count <= 40]) >= 8
    assert own[13] == own[9], "a duplicate shows the same"
    assert own[22] == own[16], "so does a near-duplicate"


@pytest.mark.parametrize("style", ["portrait", "cartoon"])
def test_tags_are_true_of_the_face(style):
    light = {"light skin": [], "dark skin": []}
    for entry in DemoSite(style, 24, 0).entries:
        if entry.kind != "single":
            continue
        (face,) = entry.faces
        for word in light.keys() & set(entry.tags):
            light[word].append(sum(face.skin_rgb))
        if style == "cartoon":
            assert f"{colour_word(face.hair_rgb)} hair" in entry.tags
            assert (face.left_eye_rgb == face.right_eye_rgb) == ("eyes of two colours" not in entry.tags)
    if style == "portrait":
        assert max(light["dark skin"]) < min(light["light skin"])


@pytest.mark.parametrize(
    ("rgb", "word"),
    [
        ((20, 18, 22), "black"),
        ((130, 130, 128), "grey"),
        ((240, 240, 240), "white"),
        ((200, 30, 30), "red"),
        ((220, 130, 40), "orange"),
        ((60, 160, 70), "green"),
        ((40, 60, 200), "blue"),
        ((240, 120, 190), "pink"),
    ],
)
def test_colours_have_plain_names(rgb, word):
    assert colour_word(rgb) == word


def test_an_item_page_shows_its_tags(site):
    text = site.respond("/item/0.html").body.decode()
    assert re.findall(r'rel="tag" href="/gallery/">([^<]*)<', text) == list(site.entries[0].tags)


def test_unknown_and_missing_paths_answer_404(site):
    assert site.respond("/nothing").status == 404
    missing = entry_of(site, "missing")
    assert site.respond(missing.page_path).status == 200
    assert site.respond(missing.image_path).status == 404


def test_duplicates_have_the_same_bytes_and_near_duplicates_almost_the_same_picture(site):
    duplicate, near = entry_of(site, "duplicate"), entry_of(site, "near-duplicate")
    assert image(site, "duplicate") == site.respond(site.entries[duplicate.original].image_path).body
    other = site.respond(site.entries[near.original].image_path).body
    assert image(site, "near-duplicate") != other
    thumbs = [
        np.asarray(Image.open(io.BytesIO(data)).convert("L").resize((8, 8)), dtype=float)
        for data in (image(site, "near-duplicate"), other)
    ]
    assert np.corrcoef(thumbs[0].ravel(), thumbs[1].ravel())[0, 1] > 0.9


def test_the_truth_of_a_near_duplicate_is_in_its_own_pixels(site):
    near = entry_of(site, "near-duplicate")
    (moved,), (still,) = near.faces, site.entries[near.original].faces
    shift = np.abs(moved.landmarks_68 - still.landmarks_68).max()
    assert 1 < shift < 60
    width, height = Image.open(io.BytesIO(image(site, "near-duplicate"))).size
    assert (moved.landmarks_68 < (width, height)).all()


def test_the_broken_image_cannot_be_decoded(site):
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(image(site, "broken"))).load()


def test_answers_are_the_same_every_time():
    first, second = (DemoSite("portrait", 24, 7) for _ in range(2))
    for path in ("/gallery/", "/item/4.html", "/images/4.jpg"):
        assert first.respond(path) == second.respond(path)


def test_the_server_keeps_connections_and_sends_one_fixed_date(site):
    with serving(site) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for path, status, kind in (
            ("/gallery/", 200, "text/html; charset=utf-8"),
            ("/images/0.jpg", 200, "image/jpeg"),
            ("/nothing", 404, "text/html; charset=utf-8"),
        ):
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            assert response.status == status
            assert response.headers.get_all("Date") == [DATE]
            assert response.headers["Content-Type"] == kind
            assert body == site.respond(path).body
        tag = site.respond("/images/0.jpg").headers["ETag"]
        connection.request("GET", "/images/0.jpg", headers={"If-None-Match": tag})
        response = connection.getresponse()
        assert (response.status, response.read()) == (304, b"")
        connection.close()
