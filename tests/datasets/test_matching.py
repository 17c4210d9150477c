import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance

from pipeline.datasets.matching import compare, match
from pipeline.errors import UserError

HOW = ["subsample", "reweight"]


def faces(count: int, seed: int, **measured: np.ndarray | list) -> pd.DataFrame:
    unknown = dict.fromkeys(("yaw_deg", "pitch_deg", "roll_deg", "eye_distance_px"), np.nan)
    columns = {
        "face_id": [f"{seed}-{n}" for n in range(count)],
        "tags": [None] * count,
        "weight": 1.0,
        **unknown,
    }
    return pd.DataFrame(columns | measured)


def shifted(count: int = 3000) -> dict[str, pd.DataFrame]:
    """Two domains of other poses and sizes: one looks to the left and is large, the other to the right and small."""
    rng = np.random.default_rng(0)
    return {
        "photo": faces(
            count, 1, yaw_deg=rng.normal(-6, 10, count), eye_distance_px=rng.lognormal(4.2, 0.4, count)
        ),
        "anime": faces(
            count // 2,
            2,
            yaw_deg=rng.normal(6, 7, count // 2),
            eye_distance_px=rng.lognormal(3.8, 0.4, count // 2),
        ),
    }


def after(domains: dict[str, pd.DataFrame], weights: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    return {name: of.assign(weight=weights[name])[weights[name] > 0] for name, of in domains.items()}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("names", [["yaw"], ["yaw", "scale"]])
def test_matched_domains_are_far_more_alike(how: str, names: list[str]) -> None:
    domains = shifted()
    matched = after(domains, match(domains, names, how))
    told = compare(domains, matched, names)
    for name in names:
        distance = told[name]["wasserstein"]
        assert distance["after"] < distance["before"] / 4
    column = [matched[name]["yaw_deg"] for name in ("photo", "anime")]
    weights = [matched[name]["weight"] for name in ("photo", "anime")]
    assert told["yaw"]["wasserstein"]["after"] == round(wasserstein_distance(*column, *weights), 4)


def test_reweighting_keeps_every_face_that_both_domains_have_and_a_mean_weight_of_one() -> None:
    domains = shifted()
    subsample, reweight = (after(domains, match(domains, ["yaw"], how)) for how in HOW)
    for name in domains:
        assert len(reweight[name]) > len(subsample[name])
        assert reweight[name]["weight"].mean() == pytest.approx(1)
        assert set(subsample[name]["weight"]) == {1.0}


def test_domains_that_are_alike_stay_whole() -> None:
    one = faces(40, 1, yaw_deg=np.linspace(-20, 20, 40))
    for how in HOW:
        weights = match({"photo": one, "anime": one.copy()}, ["yaw"], how)
        assert all((own == 1).all() for own in weights.values())


@pytest.mark.parametrize("how", HOW)
def test_a_tag_may_be_matched(how: str) -> None:
    domains = {
        "photo": faces(100, 1, tags=[["woman"]] * 80 + [[]] * 20),
        "anime": faces(100, 2, tags=[["woman", "blue"]] * 50 + [None] * 50),
    }
    told = compare(domains, after(domains, match(domains, ["woman"], how)), ["woman"])
    assert told["woman"]["wasserstein"] == {"before": 0.3, "after": 0.0}
    assert told["woman"]["unit"] == "share"


def test_new_faces_move_few_of_those_that_were_chosen() -> None:
    domains = shifted()
    grown = dict(domains)
    more = faces(300, 3, yaw_deg=np.random.default_rng(5).normal(-6, 10, 300))
    grown["photo"] = pd.concat([domains["photo"], more], ignore_index=True)
    before, now = (
        match(each, ["yaw"], "subsample")["photo"][: len(domains["photo"])] for each in (domains, grown)
    )
    assert (before != now).mean() < 0.1


def test_faces_of_unknown_pose_match_each_other() -> None:
    domains = {
        "photo": faces(40, 1, yaw_deg=[np.nan] * 20 + [0.0] * 20),
        "anime": faces(40, 2, yaw_deg=[np.nan] * 10 + [0.0] * 30),
    }
    weights = match(domains, ["yaw"], "subsample")
    assert [int(own[np.isnan(domains[name]["yaw_deg"])].sum()) for name, own in weights.items()] == [10, 10]


def test_domains_with_nothing_in_common_are_refused_with_attributes_and_counts() -> None:
    domains = {
        "photo": faces(50, 1, yaw_deg=np.full(50, -30.0)),
        "anime": faces(60, 2, yaw_deg=np.full(60, 30.0)),
    }
    with pytest.raises(UserError, match=r"match: \[yaw\].*photo 50, anime 60.*0% in common"):
        match(domains, ["yaw"], "subsample")


def test_a_domain_without_poses_cannot_be_matched_by_them() -> None:
    domains = {"ultrasound": faces(50, 1), "baby": faces(60, 2, yaw_deg=np.zeros(60))}
    with pytest.raises(UserError, match="0% in common"):
        match(domains, ["yaw"], "reweight")
    told = compare(domains, domains, ["yaw"])
    assert told["yaw"]["wasserstein"] == {"before": None, "after": None}


def test_a_tag_that_no_face_has_is_refused() -> None:
    domains = {"photo": faces(50, 1), "anime": faces(60, 2)}
    with pytest.raises(UserError, match=r"'yawn' is a tag of no training face.*yaw, pitch, roll, scale"):
        match(domains, ["yawn"], "subsample")


def test_pose_and_scale_are_always_compared_in_bins_that_all_share() -> None:
    domains = shifted(300)
    told = compare(domains, domains, [])
    assert list(told) == ["yaw", "pitch", "roll", "scale"]
    yaw = told["yaw"]
    assert len(yaw["edges"]) == 21
    for of in yaw["histogram"].values():
        for shares in of.values():
            assert sum(shares) == pytest.approx(1, abs=0.01)
