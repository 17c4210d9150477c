"""What is as usual and what is not, judged on counts and distributions alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.watch.bands import ENOUGH, LEAST_DEVIATION, Share, band, drift, drift_limit, judge
from pipeline.watch.history import Record, Spread

QUANTILES = (np.arange(20) + 0.5) / 20


def record(images: int = 0, aligned: int | None = None, refused: int | None = 0, **known: Any) -> Record:
    values: dict[str, Any] = {
        **{"began": "", "at": "", "verdict": "accepted", "parts": [], "met": max(images, 1)},
        "with_faces": images if aligned is None else aligned,
        "faces": images if aligned is None else aligned,
    }
    return Record(**values | {"images": images, "aligned": values["faces"], "refused": refused} | known)


def spreads(rng: np.random.Generator, faces: int, moved: float = 0.0, together: int = 1) -> dict[str, Spread]:
    """Return faces that vary by twice the least deviation, `together` of them alike, and moved by such deviations."""
    return {
        name: Spread(
            faces,
            np.quantile(
                2 * least * (np.repeat(rng.normal(0, 1, faces // together), together) + moved), QUANTILES
            ).tolist(),
        )
        for name, least in LEAST_DEVIATION.items()
    }


def test_a_share_may_vary_by_chance_and_by_as_much_as_it_always_did() -> None:
    steady = band([Share(80, 100)] * 5, 100)
    restless = band([Share(60, 100), Share(95, 100), Share(80, 100), Share(70, 100), Share(95, 100)], 100)
    assert steady == pytest.approx((0.67, 0.93), abs=0.02)
    assert restless == pytest.approx((0.35, 1.0), abs=0.05)


def test_the_more_there_are_the_narrower_the_band_but_never_a_tenth_of_all() -> None:
    history = [Share(500, 1000)]
    few, many = band(history, 20), band(history, 100_000)
    assert few == pytest.approx((0.16, 0.84), abs=0.02)
    assert many == pytest.approx((0.4, 0.6), abs=0.001)


def test_too_few_say_nothing() -> None:
    assert band([Share(500, 1000)], ENOUGH - 1) is None
    assert band([Share(5, ENOUGH - 1)], 100) is None
    assert band([], 100) is None


def test_what_is_as_always_is_not_outside() -> None:
    rng = np.random.default_rng(0)
    history = [record(200, 180, refused=10, spreads=spreads(rng, 180)), record(40, 35, refused=3)]
    assert judge("s", record(60, 52, refused=4, spreads=spreads(rng, 52)), history) == []
    assert judge("s", record(0, 0), history) == []


def test_a_first_crawl_has_nothing_to_be_compared_with() -> None:
    assert judge("s", record(100, 0, refused=100, met=0), []) == []


def test_nothing_met_where_something_always_was() -> None:
    history = [record(10, met=40), record(0, met=60), record(0, met=50, verdict="approved")]
    (outside,) = judge("s", record(0, met=0), history)
    assert (outside.measure, outside.value, outside.low) == ("met", 0, 40)
    assert "no item was met where the last 3 recrawls met 40 to 60" in outside.message
    assert "`python -m pipeline source check s`" in outside.message
    assert judge("s", record(0, met=0), [*history, record(0, met=0)]) == []
    assert judge("s", record(0, met=0), [record(10, met=None)]) == []


def test_more_refusals_than_usual() -> None:
    rejected = {"crawl": {"duplicate": 7, "http_error": 30, "not_found": 2}}
    (outside,) = judge("s", record(8, refused=32, rejected=rejected), [record(200, refused=10)])
    assert outside.measure == "rejected"
    assert outside.value == pytest.approx(0.8)
    assert outside.high == pytest.approx(0.17, abs=0.02)
    assert (
        "32 of 40 new items could not be had (http_error 30, not_found 2), as a rule at most 16%"
        in outside.message
    )


def test_fewer_refusals_than_usual_are_no_harm() -> None:
    assert judge("s", record(40, refused=0), [record(100, refused=100)]) == []


@pytest.mark.parametrize(("aligned", "words"), [(2, "adverts, logos"), (40, "another kind of pictures")])
def test_fewer_or_more_faces_than_usual(aligned: int, words: str) -> None:
    (outside,) = judge("s", record(40, aligned), [record(200, 104), record(200, 96)])
    assert outside.measure == "faces"
    assert outside.low == pytest.approx(0.25, abs=0.05)
    assert outside.high == pytest.approx(0.75, abs=0.05)
    assert f"{aligned} of 40 new images show a face that could be aligned" in outside.message
    assert words in outside.message


def test_a_source_with_a_few_images_a_day_is_judged_by_those_of_some_days() -> None:
    history = [record(200, 190), record(8, 0), record(8, 0)]
    (outside,) = judge("s", record(8, 0), history)
    assert "0 of 24 new images of this recrawl and the 2 before it show a face" in outside.message
    assert judge("s", record(8, 0), history[:-1]) == []
    assert judge("s", record(0, 0), history) == [], "nothing new is nothing to ask about"


def test_what_an_operator_approved_is_not_asked_about_again() -> None:
    history = [record(200, 190), record(8, 0), record(8, 0, verdict="approved")]
    assert judge("s", record(8, 0), history) == []


def test_what_was_discarded_is_no_example() -> None:
    history = [record(200, 190), *[record(200, 10, verdict="discarded")] * 5]
    assert [outside.measure for outside in judge("s", record(40, 10), history)] == ["faces"]


def test_other_pictures_have_drifted() -> None:
    rng = np.random.default_rng(0)
    moved = spreads(rng, 40) | {"sharpness": spreads(rng, 40, moved=4.0)["sharpness"]}
    (outside,) = judge("s", record(40, spreads=moved), [record(200, spreads=spreads(rng, 200))])
    assert outside.measure == "drift"
    assert outside.value == pytest.approx(4.0, rel=0.2)
    assert "the new faces differ in sharpness from those before by" in outside.message


def test_faces_are_compared_with_all_before_by_their_number() -> None:
    rng = np.random.default_rng(0)
    large, small = record(900, spreads=spreads(rng, 900)), record(100, spreads=spreads(rng, 100, moved=10.0))
    found = drift(record(900, spreads=spreads(rng, 900)), [large, small])
    assert found is not None
    assert found.distance < 0.5
    assert drift(record(19, spreads=spreads(rng, 19)), [large]) is None
    assert drift(large, []) is None


def test_where_recrawls_always_differed_more_drift_is_usual() -> None:
    rng = np.random.default_rng(0)
    alike = [record(100, spreads=spreads(rng, 100)) for _ in range(6)]
    varied = [record(100, spreads=spreads(rng, 100, moved=3.0 * (place % 2))) for place in range(6)]
    assert drift_limit(100, alike) == 1.0
    assert drift_limit(100, varied) > 1.5


@pytest.mark.parametrize("faces", [20, 50, 200])
def test_faces_that_come_in_groups_rarely_seem_to_have_drifted(faces: int) -> None:
    rng = np.random.default_rng(0)
    history = [record(240, spreads=spreads(rng, 240))]
    judged = [judge("s", record(faces, spreads=spreads(rng, faces, together=5)), history) for _ in range(200)]
    assert sum(bool(outside) for outside in judged) <= 4
