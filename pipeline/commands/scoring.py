"""How a training judges its weights while it runs, where an experiment says `select: best_val_kid`.

The features of KID come with dlib, which a machine that only trains need not have: it is imported when it is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.datasets.arrays import Dataset
    from pipeline.methods import Method


def score_on_validation(method: Method, dataset: Dataset) -> float:
    """Return the KID of translated validation faces, the lower the better; raise `UserError` without its features."""
    from pipeline.methods.base import Translator

    try:
        from pipeline.evaluation.validation import val_kid
    except ModuleNotFoundError as error:
        raise UserError(
            f"select: best_val_kid needs the package {error.name}, which is not installed here; "
            "use select: last on this machine"
        ) from None
    if not isinstance(method, Translator):
        raise UserError("select: best_val_kid judges translations; use select: last")
    return val_kid(method, dataset)
