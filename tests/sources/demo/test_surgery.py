"""Patients before and after surgery: the same person, changed where it was said, and a clinic that shows them."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.demo_pairs import REGIONS, in_eye_distances, movement
from pipeline.errors import UserError
from pipeline.params import SourceEntry
from pipeline.sources import build
from pipeline.sources.demo import operations, surgery
from pipeline.sources.demo.clinic import ROLES, ClinicSite
from pipeline.sources.demo.plan import case_kind, procedures
from pipeline.sources.demo.truth import Face, Picture
from tests.crawl.local_site import LocalSite, contents, crawl_into, rejected, stored

OF_EACH = range(8)  # cases that hold every set of procedures
MARGIN_PX = 24  # of shade and shadow around what is operated on, in pictures of 512 px


@pytest.fixture(scope="module")
def one_sitting() -> dict[int, tuple[Picture, Picture]]:
    return {index: pair(index, "one") for index in range(5)}


@pytest.fixture(scope="module")
def site() -> ClinicSite:
    return ClinicSite(24, 0, "two")


def pair(index: int, sittings: surgery.Sittings) -> tuple[Picture, Picture]:
    return surgery.draw(0, index, "before", sittings), surgery.draw(0, index, "after", sittings)


def aligned(face: Face) -> np.ndarray:
    return in_eye_distances(face.landmarks_68, np.array([face.left_eye, face.right_eye]))


def region(faces: tuple[Face, ...], names: tuple[str, ...]) -> np.ndarray:
    """Where the operation can be seen, as a mask of 512x512: around the landmarks of both pictures."""
    mask = np.zeros((512, 512), np.uint8)
    for name in names:
        points = np.concatenate([face.landmarks_68[list(REGIONS[name])] for face in faces])
        cv2.fillConvexPoly(mask, cv2.convexHull(points.astype(np.int32)), 1)
    return cv2.dilate(mask, np.ones((2 * MARGIN_PX + 1,) * 2, np.uint8)).astype(bool)


# the pictures


@pytest.mark.parametrize("role", ROLES)
def test_the_same_seed_case_and_role_give_the_same_picture(role: surgery.Role) -> None:
    first, second = (surgery.draw(3, 2, role) for _ in range(2))
    assert first.pixels.shape == (512, 512, 3)
    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert first.pixels.tobytes() != surgery.draw(4, 2, role).pixels.tobytes()


@pytest.mark.parametrize("index", OF_EACH)
def test_an_operation_changes_the_measures_it_is_about_and_no_others(index: int) -> None:
    before, after = (surgery.patient(0, index, role) for role in ROLES)
    changes = [operations.CHANGES[name] for name in procedures(index)]
    for part, said in (("proportions", "proportions"), ("looks", "looks")):
        old, new = vars(getattr(before, part)), vars(getattr(after, part))
        changed = {name: new[name] - old[name] for name in old if new[name] != old[name]}
        wanted = {name: by for change in changes for name, by in getattr(change, said).items()}
        assert changed.keys() == wanted.keys()
        for name, by in wanted.items():
            assert 0.8 <= changed[name] / by <= 1.2, name
    assert (before.haircut, before.clothes) == (after.haircut, after.clothes)


def test_patients_show_a_bare_and_neutral_face() -> None:
    for index in OF_EACH:
        who = surgery.patient(0, index, "before")
        assert (who.glasses, who.earrings, who.looks.beard, who.looks.moustache) == (None, None, 0, 0)
        assert who.proportions.mouth_open == 0


@pytest.mark.parametrize("index", OF_EACH)
@pytest.mark.parametrize("sittings", ["one", "two"])
def test_landmarks_move_in_the_operated_region_and_hardly_elsewhere(
    index: int, sittings: surgery.Sittings
) -> None:
    (before,), (after,) = (picture.faces for picture in pair(index, sittings))
    inside, outside = movement(aligned(before), aligned(after), procedures(index))
    assert inside > 0.03, "in distances between the eyes: two pixels of a crop of 256 px"
    assert outside < (0.01 if sittings == "one" else 0.06), "another pose moves them a little"


@pytest.mark.parametrize("index", range(5))
def test_of_one_sitting_only_the_operated_region_differs(
    one_sitting: dict[int, tuple[Picture, Picture]], index: int
) -> None:
    before, after = one_sitting[index]
    change = np.abs(before.pixels.astype(int) - after.pixels).mean(axis=2)
    operated = region(before.faces + after.faces, procedures(index))
    assert operated.mean() < 0.3
    assert change[operated].sum() > 0.97 * change.sum()
    assert np.quantile(change[operated], 0.9) > 6
    assert change[~operated].mean() < 0.05


def test_two_sittings_differ_in_light_pose_and_dress_too(
    one_sitting: dict[int, tuple[Picture, Picture]],
) -> None:
    for index, (before, after_at_once) in one_sitting.items():
        first, after = pair(index, "two")
        assert first.pixels.tobytes() == before.pixels.tobytes()
        change = np.abs(after.pixels.astype(int) - after_at_once.pixels).mean()
        assert change > 3
        (old,), (new,) = before.faces, after.faces
        assert 0 < abs(old.yaw_deg - new.yaw_deg) < 16
        assert (old.skin_rgb, old.hair_rgb) == (new.skin_rgb, new.hair_rgb), "it is one person"


# the clinic


def test_every_procedure_is_frequent_alone_and_with_others() -> None:
    sets = Counter(procedures(index) for index in range(240))
    assert {len(names) for names in sets} == {1, 2}
    for name in operations.CHANGES:
        assert sets[(name,)] >= 60
    assert sum(count for names, count in sets.items() if len(names) == 2) == 60


def test_a_case_page_shows_both_pictures_and_says_what_was_done(site: ClinicSite) -> None:
    case = site.cases[7]
    text = site.respond(case.page_path).body.decode()
    for role in ROLES:
        assert f'<figure class="{role}"><img src="/images/7-{role}.jpg"' in text
    assert '<li class="procedure">nose</li><li class="procedure">chin</li>' in text
    assert "CC0 1.0" in text


def test_the_truth_of_a_picture_is_at_its_case(site: ClinicSite) -> None:
    case = site.cases[1]
    image = Image.open(io.BytesIO(site.respond(case.image_path("after")).body))
    picture = case.picture("after")
    assert np.abs(np.asarray(image).astype(int) - picture.pixels).mean() < 4
    assert np.array_equal(case.face("after").landmarks_68, picture.faces[0].landmarks_68)


def test_what_is_not_there_is_not_found(site: ClinicSite) -> None:
    unfinished = next(case for case in site.cases if case.kind == "unfinished")
    paths = ("/cases/99.html", "/cases/?page=3", "/cases/?page=no", unfinished.image_path("after"))
    assert [site.respond(path).status for path in paths] == [404] * 4


def test_a_crawl_brings_pairs_with_what_was_done_as_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surgery, "draw", quickly_drawn)
    source = demo(style="surgery", count=17)
    summary = crawl_into(tmp_path, source, LocalSite(), part_size=50)
    rows = stored(tmp_path)
    roles: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        roles[row["pair_id"]][row["role"]] = row
    complete = [both for both in roles.values() if set(both) == set(ROLES)]
    assert (summary.discovered, len(rows), len(complete)) == (34 - 1, 31, 15)
    told = {both["before"]["title"]: both for both in complete}
    for index in (0, 3, 7):
        both = told[f"Case no. {index}"]
        for role in ROLES:
            assert tuple(both[role]["tags"]) == procedures(index)
            assert both[role]["licence"] == "CC0 1.0"
    kinds = {case_kind(index) for index in range(17)}
    reasons = {reason for reason, _ in rejected(tmp_path).values()}
    assert (kinds, reasons) == ({"pair", "unfinished", "private"}, {"no_image", "disallowed_by_robots"})
    before = contents(tmp_path)
    assert crawl_into(tmp_path, source, LocalSite()).new == 0
    assert contents(tmp_path) == before


def test_only_patients_sit_once_or_twice() -> None:
    assert demo(style="surgery", count=1, sittings="one").options.sittings == "one"
    with pytest.raises(UserError, match="sittings: is for style surgery; style portrait"):
        demo(style="portrait", count=1, sittings="two")
    with pytest.raises(UserError, match=r"sources\.demo\.sittings"):
        demo(style="surgery", count=1, sittings="three")


def quickly_drawn(seed: int, index: int, role: surgery.Role, sittings: surgery.Sittings) -> Picture:
    """A picture unlike all others, without a face."""
    rng = np.random.default_rng([seed, index, ROLES.index(role)])
    return Picture(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8), ())


def demo(**options: Any) -> Any:
    """The demo source of an entry with these options."""
    domains = {"before": "before", "after": "after"} if options["style"] == "surgery" else "photo"
    return build("demo", SourceEntry.model_validate({"kind": "demo", "domain": domains} | options))
