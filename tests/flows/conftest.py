"""A server for a module's `workspace`, and a copy of that workspace in which nothing is disturbed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.workspace import Workspace
from tests.flows.server import Server, running


@pytest.fixture(scope="module")
def undisturbed(workspace: Workspace) -> Workspace:
    """A copy, made before any flow works in the workspace."""
    return Workspace.copy(workspace, workspace.folder.with_name("undisturbed"))


@pytest.fixture(scope="module")
def server(workspace: Workspace, undisturbed: Workspace) -> Iterator[Server]:
    """A server and its workers, in the workspace."""
    with running(workspace.folder) as server:
        yield server
