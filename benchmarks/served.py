"""The preview application in a process of its own, as a user starts it, and visitors who use it without a browser.

A visitor sends what the page would send: an event of a component, then the events that it leads to.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from benchmarks.real_pictures import REPOSITORY

_ADDRESS = re.compile(r"http://\S+")
_CARD = re.compile(
    r'data-model="([^"]+)" data-state="(done|failed)">(?:<img[^>]*src="data:image/png;base64,([^"]*)")?'
)
_START_S = 240
_ANSWER_S = 600
_END_S = 60


@dataclass
class Application:
    """A running application: where it answers, and where it puts what visitors upload (`TMPDIR`)."""

    process: subprocess.Popen[str]
    temporary: Path
    lines: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The address that it printed, without a slash at the end; empty until it answers."""
        return next((found[0] for line in self.lines if (found := _ADDRESS.search(line))), "").rstrip("/")

    @property
    def port(self) -> int:
        """The port that it answers at."""
        return int(self.address.rsplit(":", 1)[1])

    def printed(self) -> str:
        """Return all that it printed so far."""
        return "".join(self.lines)

    def end(self) -> int:
        """Ask it to end as a service manager does; return its exit code."""
        self.process.terminate()
        return self.process.wait(_END_S)


@contextmanager
def served(folder: Path, *options: str, temporary: Path | None = None) -> Iterator[Application]:
    """Yield the application of the project in `folder` once it answers, and end it; `options` are those of `serve`.

    `temporary` stands for the system's folder for temporary files, by default a new one.
    """
    temporary = temporary or Path(tempfile.mkdtemp(dir=folder, prefix="temporary-"))
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pipeline", "serve", "--port", "0", "--no-open", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(temporary)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    application = Application(process, temporary)
    threading.Thread(target=_collect, args=(application,), daemon=True).start()
    try:
        _wait_for_address(application)
        yield application
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


class Visitor:
    """Somebody at the page of one picture, with a session of their own."""

    def __init__(self, address: str) -> None:
        self._api = f"{address}/gradio_api"
        self._http = requests.Session()
        config = self._http.get(f"{address}/config").json()
        self._events = config["dependencies"]
        self._types = {each["id"]: each["type"] for each in config["components"]}
        self._ids = {each["props"].get("elem_id"): each["id"] for each in config["components"]}
        self._values = {each["id"]: each["props"].get("value") for each in config["components"]}
        self._session = secrets.token_hex(8)
        self._answered = 0.0

    def translations(self, picture: bytes) -> tuple[dict[str, bytes | None], float]:
        """Give a picture; return the PNG of each model's answer, None where it failed, and after how many seconds.

        Then the page goes on with the closer look at the first answer, which is waited for, too.
        """
        started = time.perf_counter()
        self._values[self._ids["answers"]] = ""
        files = {"files": ("picture.jpg", picture)}
        answer = self._http.post(f"{self._api}/upload", files=files, timeout=_ANSWER_S)
        answer.raise_for_status()
        upload = self._ids["upload"]
        self._values[upload] = {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}
        self._happened(upload, "upload")
        cards = _CARD.findall(self._values[self._ids["answers"]] or "")
        answers = {name: b64decode(png) if state == "done" else None for name, state, png in cards}
        return answers, self._answered - started

    def _happened(self, component: int, what: str) -> None:
        for event in self._events:
            if [component, what] in event["targets"] and event["backend_fn"]:
                self._run(event)

    def _run(self, event: dict[str, Any]) -> None:
        """Let the server answer an event, and then those that follow from it."""
        given = [None if self._types[each] == "state" else self._values[each] for each in event["inputs"]]
        asked = {"data": given, "fn_index": event["id"], "session_hash": self._session}
        joined = self._http.post(f"{self._api}/queue/join", json=asked, timeout=_ANSWER_S)
        joined.raise_for_status()
        changed = self._listen(event, joined.json()["event_id"])
        for state in changed:
            self._happened(state, "change")
        for later in self._events:
            if later["trigger_after"] == event["id"]:
                self._run(later)

    def _listen(self, event: dict[str, Any], event_id: str) -> list[int]:
        """Take over what the server answers; return the states that it changed. Raises `RuntimeError` for a failure."""
        from gradio_client.utils import apply_diff

        data: list[Any] = []
        url = f"{self._api}/queue/data"
        with self._http.get(
            url, params={"session_hash": self._session}, stream=True, timeout=_ANSWER_S
        ) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix(b"data:")) if line.startswith(b"data:") else {}
                if message.get("event_id") != event_id or "output" not in message:
                    continue
                output = message["output"]
                if not message.get("success", True):
                    raise RuntimeError(f"{event['api_name']}: {output.get('error')}")
                if message["msg"] == "process_generating" and data:
                    each = zip(data, output["data"], strict=True)
                    data = [apply_diff(before, change) for before, change in each]
                elif output.get("data"):
                    data = output["data"]
                self._show(event, data)
                if message["msg"] == "process_completed":
                    return output.get("changed_state_ids") or []
        raise RuntimeError(f"{event['api_name']}: the stream ended before the answer")

    def _show(self, event: dict[str, Any], data: list[Any]) -> None:
        for component, value in zip(event["outputs"], data, strict=False):
            if isinstance(value, dict) and value.get("__type__") == "update":
                value = value.get("value", self._values[component])
            if component == self._ids["answers"] and value != self._values[component]:
                self._answered = time.perf_counter()
            self._values[component] = value


def _collect(application: Application) -> None:
    assert application.process.stdout is not None
    for line in application.process.stdout:
        application.lines.append(line)


def _wait_for_address(application: Application) -> None:
    deadline = time.monotonic() + _START_S
    while not application.address:
        if application.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the application does not answer:\n{application.printed()}")
        time.sleep(0.1)
