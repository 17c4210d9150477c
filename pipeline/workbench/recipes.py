"""Recipes: sources and experiments that are ready to be copied into params.yaml, one YAML file each."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from pipeline.errors import UserError
from pipeline.names import unknown_name
from pipeline.params import Name, Params, Section, explain_validation
from pipeline.project import PARAMS_FILE, load_yaml, parse_yaml
from pipeline.sources import check_all, kind_named, kinds
from pipeline.workbench.entries import missing_options
from pipeline.workbench.params_file import add_entry, entries_of, read_text, write_text

FOLDER = Path("recipes")
SECTIONS = ("domains", "sources", "experiments")
_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)
_VARIABLE = re.compile(r"\$\{?(\w+)")


class RecipeFile(Section):
    """A recipe: what it is `about`, and entries as they stand in params.yaml."""

    about: Annotated[str, StringConstraints(min_length=1)]
    domains: dict[Name, Any] = Field(default_factory=dict)
    sources: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    experiments: dict[Name, dict[str, Any]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A recipe by name; its texts are entries as YAML, with their comments."""

    name: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return FOLDER / f"{self.name}.yaml"

    @cached_property
    def content(self) -> RecipeFile:
        """The values; raise `UserError` where they are no recipe's."""
        try:
            return RecipeFile.model_validate(load_yaml(self.path))
        except ValidationError as error:
            raise UserError(explain_validation(error, self.path)) from None

    @property
    def first_sentence(self) -> str:
        """What it is about, in short."""
        about = " ".join(self.content.about.split())
        found = _SENTENCE.match(about)
        return found[0] if found else about

    def texts(self, section: str) -> dict[str, str]:
        """Return the entries of a section as they are written."""
        return entries_of(read_text(self.path), section, self.path)


@dataclass
class Enabled:
    """What enabling a recipe did: keys of params.yaml that were added."""

    recipe: Recipe
    added: list[str] = field(default_factory=list)

    @property
    def next_steps(self) -> list[str]:
        """What the user does next, in order."""
        content = self.recipe.content
        checks = [f"python -m pipeline source check {source}" for source in content.sources]
        runs = [f"dvc repro evaluate@{experiment}" for experiment in content.experiments] or ["dvc repro"]
        return [*_to_supply(content.sources), *checks, *runs]


def recipes() -> list[Recipe]:
    """Return all recipes in the order of their names."""
    return [Recipe(name) for name in sorted(path.stem for path in FOLDER.glob("*.yaml"))]


def enable(name: str) -> Enabled:
    """Copy a recipe's entries into params.yaml, what is there already aside.

    Nothing is written where an entry of the same name says something else, or where the result is not valid.
    """
    known = [recipe.name for recipe in recipes()]
    if name not in known:
        raise unknown_name(f"{FOLDER}/", name, "recipes", known)
    enabled = Enabled(Recipe(name))
    text = read_text()
    for section in SECTIONS:
        text = _add_section(text, section, enabled)
    incomplete = [source for source, entry in enabled.recipe.content.sources.items() if _missing(entry)]
    _check(parse_yaml(text), without=incomplete)
    if enabled.added:
        write_text(text)
    return enabled


def _add_section(text: str, section: str, enabled: Enabled) -> str:
    present = load_yaml(PARAMS_FILE).get(section) or {}
    entries = getattr(enabled.recipe.content, section)
    texts = enabled.recipe.texts(section)
    for name, entry in entries.items():
        if name not in present:
            text = add_entry(text, section, name, texts[name])
            enabled.added.append(f"{section}.{name}")
        elif present[name] != entry:
            raise UserError(
                f"{PARAMS_FILE}: {section}.{name}: is there already and differs from {enabled.recipe.path}; "
                "give yours another name, or make both the same"
            )
    return text


def _check(values: Mapping[str, Any], without: list[str]) -> None:
    """Raise `UserError` where params.yaml would not be valid; entries `without` their values are left out."""
    complete = {
        section: {name: entry for name, entry in (values.get(section) or {}).items() if name not in without}
        for section in ("sources", "schedules")
    }
    try:
        params = Params.model_validate({**values, **complete})
    except ValidationError as error:
        raise UserError(explain_validation(error, PARAMS_FILE)) from None
    check_all(params)


def _missing(entry: Mapping[str, Any]) -> list[str]:
    """Return what an entry does not say and has to; what is wrong with its kind is not the user's to supply."""
    kind = entry.get("kind")
    return missing_options(kind_named(kind), entry) if kind in dict(kinds()) else []


def _to_supply(sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say which values a user has to give, and which files have to be there."""
    steps = []
    for name, entry in sources.items():
        key = f"sources.{name}"
        steps += [f"fill in {key}.{option} in {PARAMS_FILE}" for option in _missing(entry)]
        path = str(entry.get("path", ""))
        unset = [variable for variable in _VARIABLE.findall(path) if variable not in os.environ]
        steps += [
            f"set the environment variable {variable}, or edit {key}.path: {path}" for variable in unset
        ]
        if path and not unset and not Path(os.path.expandvars(path)).expanduser().exists():
            steps.append(f"put the files at {path}, or edit {key}.path")
    return steps
