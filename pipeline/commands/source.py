"""The commands of a data engineer: `source …` for the sources of params.yaml, `enable` for recipes.

Every import of what they use stands inside the command, so that `--help` is instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.crawl.references import Source
    from pipeline.params import Params, SourceEntry

app = typer.Typer(help="Add sources to params.yaml, look at what they give, list them.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A source of params.yaml.")]
Count = Annotated[int, typer.Option(min=1, help="How many to look at.")]
SHEETS = Path("report/check")


@app.command("list")
def list_sources() -> None:
    """List the sources of params.yaml, and the kinds that can be added."""
    from pipeline.project import PARAMS_FILE, load_yaml
    from pipeline.stages.crawl import STATE
    from pipeline.workbench import overview

    entries = overview.entries(load_yaml(PARAMS_FILE), STATE)
    typer.echo("\n".join(_columns([overview.HEADER, *entries])) if entries else "params.yaml has no sources")
    typer.echo("\nKinds that can be added with `python -m pipeline source add NAME --kind KIND`:")
    for kind in overview.kinds():
        origin = f" [from {kind.distribution}]" if kind.distribution else ""
        typer.echo(f"\n{kind.name}: {kind.about}{origin}")
        typer.echo(f"  {kind.terms}" if kind.terms else "", nl=bool(kind.terms))


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The new source's name: a-z, 0-9 and -.")],
    kind: Annotated[str, typer.Option(help="What kind of source it is; `source list` lists them.")],
    domain: Annotated[str | None, typer.Option(help="A domain, or {role: domain, …} for pairs.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="The value of an option, as YAML."),
    ] = None,
) -> None:
    """Write a source into params.yaml, with a comment on every option of its kind."""
    from pipeline.workbench import adding

    given = adding.read_values(values or ())
    if domain is not None:
        given["domain"] = adding.read_value(domain)
    to_fill_in = adding.add(name, kind, given)
    typer.echo(f"params.yaml: sources.{name} is written. Its terms: {adding.terms(kind)}")
    for line in to_fill_in:
        typer.echo(f"  to fill in: {line}")
    typer.echo(f"Edit it, then: python -m pipeline source check {name}")


@app.command()
def check(name: Name, count: Count = 12) -> None:
    """Fetch a few images of a source, say what came, and draw a contact sheet; nothing is kept."""
    from pipeline.errors import UserError
    from pipeline.stages.crawl import open_session, settings_of
    from pipeline.workbench.checking import describe, try_out
    from pipeline.workbench.contact_sheet import write_contact_sheet

    params, entry, source = _opened(name)
    images = min(count, entry.limit.images or count)
    entry = entry.model_copy(update={"limit": entry.limit.model_copy(update={"images": images})})
    with open_session(params, entry, source) as session:
        findings = try_out(name, source, session, settings_of(params, name))
    typer.echo(describe(findings, entry.domain if isinstance(entry.domain, dict) else ()))
    if not findings.stored:
        raise UserError(f"params.yaml: sources.{name}: no image could be had of it; the reasons are above")
    sheet = SHEETS / f"{name}.png"
    write_contact_sheet(findings.stored, sheet)
    typer.echo(f"\ncontact sheet: {sheet}")


@app.command()
def preview(name: Name, count: Count = 12) -> None:
    """Print what a source shows, a line for each image or refusal; no image is fetched."""
    from pipeline.stages.crawl import open_session
    from pipeline.workbench.checking import preview as lines_of

    params, entry, source = _opened(name)
    with open_session(params, entry, source) as session:
        for line in lines_of(name, source, session, count):
            typer.echo(line)


def enable(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe of the folder recipes/; none lists them.")
    ] = None,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes.")] = False,
) -> None:
    """Copy a recipe's domains, sources and experiments into params.yaml."""
    from pipeline.workbench import recipes

    if recipe is None or list_recipes:
        for each in recipes.recipes():
            typer.echo(f"{each.name}: {each.first_sentence}")
        return
    enabled = recipes.enable(recipe)
    typer.echo(" ".join(enabled.recipe.content.about.split()))
    added = ", ".join(enabled.added)
    typer.echo(f"\nparams.yaml: {f'added {added}' if added else 'all of it is there already'}\nNext:")
    for number, step in enumerate(enabled.next_steps, 1):
        typer.echo(f"  {number}. {step}")


def _opened(name: str) -> tuple[Params, SourceEntry, Source]:
    from pipeline.names import unknown_name
    from pipeline.params import load_params
    from pipeline.project import PARAMS_FILE
    from pipeline.sources import build

    params = load_params()
    if name not in params.sources:
        raise unknown_name(f"{PARAMS_FILE}: sources", name, "sources", params.sources)
    entry = params.sources[name]
    return params, entry, build(name, entry)


def _columns(rows: Sequence[Sequence[Any]]) -> list[str]:
    widths = [max(len(str(row[number])) for row in rows) for number in range(len(rows[0]))]
    padded = ([f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)] for row in rows)
    return ["  ".join(row).rstrip() for row in padded]
