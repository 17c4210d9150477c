"""Reading what a visitor uploaded, and forgetting it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

from pipeline.errors import UserError

# Two visitors who give the same picture have one file, and the second may have sent it just before the first's is read.
_FORGOTTEN_AFTER_S = 30.0


def read_upload(path: Path, limit_bytes: int, forgotten_after_s: float = _FORGOTTEN_AFTER_S) -> bytes:
    """Return the bytes of an uploaded file, which is deleted soon after unless it is uploaded again.

    Raises `UserError` where it has more than `limit_bytes`, or is gone.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError:
        raise UserError("the file is not here any more; upload it again") from None
    finally:
        timer = threading.Timer(forgotten_after_s, _forget, (path, time.time()))
        timer.daemon = True
        timer.start()
    if len(data) > limit_bytes:
        raise UserError(
            f"the file has more than the {limit_bytes:,} bytes that are taken; reduce the picture"
        )
    return data


def _forget(path: Path, read_at: float) -> None:
    """Delete an upload that was not uploaded again since it was read."""
    with suppress(OSError):
        if path.lstat().st_ctime <= read_at:
            path.unlink()
