"""What a visitor may take along: a result, the photograph with it, a comparison sheet; all marked as generated."""

from __future__ import annotations

from pipeline.serve.marks import marked_png
from pipeline.serve.sheet import comparison_sheet
from pipeline.serve.studio import Studio
from pipeline.serve.visit import Visit, pasted
from pipeline.serve.zoo import Answer


def result_png(answer: Answer, visible_mark: bool) -> bytes | None:
    """Return a model's answer; None without one."""
    return None if answer.image is None else marked_png(answer.image, answer.experiment, visible_mark)


def pasted_png(studio: Studio, visit: Visit, answer: Answer, visible_mark: bool) -> bytes | None:
    """Return the photograph with a model's answer in its face's place; None without one."""
    rgb = pasted(studio, visit, answer)
    return None if rgb is None else marked_png(rgb, answer.experiment, visible_mark)


def sheet_png(visit: Visit, visible_mark: bool) -> bytes | None:
    """Return the face beside all answers; None where there is no face."""
    if visit.face is None or visit.face.crop is None:
        return None
    names = ", ".join(dict.fromkeys(answer.experiment for answer in visit.answers))
    return marked_png(comparison_sheet(visit.face.crop, visit.answers), names, visible_mark)
