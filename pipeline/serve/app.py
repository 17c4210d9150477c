"""The preview application: its page and its server. With `pipeline.serve.tabs` the only place that knows Gradio."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from pipeline.errors import UserError
from pipeline.serve.studio import Studio
from pipeline.serve.style import HEAD, STYLE
from pipeline.serve.tabs.batch import batch_tab
from pipeline.serve.tabs.dataset import dataset_tab
from pipeline.serve.tabs.translating import translating_tab

# What visitors uploaded or were shown is deleted when it is so old, and looked for as often (s).
_FILE_AGE_S = 3600
_FILE_LOOK_S = 600
# How many requests of one kind are answered at once; a model answers one at a time in any case.
_AT_ONCE = 4
# Of so many visitors it is remembered which picture they gave.
_VISITORS = 64
# What a browser of this machine calls it: a foreign page whose name leads here (DNS rebinding) is not answered.
_OWN_NAMES = ["127.0.0.1", "localhost", "[::1]"]
_ENDING = (signal.SIGINT, signal.SIGTERM)


def app(studio: Studio, may_write: bool = True) -> gr.Blocks:
    """Return the page; without `may_write` visitors cannot change which faces the next run uses."""
    with (
        gr.Blocks(
            title="Likeness", analytics_enabled=False, delete_cache=(_FILE_LOOK_S, _FILE_AGE_S)
        ) as blocks,
        gr.Tabs(elem_id="tabs"),
    ):
        with gr.Tab("One picture", id="translating", elem_id="tab-translating"):
            translating_tab(studio)
        with gr.Tab("Many pictures", id="batch", elem_id="tab-batch"):
            batch_tab(studio)
        with gr.Tab("Dataset", id="dataset", elem_id="tab-dataset"):
            dataset_tab(studio, may_write)
    return blocks


def launch(studio: Studio, host: str, port: int) -> gr.Blocks:
    """Serve the page beside this thread and return it, with its address in `local_url`; port 0 takes a free one.

    Raises `UserError` where the address cannot be had.
    """
    port = free_port(host, port)
    page = app(studio, may_write=is_loopback(host)).queue(
        max_size=studio.limits.waiting, default_concurrency_limit=_AT_ONCE
    )
    try:
        page.launch(
            server_name=host,
            server_port=port,
            max_file_size=studio.limits.upload_bytes,
            app_kwargs={"middleware": [Middleware(TrustedHostMiddleware, allowed_hosts=_names(host))]},
            **_LAUNCH,
        )
    except OSError as error:
        raise UserError(f"--port {port}: {error}; take another, or 0 for one that is free") from None
    return page


_LAUNCH: dict[str, Any] = {
    "prevent_thread_lock": True,
    "quiet": True,
    "share": False,
    "ssr_mode": False,
    "mcp_server": False,
    "enable_monitoring": False,
    "footer_links": [],
    "show_error": False,
    "css": STYLE,
    "head": HEAD,
    "state_session_capacity": _VISITORS,
    "theme": gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
}


def serve_until_ended(
    studio: Studio, host: str, port: int, open_browser: bool, say: Callable[[str], None]
) -> None:
    """Serve the page until the process gets SIGINT or SIGTERM."""
    if not is_loopback(host):
        say(
            f"--host {host}: whoever reaches this address sees the dataset and uses the models; nobody can edit reviews"
        )
    with _told_to_end() as ended:
        page = launch(studio, host, port)
        try:
            say(str(page.local_url).rstrip("/"))
            if open_browser:
                webbrowser.open(str(page.local_url))
            ended.wait()
        finally:
            page.close(verbose=False)


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Yield what is set by the signals that end a process, in place of what they do otherwise."""
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in _ENDING}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _names(host: str) -> list[str]:
    """Return by which names a browser may ask."""
    return [*_OWN_NAMES, host] if is_loopback(host) else ["*"]


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def free_port(host: str, port: int) -> int:
    """Return the port, or one that is free for 0; raise `UserError` where it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
            return int(trial.getsockname()[1])
    except OSError as error:
        raise UserError(
            f"--host {host} --port {port}: {error.strerror}; take another port, or 0 for one that is free"
        ) from None
