"""What an interval says of a claim."""

from __future__ import annotations

import json

import pytest

from pipeline.claims.verdicts import Finding, compare, decide, missing
from pipeline.metrics.intervals import Estimate


@pytest.mark.parametrize(
    ("low", "high", "expected", "verdict"),
    [
        (0.1, 0.3, "above 0", "holds"),
        (-0.3, -0.1, "above 0", "does not"),
        (-0.1, 0.3, "above 0", "undecided at this size"),
        (-0.3, -0.1, "below 0", "holds"),
        (0.1, 0.3, "below 0", "does not"),
        (-0.1, 0.3, "below 0", "undecided at this size"),
        (0.0, 0.0, "above 0", "undecided at this size"),
        (0.0, 0.3, "above 0", "undecided at this size"),
    ],
)
def test_a_claim_holds_only_if_all_of_the_interval_is_on_its_side(low, high, expected, verdict):
    assert decide(Estimate((low + high) / 2, low, high), expected) == verdict


def test_sides_are_compared_seed_by_seed_so_that_what_seeds_have_in_common_does_not_count():
    ones, others = [1.0, 5.0, 9.0], [0.9, 4.91, 8.89]
    found = compare("error", "above 0", new=ones, old=others)
    assert found.verdict == "holds"
    assert found.figure.value == pytest.approx(0.1)
    # The t quantile of 2 degrees of freedom is 4.303; the deviation 0.01.
    assert found.figure.high - found.figure.value == pytest.approx(4.303 * 0.01 / 3**0.5, rel=1e-3)
    assert found.sides == {"new": pytest.approx(5.0), "old": pytest.approx(4.9)}
    assert found.over == "3 seeds, t"


def test_sides_need_the_same_seeds():
    with pytest.raises(ValueError, match="shorter"):
        compare("error", "above 0", new=[1.0, 2.0, 3.0], old=[1.0, 2.0])


def test_one_seed_has_no_interval():
    with pytest.raises(ValueError, match="at least 2"):
        compare("error", "above 0", new=[1.0], old=[2.0])


def test_findings_are_json_whether_measured_or_not():
    for finding in (compare("a", "above 0", x=[1.0, 2.0], y=[0.0, 0.5]), missing("b", "pictures missing")):
        assert json.loads(json.dumps(finding.as_dict()))["verdict"] == finding.verdict
    assert missing("b", "why") == Finding("b", "not measured", reason="why")
