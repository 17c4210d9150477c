"""The benchmark of the metrics, with few pictures: the same numbers as the libraries give."""

from __future__ import annotations

import re
import sys

import pytest

from benchmarks import metrics


@pytest.mark.long
def test_the_libraries_and_ours_agree_on_the_same_network(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["metrics", "12", "--rounds", "2", "--size", "128", "--alone", "8"])
    metrics.main()
    said = capfd.readouterr().out
    differences = [float(number) for number in re.findall(r"FID differs by ([0-9.e+-]+)", said)]
    assert len(differences) == 2
    assert max(differences) < 1e-5  # so few pictures leave the libraries' own rounding in sight
    assert re.search(r"ours alone, 8 pictures: .* peak \d+ MiB", said)
