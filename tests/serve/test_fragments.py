"""Nothing that comes from data, files or errors becomes markup, and no folder of the machine is shown."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.serve import fragments
from pipeline.serve.answers import Waiting
from pipeline.serve.looking import Face, Picture
from pipeline.serve.zoo import Answer
from tests.serve.small_zoo import a_face

EVIL = '<img src=x onerror="alert(1)">'


def test_messages_and_answers_are_escaped() -> None:
    failed = Answer(EVIL, EVIL, None, 0.0, EVIL)
    fine = Answer(EVIL, EVIL, np.zeros((8, 8, 3), np.uint8), 0.1)
    pieces = [
        fragments.text_html(EVIL),
        fragments.answers_html([failed, fine, Waiting(EVIL)]),
        fragments.found_html(Picture("i", None, (), "no_face", EVIL)),
        fragments.maps_html([(EVIL, EVIL, np.zeros((8, 8, 3), np.uint8))]),
    ]
    for piece in pieces:
        assert "<img src=x" not in piece
        assert "&lt;img src=x" in piece


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("FileNotFoundError: '/home/me/likeness/models/a.pt'", "FileNotFoundError: 'a.pt'"),
        ("models/a/weights: gone", "models/a/weights: gone"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
    ],
)
def test_folders_of_the_machine_are_left_out(said: str, shown: str) -> None:
    html = fragments.text_html(said).replace("&#x27;", "'")
    assert shown in html
    assert "/home" not in html


def test_a_rejected_face_has_its_reason_in_words_and_what_to_change() -> None:
    face = Face({"face_id": "i-1", "box_xyxy": [0, 0, 1, 1]}, "profile", "yaw 50", None)
    html = fragments.found_html(Picture("i", None, (face,)))
    assert 'data-reason="profile"' in html
    assert "turned too far to the side" in html
    assert "turn towards the camera" in html
    assert "Face 2" in html
    assert fragments.face_html(face) == ""
    assert "face 2 is left out before it is aligned" in fragments.no_answers_html(face)


def test_every_answer_has_its_state_and_a_picture_that_says_that_it_is_generated() -> None:
    fine = Answer("fine", "anime", np.zeros((8, 8, 3), np.uint8), 0.25)
    html = fragments.answers_html([fine, Waiting("slow"), Answer("broken", "", None, 0.0, "it broke")])
    for name, state in (("fine", "done"), ("slow", "waiting"), ("broken", "failed")):
        assert f'data-model="{name}" data-state="{state}"' in html
    assert "to anime, 0.25 s" in html
    assert html.count("data:image/png;base64,") == 1


def test_colours_are_swatches_and_those_unknown_are_said_to_be() -> None:
    html = fragments.face_html(a_face())
    assert "background:#c89678" in html
    assert "hair: not seen" in html
