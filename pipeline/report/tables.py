"""Numbers of one way as tables: what was measured, condition responses, attributes, and tables of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.evaluation.headlines import label
from pipeline.metrics.intervals import Estimate
from pipeline.report.figures import plain, rounded

# Shown as tables of their own, not among the numbers.
_APART = ("seeds", "condition_swap")
_BY = "by_"
_UNITS = {
    "relative_pixels": "part of what lies between two faces, pixels",
    "relative_delta_e": "part of what lies between two faces, ΔE00",
    "pixels": "pixels, 0 to 255",
    "delta_e": "ΔE00",
}
Metrics = Mapping[str, Any]


def numbers(values: Metrics, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each number's name and value as text: its interval, and what else is known of it, on the same line."""
    for name, value in values.items():
        full = f"{prefix}{name}"
        if not prefix and name == "seeds":
            yield from _over_seeds(value)
        elif not prefix and (name in _APART or name.startswith(_BY)):
            continue
        elif not isinstance(value, Mapping):
            yield label(full), text(value)
        elif "value" in value:
            yield label(full), measured(value)
        else:
            yield from numbers(value, f"{full}.")


def _over_seeds(seeds: Metrics) -> Iterator[tuple[str, str]]:
    for name, over in seeds.items():
        value, interval = rounded(Estimate(over["mean"], over["low"], over["high"]))
        spread = f"{value} (95% t-interval: {interval})" if interval else value
        yield f"{label(name)}, mean of {over['n']} seeds", spread


def measured(value: Metrics) -> str:
    """Return a number that comes with an interval or with other facts as one line."""
    facts = (f"{name.replace('_', ' ')} {text(fact)}" for name, fact in _facts(value).items())
    return "; ".join([_with_interval(value), *facts])


def _with_interval(value: Metrics) -> str:
    if value["value"] is None:
        return plain(None)
    ends = (value["value"] if value.get(end) is None else value[end] for end in ("value", "low", "high"))
    number, interval = rounded(Estimate(*ends))
    return f"{number} (95%: {interval})" if interval else number


def _facts(value: Metrics) -> dict[str, Any]:
    return {name: fact for name, fact in value.items() if name not in ("value", "low", "high")}


def text(value: Any) -> str:
    """Return one value of a table as words: numbers short, nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return (
            measured(value)
            if "value" in value
            else ", ".join(f"{name} {text(of)}" for name, of in value.items())
        )
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value)) or "–"
    return plain(value) if isinstance(value, int | float) else str(value)


def table(rows: Mapping[str, Metrics], first: str) -> dict[str, Any]:
    """Return rows by name as a table: its heads, `first` among them, and its lines of text."""
    heads = list(dict.fromkeys(name for row in rows.values() for name in row))
    return {
        "heads": [first, *(head.replace("_", " ") for head in heads)],
        "lines": [
            [str(name).replace("_", " "), *(text(row.get(head)) for head in heads)]
            for name, row in rows.items()
        ],
    }


def tags(rows: Sequence[Metrics]) -> dict[str, Any] | None:
    """Return the rows of `TAGS` as a table; None where there are none."""
    lines = {
        row["tag"]: {
            "training faces": row["training_faces"],
            "test faces": row["test_faces"],
            "of": row["of"],
            "average precision": {
                "value": row["average_precision"],
                "low": row["low"],
                "high": row["high"],
            },
            "precision": row["precision"],
            "recall": row["recall"],
            "F1": row["f1"],
            "threshold": f"{text(row['threshold'])}{'' if row['is_tuned'] else ' (not tuned)'}",
        }
        for row in rows
    }
    return table(lines, "tag") if lines else None


def by_parts(values: Metrics) -> list[dict[str, Any]]:
    """Return the tables among a way's numbers, such as `by_lighting`: a line for each part of the faces."""
    return [
        {"title": name.replace("_", " "), **table(dict(map(_line, of.items())), "")}
        for name, of in values.items()
        if name.startswith(_BY) and isinstance(of, Mapping) and of
    ]


def _line(part: tuple[str, Any]) -> tuple[str, Metrics]:
    """Return a part's name and its cells: one number and its facts, or several numbers."""
    name, value = part
    if not isinstance(value, Mapping):
        return name, {"number": value}
    return name, {"number": _with_interval(value), **_facts(value)} if "value" in value else value


def responses(swaps: Metrics) -> dict[str, Any] | None:
    """Return how much outputs change with each condition alone, a line for each; None where it was not measured."""
    words = {"colors": "colours"}
    rows: dict[str, dict[str, Any]] = {}
    for name, value in swaps.items():
        unit = next((unit for unit in _UNITS if name.endswith(f"_{unit}")), None)
        if unit is not None:
            condition = name.removesuffix(f"_{unit}")
            rows.setdefault(words.get(condition, condition), {})[_UNITS[unit]] = value
    return table(rows, "other") if rows else None


def attributes(of: Metrics) -> dict[str, Any] | None:
    """Return how attributes of faces and outputs are distributed, with a sentence for each that should have been kept.

    None where they were not measured.
    """
    if not of:
        return None
    shown = ("source", "output", "target", "from_source", "to_target", "unit", "verdict", "keep")
    rows = {name: {key: values[key] for key in shown if key in values} for name, values in of.items()}
    return table(rows, "attribute") | {
        "sentences": [
            f"{name.replace('_', ' ')} should be kept, but {values['verdict']}"
            for name, values in of.items()
            if values.get("mismatch")
        ]
    }


def copied(values: Metrics) -> list[str]:
    """Return sentences: the shares of suspected copies, each beside that of real faces that were held out."""
    return [
        f"{_percent(of)} of {of.get('of', 'the')} outputs are suspected copies by {_measure(name)}"
        + (f"; {_percent(of['held_out'])} of held-out real faces" if "held_out" in of else "")
        for name, of in values.items()
        if name.startswith("copies_") and isinstance(of, Mapping) and of.get("value") is not None
    ]


def _measure(name: str) -> str:
    return name.removeprefix("copies_").replace("_", " ")


def _percent(share: Metrics) -> str:
    ends = f" (95%: {share['low']:.0%} to {share['high']:.0%})" if "low" in share else ""
    return f"{share['value']:.1%}{ends}"


def missing(reasons: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what was not measured, in words, and why: what lacks for the same reason stands together."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(", ".join(label(each) for each in name.split(", ")))
    return [("; ".join(of), reason) for reason, of in names.items()]
