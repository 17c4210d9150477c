import pandas as pd
import pytest

from pipeline.datasets.licences import licence_code
from pipeline.datasets.selection import has_licence


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("CC0 1.0", "cc0"),
        ("cc0", "cc0"),
        ("CC0 1.0 Universal", "cc0"),
        ("Public Domain Dedication (CC0)", "cc0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        ("Public domain", "pdm"),
        ("Public Domain Mark 1.0", "pdm"),
        ("PDM", "pdm"),
        ("CC BY 4.0", "by"),
        ("Attribution License", "by"),
        ("CC-BY-SA-3.0", "by-sa"),
        ("CC BY-SA 3.0 de", "by-sa"),
        ("by-sa", "by-sa"),
        ("Creative Commons Attribution-ShareAlike 4.0 International", "by-sa"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "by-sa"),
        ("CC BY-NC 2.0", "by-nc"),
        ("Attribution-NonCommercial License", "by-nc"),
        ("Attribution-Non-Commercial-No Derivs 2.0 Generic", "by-nc-nd"),
        ("CC BY-NC-SA 4.0", "by-nc-sa"),
        ("CC BY-ND 2.0", "by-nd"),
        ("own work", "own"),
        ("own", "own"),
        ("CelebA agreement: non-commercial research only", "celeba-agreement-noncommercial-research-only"),
        ("GFDL", "gfdl"),
        ("unlicensed", "unlicensed"),
    ],
)
def test_every_spelling_has_one_name(spelling: str, code: str) -> None:
    assert licence_code(spelling) == code


@pytest.mark.parametrize("none", [None, "", "  "])
def test_no_licence_is_none(none: str | None) -> None:
    assert licence_code(none) is None


@pytest.mark.parametrize(
    "said", ["CC BY 4.0 for editorial use only", "GFDL or CC BY 3.0", "not CC BY", "CC BY +"]
)
def test_a_name_that_says_more_is_not_taken_for_a_licence_without_conditions(said: str) -> None:
    assert (licence_code(said) == "by") == (said == "CC BY +")


def test_conditions_are_never_overlooked() -> None:
    licences = pd.Series(
        ["CC BY 4.0", "CC BY-SA 4.0", "CC BY-NC 4.0", "CC BY-ND 4.0", "CC0", None, "all rights reserved"]
    )
    assert has_licence(licences, ["by"]).tolist() == [True] + [False] * 6
    assert has_licence(licences, ["cc0", "CC BY-SA"]).tolist() == [
        False,
        True,
        False,
        False,
        True,
        False,
        False,
    ]
