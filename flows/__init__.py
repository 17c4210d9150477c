"""Prefect flows: thin, prose-like; every step is a DVC stage in a child process.

Prefect's settings for this checkout, for a machine that nobody looks at; whatever the environment says holds.
"""

import os

from flows import processes

_SETTINGS = {
    "PREFECT_HOME": str(processes.HOME.absolute()),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Twenty seconds, the default, are too few for a machine at work.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    # SQLite has one writer: rather wait for it than fail.
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
    # In memory, the default, a restart of the server would leave every slot taken for ever.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # A flow outlives a restart of the server: eight attempts wait for some eight minutes.
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    # See flows/zombies.py: a run without a sign of life is ended after three of these.
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_WORKER_QUERY_SECONDS": "5",
    "PREFECT_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
}

for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)
if _url := processes.api_url():
    os.environ.setdefault("PREFECT_API_URL", _url)  # so that a flow typed by hand appears in the UI
