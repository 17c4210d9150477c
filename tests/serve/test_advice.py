"""Whoever is told a reason is told what to change."""

from pipeline.datasets.catalogue import _VERDICTS
from pipeline.reasons import REASONS
from pipeline.serve.advice import ADVICE


def test_every_reason_has_one_line_of_advice() -> None:
    assert ADVICE.keys() == REASONS.keys()
    assert {reason for reason, *_ in _VERDICTS} <= ADVICE.keys()
    assert all(advice and "\n" not in advice for advice in ADVICE.values())
