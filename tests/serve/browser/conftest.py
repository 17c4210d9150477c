"""The application in a temporary project, and browsers that visit it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.served import Application, served
from benchmarks.workspace import Workspace
from tests.serve.browser.small_project import write_project

if TYPE_CHECKING:
    from tests.serve.browser.page import Page


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return write_project(tmp_path_factory.mktemp("serving") / "project")


@pytest.fixture(scope="module")
def application(project: Workspace) -> Iterator[Application]:
    with served(project.folder) as application:
        yield application


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Return a function that opens an application's page in a browser of its own."""
    from tests.serve.browser.page import browser

    with ExitStack() as browsers:

        def open_page(application: Application, **options: Any) -> Page:
            number = len(list(tmp_path.glob("browser-*")))
            page = browsers.enter_context(browser(tmp_path / f"browser-{number}", **options))
            page.open(application.address)
            return page

        yield open_page
