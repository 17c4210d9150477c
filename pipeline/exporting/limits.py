"""What the model card warns of: what the model is not, what its figures and its small sets say, what licences ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.exporting.exported import NOTICE
from pipeline.exporting.markdown import words
from pipeline.exporting.origins import NOT_SAID, Origin, counts
from pipeline.exporting.trained import Trained
from pipeline.params import Params
from pipeline.report import tables
from pipeline.report.cautions import cautions

# Fewer faces than this teach a model little of what people look like, and fewer than that measure it badly.
_FEW_TRAINING, _FEW_TEST = 1000, 100


def limits(trained: Trained, metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the model must not be used for, and what its figures warn of."""
    yield f"{NOTICE} Do not show them to anybody without saying so."
    yield "It was made for aligned faces as described above; what it makes of other pictures was not measured."
    for domain, of in counts(trained.dataset):
        if of["train"] < _FEW_TRAINING:
            yield (
                f"It has seen only {of['train']:,} training faces of {domain}: it knows no ages, skin colours, poses "
                "and lighting but theirs."
            )
    for way, values in metrics.items():
        yield from _warnings(way.replace("_to_", " to "), values)
    if not metrics:
        yield "Nothing is known of how good it is: it was not measured."


def _warnings(way: str, values: Mapping[str, Any]) -> Iterator[str]:
    outputs = values.get("outputs")
    if outputs is not None and outputs < _FEW_TEST:
        yield f"{words(way)} was measured on {outputs} faces only: look at the intervals, not at the numbers alone."
    for wrong, figures in cautions(values):
        yield f"**{words(way)} {words(wrong)}**: {words(figures)}."
    found = values.get("one_face") or {}
    if (found.get("high") or 1.0) < (found.get("real") or 0.0):
        yield (
            f"{words(way)}: the detector finds exactly one face in {found['value']:.0%} of the outputs, and in "
            f"{found['real']:.0%} of real faces."
        )
    lost = values.get("mismatched_attributes") or {}
    if lost.get("value"):
        yield (
            f"{words(way)} changes what should stay as it is: {lost['value']} of {lost['of']} attributes of the faces "
            "that were compared."
        )
    suspected = {name: of for name, of in values.items() if name.startswith("copies_") and of.get("value")}
    for sentence in tables.copied(suspected):
        yield f"{words(way)}: {words(sentence)}."


def data_limits(found: Sequence[Origin], params: Params) -> Iterator[str]:
    """Yield what follows from where the faces are from: nobody is shown, or licences ask something."""
    kinds = {name: entry.kind for name, entry in params.sources.items()}
    if rendered := sorted({each.source for each in found if kinds.get(each.source) == "demo"}):
        yield f"The faces of {', '.join(map(words, rendered))} are rendered: they show nobody, and real faces differ."
    asked = {
        "ask that their authors be named": lambda each: "by" in (each.code or "").split("-"),
        "forbid commercial use": lambda each: "nc" in (each.code or "").split("-"),
        "forbid works derived from them": lambda each: "nd" in (each.code or "").split("-"),
        "ask that derived works be shared alike": lambda each: "sa" in (each.code or "").split("-"),
    }
    for what, is_asked in asked.items():
        if faces := sum(each.faces for each in found if is_asked(each)):
            yield f"The licences of {faces:,} faces {what}; ask a lawyer whether that binds who uses the model."
    if faces := sum(each.faces for each in found if each.licence == NOT_SAID):
        yield f"Of {faces:,} faces no licence is said."
    known = {"by", "nc", "nd", "sa"}
    if others := sorted({each.licence for each in found if _is_other(each, known)}):
        yield f"Read these licences before you use the model: {', '.join(map(words, others))}."


def _is_other(origin: Origin, known: set[str]) -> bool:
    code = origin.code
    return code is not None and not origin.is_free and not set(code.split("-")) <= known
