"""The entries of recipes, as tests use them: pointed at a local site, or at a folder through the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.params import SourceEntry
from pipeline.project import load_yaml
from pipeline.sources import build

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe(name: str) -> dict[str, Any]:
    """Return a recipe's sections."""
    return load_yaml(RECIPES / f"{name}.yaml")


def entry_of(name: str, **changed: Any) -> SourceEntry:
    """Return the entry of the recipe's only source, with some options changed."""
    (entry,) = recipe(name)["sources"].values()
    return SourceEntry.model_validate(entry | changed)


def source_of(name: str, **changed: Any) -> Any:
    """Return the recipe's only source, with some options changed."""
    return build(name, entry_of(name, **changed))
