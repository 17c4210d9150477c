"""The comparison sheet holds the input and all answers, whatever became of them."""

from __future__ import annotations

import numpy as np

from pipeline.serve.sheet import comparison_sheet
from pipeline.serve.zoo import Answer

RED = np.full((64, 64, 3), (255, 0, 0), np.uint8)
BLUE = np.full((32, 32, 3), (0, 0, 255), np.uint8)


def columns_of(sheet: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.flatnonzero((sheet == color).all(axis=2).any(axis=0))


def test_the_input_is_first_and_answers_follow_at_one_size() -> None:
    sheet = comparison_sheet(RED, [Answer("one", "after", BLUE, 0.5)])
    red, blue = columns_of(sheet, (255, 0, 0)), columns_of(sheet, (0, 0, 255))
    assert len(red) == len(blue) == 256
    assert red.max() < blue.min()


def test_many_answers_take_several_rows() -> None:
    one_row = comparison_sheet(RED, [Answer("m", "after", BLUE, 0.5)] * 4)
    two_rows = comparison_sheet(RED, [Answer("m", "after", BLUE, 0.5)] * 5)
    assert two_rows.shape[1] == one_row.shape[1]
    assert two_rows.shape[0] > 1.9 * one_row.shape[0]


def test_a_problem_and_a_long_name_stay_in_their_tile() -> None:
    broken = Answer("a-very-long-name-" * 9, "", None, 0.0, "RuntimeError: " + "it-broke " * 200 + "x" * 300)
    sheet = comparison_sheet(RED, [Answer("fine", "after", BLUE, 0.1), broken])
    assert sheet.shape == comparison_sheet(RED, [Answer("fine", "after", BLUE, 0.1)] * 2).shape
    inked = np.flatnonzero((sheet != 255).any(axis=(0, 2)))
    assert inked.max() < sheet.shape[1] - 12
    problem = sheet[12:268, columns_of(sheet, (0, 0, 255)).max() + 12 :]
    assert (problem == 0).all(axis=2).any()


def test_nothing_but_the_input_where_no_model_answered() -> None:
    assert comparison_sheet(RED, []).shape[1] < 300
