"""Why something was not fetched: one exception per reason of `pipeline.reasons.REASONS`."""

from __future__ import annotations

from typing import ClassVar


class FetchProblem(Exception):
    """A URL or file that could not be had; `detail` is short and the same in every crawl.

    A `transient` problem is worth another attempt; `retry_after_s` is how long the server asked us to wait.
    """

    reason: ClassVar[str]

    def __init__(self, detail: str, *, transient: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(f"{self.reason}: {detail}")
        self.detail = detail
        self.transient = transient
        self.retry_after_s = retry_after_s


class BudgetSpent(Exception):
    """The crawl has used up a budget of its entry's `limit`; sources let it pass."""

    def __init__(self, budget: str) -> None:
        super().__init__(budget)
        self.budget = budget


class DisallowedByRobots(FetchProblem):
    """robots.txt, an opt-out header or a robots meta tag forbids it."""

    reason = "disallowed_by_robots"


class NotFound(FetchProblem):
    """It is not there."""

    reason = "not_found"


class HttpError(FetchProblem):
    """The server answered, but not with what was asked for."""

    reason = "http_error"

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail or f"HTTP {status}", transient=transient, retry_after_s=retry_after_s)
        self.status = status


class Unreachable(FetchProblem):
    """No answer in time, or the connection broke."""

    reason = "unreachable"


class Unreadable(FetchProblem):
    """A file on this machine that cannot be read."""

    reason = "unreadable"


class AddressRefused(FetchProblem):
    """The URL or a redirect leads where a crawler must not go."""

    reason = "address_refused"


class WorkerCrashed(FetchProblem):
    """The process that looked at the image died of it."""

    reason = "worker_crashed"


class TooLarge(FetchProblem):
    """More bytes than allowed."""

    reason = "too_large"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"more than {max_bytes} bytes")
