from pathlib import Path

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline.errors import UserError
from pipeline.params import Params, load_params


def params_with(tmp_path: Path, **sections: object) -> Path:
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text()) | sections
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def message(path: Path) -> str:
    with pytest.raises(UserError) as error:
        load_params(path)
    return str(error.value)


def test_the_shipped_params_are_valid() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    assert params.domains_of("demo-cartoons").of(None).detector == "animeface"


def test_no_sources_and_no_experiments_are_valid(tmp_path: Path) -> None:
    none: dict[str, dict] = {"sources": {}, "schedules": {}, "experiments": {}}
    assert load_params(params_with(tmp_path, **none, metrics={"tagger": "none"})).sources == {}


def test_generated_faces_come_from_another_experiment(tmp_path: Path) -> None:
    who = {"method": "recogniser", "domains": ["photo", "anime"], "size_px": 64, "steps": 1}
    none = {"experiments": {"who": {**who, "generated_by": "nobody"}}, "metrics": {"tagger": "none"}}
    said = message(params_with(tmp_path, **none))
    assert "experiments.who.generated_by: 'nobody' is not one of the other experiments" in said


@pytest.mark.parametrize("name", ["demo-cyclegan", "unknown"])
def test_outputs_are_measured_by_a_tagger_and_no_other_experiment(tmp_path: Path, name: str) -> None:
    said = message(params_with(tmp_path, metrics={"tagger": name}))
    assert f"metrics.tagger: '{name}' is not one of the experiments with method: tagger (demo-tagger)" in said
    assert "set it to none" in said


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"detekt": {}}, ["detekt", "unknown"]),
        ({"engine": {"kind": "ray", "workers": 2}}, ["engine.kind", "'ray'", "'local'"]),
        ({"engine": {"kind": "local", "workers": 0}}, ["engine.workers", "got 0"]),
        (
            {"landmarks": {"max_disagreement": {"real": -1}}},
            ["max_disagreement.real", "greater than 0", "-1"],
        ),
        ({"landmarks": {}}, ["landmarks.max_disagreement", "missing"]),
        ({"crawl": {"part_size": 513, "contact": ""}}, ["crawl.part_size", "512", "513"]),
        ({"sources": {"x": {"kind": "demo", "domain": "moon"}}}, ["sources.x.domain", "'moon'", "photo"]),
        ({"sources": {"Bad Name": {"kind": "demo", "domain": "photo"}}}, ["sources.Bad Name", "match"]),
        (
            {"domains": {"photo": {"faces": "whole", "detector": "dlib-hog", "landmarks": "none"}}},
            ["domains.photo", "must be 'none' where faces is 'whole'"],
        ),
        ({"experiments": {"x": {"method": "magic", "domains": []}}}, ["experiments.x", "'magic'"]),
    ],
)
def test_an_error_names_file_key_value_and_what_is_allowed(
    tmp_path: Path, sections: dict, words: list[str]
) -> None:
    said = message(params_with(tmp_path, **sections))
    assert "params.yaml" in said
    for word in words:
        assert word in said


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "params.yaml")


def test_broken_yaml_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("a: [")
    assert "not valid YAML" in message(tmp_path / "params.yaml")


def test_sections_that_stages_read_have_no_defaults() -> None:
    """DVC sees params.yaml, not defaults in code: a default that changes would go unnoticed."""
    for name in ("detect", "landmarks", "align", "quality", "catalogue"):
        section = Params.model_fields[name].annotation
        assert section is not None
        assert all(field.is_required() for field in section.model_fields.values()), name
