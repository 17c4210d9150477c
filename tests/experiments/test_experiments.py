"""What an experiment may say: as params.yaml is checked with pydantic, and read back without it."""

import json
from dataclasses import replace
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from pipeline.errors import UserError
from pipeline.experiments import EXPERIMENTS, AnyExperiment, as_dict, read_experiment

IN_PARAMS: TypeAdapter[Any] = TypeAdapter(Annotated[AnyExperiment, Field(discriminator="method")])
TOLD = {"domains": ["photo", "anime"], "size_px": 64, "steps": 10}
WRONG = [
    ({"method": "cyclegan", "lambda_cycle": -1}, "lambda_cycle must be at least 0, got -1"),
    ({"method": "cyclegan", "epochs": 3}, "either steps or epochs must be given"),
    ({"method": "cyclegan", "domains": ["photo", "photo"]}, "domains must be two different ones"),
    ({"method": "cyclegan", "ema": 1.5}, "ema must be between 0 and 1"),
    ({"method": "cyclegan", "seeds": [1, 1]}, "seeds must name at least one seed, each once"),
    ({"method": "cyclegan", "augment": {"enlarge": 0.5}}, "augment.enlarge must be from 1 to 2"),
    ({"method": "cyclegan", "per_subject": {"min": 3, "max": 2}}, "per_subject.max must be at least min"),
    ({"method": "cyclegan", "preprocess": {"nir": {}}}, "'nir' is not one of the experiment's domains"),
    ({"method": "cyclegan", "lambda_pixel": 1}, "lambda_pixel needs pairs"),
    (
        {"method": "cyclegan", "conditions": ["landmarks"], "landmarks": "attention"},
        "leave them out of conditions",
    ),
    ({"method": "cyclegan", "condition_dropout": 1}, "condition_dropout must be at least 0 and below 1"),
    ({"method": "getgan", "error": False, "gate": "full"}, "gate needs the error branch"),
    ({"method": "getgan", "lambda_guide": 1}, "lambda_guide needs a gate"),
    ({"method": "discogan", "size_px": 128}, "size_px must be 64 for discogan"),
    ({"method": "cut", "temperature": 0}, "temperature must be above 0"),
    ({"method": "pix2pix", "conditions": ["image"]}, "an image needs pairs"),
    ({"method": "pix2pix", "conditions": ["noise"]}, "noise alone says nothing"),
    ({"method": "pix2pix", "judged_with": ["colors"]}, "'colors' is not one of the conditions"),
    ({"method": "pix2pix", "colors": "film"}, "film needs colors in conditions"),
    ({"method": "cyclegan", "domains": ["photo"]}, "domains must be two different ones"),
    ({"method": "tagger", "domains": []}, "domains must be one, or two different ones"),
    ({"method": "tagger", "domains": ["a", "b", "c"]}, "domains must be one, or two different ones"),
    ({"method": "tagger", "domains": ["photo"], "match": ["yaw"]}, "name two domains"),
    ({"method": "tagger", "pairing": "pair_id"}, "pairing: nothing is translated here"),
    ({"method": "tagger", "select": "best_val_kid"}, "best_val_kid judges translations"),
    ({"method": "tagger", "batch_size": 1}, "batch_size must be at least 2"),
    ({"method": "tagger", "positive_weight": [1.0]}, "positive_weight has 1 numbers for 0 labels"),
    ({"method": "tagger", "positive_weight": [0.0], "labels": {"a": ["a"]}}, "must be above 0"),
]


@pytest.mark.parametrize("method", EXPERIMENTS)
def test_what_params_yaml_says_is_read_back_without_pydantic(method: str) -> None:
    size_px = 64 if method == "discogan" else 256
    experiment = IN_PARAMS.validate_python({"method": method, **TOLD, "size_px": size_px})
    written = json.loads(json.dumps(as_dict(experiment)))
    assert read_experiment({"name": "x", "counts": {}, **written}) == experiment


@pytest.mark.parametrize(("values", "said"), WRONG)
def test_what_cannot_be_is_said_in_words(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_experiment({**TOLD, **values})
    with pytest.raises(ValidationError, match=said):
        IN_PARAMS.validate_python({**TOLD, **values})


def test_unknown_options_and_methods_are_named() -> None:
    with pytest.raises(ValidationError, match=r"generator\.depth\n  Unexpected keyword"):
        IN_PARAMS.validate_python({"method": "cyclegan", **TOLD, "generator": {"depth": 3}})
    with pytest.raises(UserError, match="generator: depth unknown; there are blocks, upsample, width"):
        read_experiment({"method": "cyclegan", **TOLD, "generator": {"depth": 3}})
    with pytest.raises(UserError, match="method: 'magic' is unknown; there are cyclegan, getgan"):
        read_experiment({"method": "magic"})


def test_a_classifier_takes_one_domain() -> None:
    tagger = read_experiment({"method": "tagger", **TOLD, "domains": ["photo"]})
    assert tagger.domains == ("photo",)
    assert tagger.needs_tags
    assert not replace(tagger, labels={"smile": ("smile",)}).needs_tags


def test_an_epoch_of_a_translation_is_the_larger_domain_that_of_a_classifier_all_faces() -> None:
    assert read_experiment({"method": "cyclegan", **TOLD}).faces_in_epoch([3, 5]) == 5
    assert read_experiment({"method": "tagger", **TOLD}).faces_in_epoch([3, 5]) == 8


def test_the_papers_values_are_the_defaults() -> None:
    cyclegan = read_experiment({"method": "cyclegan", **TOLD})
    assert (cyclegan.learning_rate, cyclegan.batch_size, cyclegan.load_px) == (2e-4, 1, 71)
    assert replace(cyclegan, size_px=256).load_px == 286
    assert read_experiment({"method": "ugatit", **TOLD, "size_px": 256}).learning_rate == 1e-4
    assert read_experiment({"method": "discogan", **TOLD}).batch_size == 64
