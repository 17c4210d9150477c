"""What data and models have become, as artifacts: the funnel of every source, the metrics of every experiment."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.showing import counted, show_table

FUNNEL = Path("data/catalogue/funnel.json")
METRICS = Path("metrics")
_IN_REPORT = "by_tag"


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
    """Return a row for each number that was measured, named by its place: way, metric, part.

    A number's interval and what else is known of it stand behind it; the table by tag is the report's.
    """
    return [
        {"experiment": experiment, "metric": " ".join(place), "value": value}
        for place, value in _numbers(metrics, ())
    ]


def _numbers(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float | str]]:
    if isinstance(value, dict):
        number = next((name for name in ("value", "mean") if name in value), None)
        if number is not None:
            yield place, _sentence(value, number)
            return
        for name, inner in value.items():
            if name != _IN_REPORT:
                yield from _numbers(inner, (*place, name))
    elif isinstance(value, (int, float)):
        yield place, value


def _sentence(known: dict[str, Any], number: str) -> str:
    """Return a number with its interval, and what else is known of it: `0.25 (0.2 to 0.3), found 20, of 25`."""
    if known[number] is None:
        words = "no number"
    elif known.get("low") is None or known.get("high") is None:
        words = f"{known[number]:.4g}"
    else:
        words = f"{known[number]:.4g} ({known['low']:.4g} to {known['high']:.4g})"
    facts = (
        f"{name.replace('_', ' ')} {fact if isinstance(fact, str | int) else f'{fact:.4g}'}"
        for name, fact in known.items()
        if name not in (number, "low", "high") and isinstance(fact, str | int | float)
    )
    return ", ".join([words, *facts])


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
