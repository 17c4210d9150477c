"""A red run says what to do: an error becomes words in the UI before it ends the run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from flows.bridge import Busy, DvcFailed, PipelineFailed, StageRefused
from flows.showing import show_words
from flows.stages import Quarantined

_ADVICE: list[tuple[type[Exception], str]] = [
    (Busy, "Wait until the other command has ended, then run this again: nothing was harmed."),
    (StageRefused, "Put right what the message names, then run this again: finished work is not repeated."),
    (
        Quarantined,
        "Nothing is lost, and the data are as they were before. Look at the contact sheet, then decide.",
    ),
    (PipelineFailed, "Put right what the message names, then run this again."),
    (
        DvcFailed,
        "The lines above are the stage's last ones; the whole log is on this run's page. Run it again when "
        "the cause is gone: finished work is not repeated.",
    ),
]
_OTHERWISE = "Run it again when the cause is gone: finished work is not repeated."


@contextmanager
def explained(key: str) -> Iterator[None]:
    """Leave an artifact under `key` that says what an error means, and let the error go on."""
    try:
        yield
    except Exception as error:
        advice = next((words for kind, words in _ADVICE if isinstance(error, kind)), _OTHERWISE)
        show_words(key, f"🔴 {type(error).__name__}", [f"```\n{error}\n```", advice])
        raise


def run_here(flow: Callable[[], object]) -> None:
    """Run a flow for somebody who typed its name: an error is its message and exit code 1."""
    try:
        flow()
    except Exception as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
