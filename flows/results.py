"""What data and models have become, as artifacts: the funnel of every source, the metrics of every experiment."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.showing import counted, show_table

FUNNEL = Path("data/catalogue/funnel.json")
METRICS = Path("metrics")


def show_funnel() -> None:
    """Show what became of every source's images."""
    show_table("funnel", "Images and faces through each stage", funnel_rows(_read(FUNNEL)))


def show_results() -> None:
    """Show how every experiment that was measured fared."""
    rows = [row for path in sorted(METRICS.glob("*.json")) for row in metric_rows(path.stem, _read(path))]
    show_table("results", "What was measured of each experiment", rows)


def funnel_rows(funnel: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each source: its counts, and in one cell each stage's reasons of rejection."""
    return [
        {
            "source": source,
            **{name: value for name, value in counts.items() if isinstance(value, int)},
            "rejected": "; ".join(f"{stage}: {counted(why)}" for stage, why in counts["rejected"].items()),
        }
        for source, counts in funnel.items()
    ]


def metric_rows(experiment: str, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each number that was measured, named by its place: way, metric, part."""
    return [
        {"experiment": experiment, "metric": name, "value": value} for name, value in _numbers(metrics, ())
    ]


def _numbers(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _numbers(inner, (*place, name))
    elif isinstance(value, (int, float)):
        yield " ".join(place), value


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
