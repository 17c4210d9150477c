"""Trainings and measurements of arms: each made once, gone on with after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.claims import arms
from pipeline.claims.arms import Arm, measured, trained
from pipeline.claims.lab import Lab, note
from pipeline.claims.verdicts import NotMeasured
from pipeline.methods.recogniser import Recogniser
from pipeline.training import loop
from pipeline.training.session import Diverged, Session
from tests.methods.tiny_dataset import OPTIONS, write_dataset


@pytest.fixture
def arm(tmp_path: Path) -> Arm:
    arrays = write_dataset(tmp_path / "arrays", "cyclegan")
    (arrays / "experiment.json").unlink()
    options = {"method": "cyclegan", "domains": ["photo", "anime"], "size_px": 32, "steps": 6}
    return Arm(arrays, {**options, **OPTIONS["cyclegan"]})


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list that every training that begins is added to."""
    begun: list[Path] = []

    def train(dataset: Path, *folders: Path, **options: Any) -> None:
        begun.append(dataset)
        loop.train(dataset, *folders, **options)

    monkeypatch.setattr(arms, "train", train)
    return begun


def test_an_arm_is_trained_once_for_each_seed_and_its_measures_taken_once(lab: Lab, arm: Arm, trainings):
    taken = []

    def measure(one: arms.Trained) -> dict[str, float]:
        taken.append(one.seed)
        return {"light": float(one.outputs("photo", "anime").mean())}

    first = measured(lab, arm, "light", measure)
    assert measured(lab, arm, "light", measure) == first
    assert len(first["light"]) == len(lab.effort.seeds) == len(trainings)
    assert taken == list(lab.effort.seeds)
    measured(lab, arm, "other", measure)
    assert len(trainings) == 2, "another measure needs no other training"


def test_other_options_data_or_sizes_are_other_trainings(lab: Lab, arm: Arm, trainings):
    trained(lab, arm, 0)
    trained(lab, Arm(arm.arrays, {**arm.options, "lambda_cycle": 1.0}), 0)
    (arm.arrays / "photo.points.npy").write_bytes((arm.arrays / "anime.points.npy").read_bytes())
    trained(lab, arm, 0)
    assert len(set(trainings)) == 3


def test_a_killed_training_goes_on_where_it_was(lab: Lab, arm: Arm, monkeypatch: pytest.MonkeyPatch):
    steps: list[int] = []
    advance = Session.advance

    def counted(session: Session, turns: Any) -> None:
        if len(steps) == 4:
            steps.append(-1)
            raise KeyboardInterrupt
        steps.append(session.step)
        advance(session, turns)

    monkeypatch.setattr(Session, "advance", counted)
    with pytest.raises(KeyboardInterrupt):
        trained(lab, Arm(arm.arrays, {**arm.options, "checkpoint_every": 2}), 0)
    trained(lab, Arm(arm.arrays, {**arm.options, "checkpoint_every": 2}), 0)
    assert steps == [0, 1, 2, 3, -1, 4, 5]


def test_a_training_that_diverged_is_known_and_cannot_be_measured(lab: Lab, arm: Arm, monkeypatch):
    def train(*_: Any, **__: Any) -> None:
        raise Diverged("the loss cycle_source is inf in step 3")

    monkeypatch.setattr(arms, "train", train)
    one = trained(lab, arm, 0)
    assert "step 3" in str(one.diverged)
    with pytest.raises(NotMeasured, match="the training diverged: the loss cycle_source is inf"):
        one.method()


def test_what_one_seed_lacks_is_left_out(lab: Lab, arm: Arm):
    numbers = measured(lab, arm, "some", lambda one: {"all": 1.0} | ({"one": 2.0} if one.seed == 0 else {}))
    assert numbers == {"all": [1.0, 1.0]}


def test_an_arm_may_be_another_in_each_seed(lab: Lab, arm: Arm, trainings):
    def of_seed(seed: int) -> Arm:
        return Arm(arm.arrays, {**arm.options, "lambda_cycle": 1.0 + seed})

    weights = measured(lab, of_seed, "weight", lambda one: {"weight": one.experiment.lambda_cycle})
    assert weights == {"weight": [1.0, 2.0]}


def test_a_method_of_another_kind_is_an_error(lab: Lab, arm: Arm):
    with pytest.raises(TypeError, match="holds a CycleGan, not a Recogniser"):
        trained(lab, arm, 0).method_of(Recogniser)


def test_a_result_that_was_begun_is_made_again_and_a_finished_one_is_not(lab: Lab):
    begun = []

    def fail(place: Path) -> None:
        begun.append(place)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.once("things", {"a": 1}, (), fail)
    place = lab.once("things", {"a": 1}, (), lambda folder: {"made": True})
    assert place == begun[0]
    assert lab.once("things", {"a": 1}, (), fail) == place
    assert note(place) == {"made": True}
    assert lab.place("things", {"a": 2}, ()) != place
    assert lab.place("things", {"a": 1}, ("errors.py",)) != place, "what is made by code changes with it"


def test_seeds_added_later_leave_the_others_as_they_are(lab: Lab, arm: Arm, trainings):
    measured(lab, arm, "one", lambda one: {"seed": one.seed})
    more = Lab(lab.folder, replace(lab.effort, seeds=(0, 1, 2)))
    assert measured(more, arm, "one", lambda one: {"seed": one.seed}) == {"seed": [0, 1, 2]}
    assert len(trainings) == 3
