"""dvc.yaml lists for each stage exactly the code it runs: with more it reruns in vain, with less it lies."""

from pathlib import Path

import grimp
import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY

STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
# What these do cannot change a stage's output, or reaches it by another way that is tracked.
NOT_LISTED = {
    "pipeline.project": "reads YAML",
    "pipeline.errors": "words for the user",
    "pipeline.names": "words for the user",
    "pipeline.cache": "gives back what was computed",
    "pipeline.engine": "spreads work",
    "pipeline.progress": "draws a bar",
    "pipeline.weights": "finds files whose hashes are in the cache's keys",
}
MAY_BE_LISTED = {
    "pipeline.params": "validates params.yaml, whose values DVC tracks; but experiments have defaults in it",
    "pipeline.reasons": "checks rejections on write; but the report prints it",
}
# What the command puts into a stage that must not import it: training on a machine with a GPU and little else.
PUT_IN = {"train": ["pipeline.evaluation.validation"]}
GRAPH = grimp.build_graph("pipeline")
# What lies behind it is not the stages' either: they see values, which DVC tracks.
GRAPH.remove_module("pipeline.params")


def file_of(module: str) -> Path:
    path = Path(*module.split("."))
    return path / "__init__.py" if (REPOSITORY / path).is_dir() else path.with_suffix(".py")


def has_code(file: Path) -> bool:
    """Tell a package's __init__ that holds more than its docstring."""
    return bool((REPOSITORY / file).read_text().split('"""', 2)[-1].strip())


def imported_by(stage: str) -> set[Path]:
    module = f"pipeline.stages.{stage}"
    roots = [module, *PUT_IN.get(stage, ())]
    modules = set(roots).union(*(GRAPH.find_upstream_modules(root) for root in roots))
    return {file_of(name) for name in modules if not is_left_out(name) and has_code(file_of(name))}


def is_left_out(module: str) -> bool:
    return any(f"{module}.".startswith(f"{name}.") for name in NOT_LISTED)


def listed_by(stage: str) -> set[Path]:
    declared = STAGES[stage].get("do", STAGES[stage])["deps"]
    paths = [REPOSITORY / path for path in declared if path.startswith("pipeline")]
    files = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    return {file.relative_to(REPOSITORY) for file in files if file.suffix == ".py" and has_code(file)}


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "crawl"])
def test_a_stage_lists_exactly_the_code_it_imports(stage: str) -> None:
    optional = {file_of(name) for name in MAY_BE_LISTED}
    assert listed_by(stage) - optional == imported_by(stage) - optional


def test_a_crawl_is_never_implied_by_code() -> None:
    """A changed line of code must not send the crawler out again."""
    assert "deps" not in STAGES["crawl"]["do"]
    assert STAGES["crawl"]["do"]["params"] == ["sources.${key}"]
