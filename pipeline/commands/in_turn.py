"""Commands that change the workspace: they wait for nobody, but never work beside a flow."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from pipeline.turns import turn


class Stage(TyperCommand):
    """The command of a stage: others of them may run beside it, as DVC's locks allow."""

    def invoke(self, ctx: Any) -> Any:
        """Run the stage in a turn of its own."""
        with turn():
            return super().invoke(ctx)


class Alone(TyperCommand):
    """A command that nothing else may run beside."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command as the only one at work in the workspace."""
        with turn(alone=True):
            return super().invoke(ctx)
