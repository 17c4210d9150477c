"""The closer look at an answer takes what a model says when it is asked again, if the visitor is still there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from pipeline.serve.looking import Picture
from pipeline.serve.studio import Limits, open_studio
from pipeline.serve.visit import Visit
from pipeline.serve.zoo import Answer
from tests.serve.small_zoo import a_face, usual_params, write_model

if TYPE_CHECKING:
    from pipeline.serve.tabs.closer import AskedAgain, Closer

KEY = "faces|anime"


@pytest.fixture
def closer(in_folder: Path) -> Closer:
    gr = pytest.importorskip("gradio", reason="needs the extra serve")
    from pipeline.serve.tabs.closer import closer_look

    write_model(in_folder / "models", "faces")
    studio = open_studio(usual_params(), torch.device("cpu"), Limits(1_000_000, None, 4))
    with gr.Blocks():
        return closer_look(studio, gr.State(), gr.HTML())


def asked_again(visit: Visit, value: int) -> AskedAgain:
    from pipeline.serve.tabs.closer import AskedAgain

    return AskedAgain(visit.name, answer(value))


def answer(value: int) -> Answer:
    return Answer("faces", "anime", np.full((48, 48, 3), value, np.uint8), 0.1)


@pytest.fixture
def visit() -> Visit:
    picture = Picture("i", None, (a_face(0), a_face(1)))
    return Visit("photo", b"", picture, 1.0, 0, (answer(0),), is_answered=True)


def test_an_answer_takes_the_place_of_the_former_one(closer: Closer, visit: Visit) -> None:
    changes = next(closer.taken(asked_again(visit, 9), visit, KEY, False))
    assert changes[closer.visit].answers[0].image.max() == 9
    assert closer.before_after in changes


def test_where_another_answer_is_looked_at_by_then_it_stays(closer: Closer, visit: Visit) -> None:
    (changes,) = closer.taken(asked_again(visit, 9), visit, "others|anime", False)
    assert changes[closer.visit].answers[0].image.max() == 9
    assert closer.before_after not in changes


def test_where_another_face_was_chosen_meanwhile_nothing_changes(closer: Closer, visit: Visit) -> None:
    assert is_nothing(closer.taken(asked_again(visit, 9), visit.choosing(1), KEY, False))
    assert is_nothing(closer.taken(asked_again(visit, 9), None, KEY, False))


def test_the_first_answer_that_worked_is_looked_at_until_another_is_chosen(
    closer: Closer, visit: Visit
) -> None:
    failed = Answer("broken", "anime", None, 0.0, "no weights")
    visit = visit.answered([failed, *visit.answers])
    changes = next(closer.look(visit, None, False))
    assert changes[closer.model]["value"] == changes[closer.opened] == KEY
    assert closer.model not in next(closer.look(visit, KEY, False))


def test_an_early_look_leaves_a_visit_that_was_answered_meanwhile_to_the_later_one(
    closer: Closer, visit: Visit
) -> None:
    assert is_nothing(closer.look_early(visit, None, False))
    early = next(closer.look_early(visit.answered(visit.answers, is_answered=False), None, False))
    assert closer.before_after in early
    assert closer.opened not in early


def is_nothing(updates: Iterator[dict[Any, Any]]) -> bool:
    """Say whether a generator changes nothing; it must yield all the same, or Gradio empties its outputs."""
    import gradio as gr

    (only,) = updates
    return all(value == gr.skip() for value in only.values())
