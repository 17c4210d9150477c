"""What of a metrics file experiments are compared by."""

import pytest

from pipeline.evaluation.headlines import estimates, headline, label

WAY = {
    "outputs": 25,
    "kid_tagger": {"value": 0.1, "low": 0.05, "high": 0.2},
    "fid_tagger": {"value": 80.0, "images": 25},
    "psnr": 21.0,
    "landmark_consistency": {"value": None, "low": None, "high": None, "found": 0, "of": 25},
    "color_consistency": {"skin": {"value": 4.0, "low": 3.0, "high": 5.0, "compared": 25, "of": 25}},
    "attributes": {"yaw": {"verdict": "kept"}},
}


def test_every_number_is_found_by_its_flat_name() -> None:
    found = estimates(WAY)
    assert found["kid_tagger"] == (0.1, 0.05, 0.2)
    assert found["color_consistency.skin"] == (4.0, 3.0, 5.0)
    assert found["fid_tagger"] == (80.0, 80.0, 80.0)
    assert found["psnr"] == (21.0, 21.0, 21.0)


def test_what_was_not_found_and_what_is_no_headline_is_left_out() -> None:
    assert estimates(WAY).keys() == {"kid_tagger", "color_consistency.skin", "fid_tagger", "psnr"}


def test_the_mean_over_seeds_takes_the_place_of_the_first_seed() -> None:
    over = WAY | {"seeds": {"psnr": {"mean": 20.0, "low": 18.0, "high": 22.0, "n": 3}}}
    assert estimates(over)["psnr"] == (20.0, 18.0, 22.0)


@pytest.mark.parametrize(
    ("name", "words", "better"),
    [
        ("kid_dlib_resnet128", "KID (dlib resnet128)", "lower"),
        ("ms_ssim_3_scales", "MS-SSIM (3 scales)", "higher"),
        ("ssim_after_way_back", "SSIM (after way back)", "higher"),
        ("condition_swap.colors_pixels", "response (colors pixels)", "none"),
        ("is_inception", "Inception score (inception)", "higher"),
    ],
)
def test_a_name_says_what_it_is_and_which_way_is_better(name: str, words: str, better: str) -> None:
    known = headline(name)
    assert known is not None
    assert (label(name), known.better) == (words, better)


def test_an_unknown_name_is_no_headline() -> None:
    assert headline("outputs") is None
    assert label("outputs") == "outputs"
