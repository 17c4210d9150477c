"""What a reader must be warned of: a model that does not look at its input, or that gives it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# So probable may a share be by chance, and so little of what should change is a copy's.
_CHANCE, _COPY = 0.05, 0.1
# With 2 faces nothing is improbable.
_FEWEST = 3


def cautions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield in a few words what is wrong with one way of an experiment, and the figures that say so."""
    nearest = values.get("own_input_nearest") or {}
    if nearest.get("of", 0) >= _FEWEST and nearest.get("p_of_chance", 0) > _CHANCE:
        yield (
            "does not follow its input",
            f"an output's own input is the nearest of all {nearest['of']} for {nearest['value']:.0%} of the outputs, "
            f"and would be for {nearest['chance']:.0%} by chance"
            + (
                ""
                if nearest.get("spread") is None
                else f"; outputs differ from each other {nearest['spread']:.0%} as much as inputs do"
            ),
        )
    relative = values.get("relative_change") or {}
    if relative and relative["high"] < _COPY:
        yield (
            "copies its input",
            f"outputs differ from their inputs {relative['value']:.1%} as much as the truth does "
            f"(95%: {relative['low']:.1%} to {relative['high']:.1%})",
        )
