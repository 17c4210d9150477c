"""The command line of housekeeping: `python -m pipeline parts compact` and `cache prune`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.in_turn import Alone

parts_app = typer.Typer(help="Look after raw parts.", no_args_is_help=True, add_completion=False)
cache_app = typer.Typer(help="Look after .cache.", no_args_is_help=True, add_completion=False)


@parts_app.callback()
def _parts() -> None:
    """Look after raw parts."""


@parts_app.command(cls=Alone)
def compact(source: Annotated[str, typer.Argument(help="A source of params.yaml.")]) -> None:
    """Merge a source's small raw parts into full ones, and commit them to DVC."""
    from pipeline import parts
    from pipeline.crawl.compaction import compact as compact_parts
    from pipeline.params import load_params
    from pipeline.stages.crawl import state_path
    from pipeline.upkeep import versions

    params = load_params()
    params.source(source)
    done = compact_parts(parts.folder("raw", source), state_path(source), params.crawl.part_size)
    recorded = versions.commit_crawls([source])
    typer.echo(f"{source}: {done.before} parts before, {done.after} after, {done.images} images as before")
    if recorded.committed:
        typer.echo(f"crawl@{source}: its parts are committed to DVC; type `dvc repro`")
    if recorded.left:
        typer.echo(f"crawl@{source}: its entry was edited; `dvc repro` crawls it and commits its parts")


@cache_app.callback()
def _cache() -> None:
    """Look after .cache."""


@cache_app.command()
def prune(
    older_than: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="Age of checkpoints and features.")
    ] = 30,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Delete nothing, only say what would go.")
    ] = False,
) -> None:
    """Delete cached results that no part here is, and features and training checkpoints of long ago."""
    from pipeline.upkeep.pruning import prune as prune_cache

    gone = prune_cache(older_than, dry_run)
    would = "would be " if dry_run else ""
    typer.echo(
        f"{gone.results} results and {gone.trainings} trainings {would}deleted, {gone.bytes} bytes {would}freed"
    )
