"""When what failed is tried again, and what is stored is asked for again."""

from __future__ import annotations

import math

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
REVALIDATE_S = 30 * DAY_S
# What may well be gone at the next attempt, and what only another page or another entry could change.
PASSING = {"unreachable", "http_error", "failed"}
FINAL = {"duplicate", "no_image", "no_file", "licence_excluded", "taken_down"}
PAGE_FAILURES = {*PASSING, "not_found", "disallowed_by_robots", "too_large"}


def retry_wait_s(reason: str, attempts: int) -> float:
    """Return how long to wait with the next attempt after so many that ended with this reason.

    A passing failure is tried again by the next crawl, then after an hour, two, four, … at most a week; one
    that is likely to last after a day, two, four, … at most 90 days.
    """
    if reason in FINAL:
        return math.inf
    doublings = min(attempts, 12)
    if reason in PASSING:
        return 0 if attempts <= 1 else min(HOUR_S * 2 ** (doublings - 2), 7 * DAY_S)
    return min(DAY_S * 2 ** (doublings - 1), 90 * DAY_S)
