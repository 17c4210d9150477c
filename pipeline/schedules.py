"""The section `schedules` of params.yaml: which sources the Prefect worker crawls again by itself, and when.

It is no part of a source's entry, because a change there would have `dvc repro` crawl the source.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from cronsim import CronSim

FIELDS = 5  # of a cron: minute, hour, day of the month, month, day of the week
DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _is_a_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is no time zone; use a name such as UTC, Europe/Berlin or America/New_York"
        ) from None
    return name


def _is_a_cron(cron: str) -> str:
    from cronsim import CronSimError

    wanted = "give minute, hour, day of the month, month and day of the week, such as '0 4 * * *'"
    if len(cron.split()) != FIELDS or not re.fullmatch(r"[0-9A-Za-z*,/ -]+", cron):
        raise ValueError(f"{cron!r} is not a cron of five fields; {wanted}")
    try:
        parsed = _parse(cron)
    except CronSimError as error:
        raise ValueError(f"{cron!r} is not a cron: {str(error).lower()}; {wanted}") from None
    if not all(isinstance(day, int) and day >= 0 for day in (*parsed.days, *parsed.weekdays)):
        raise ValueError(f"{cron!r}: L and W are not for recrawls; {wanted}")
    return cron


Cron = Annotated[str, AfterValidator(_is_a_cron)]


class Schedules(BaseModel):
    """What is done unattended; every key beside those below is a source, its value the cron of its recrawls.

    `timezone` is the one that the crons are meant in. A recrawl that goes on until the report trains again those
    experiments whose data grew by more than the share `retrain_when_grown`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Cron] = Field(init=False)

    timezone: Annotated[str, AfterValidator(_is_a_zone)] = "UTC"
    retrain_when_grown: Annotated[float, Field(gt=0)] = 0.1

    @property
    def crons(self) -> dict[str, str]:
        """The times of the recrawls by source."""
        return dict(self.__pydantic_extra__)

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Schedules:
        for (first, one), (second, other) in combinations(self.crons.items(), 2):
            if _meet(one, other):
                raise ValueError(
                    f"{first} ({one!r}) and {second} ({other!r}) come at the same minute; only one recrawl runs at a "
                    f"time in a workspace, the second would be cancelled: give {second} a minute of its own"
                )
        return self

    def check_sources(self, known: Collection[str]) -> None:
        """Raise `ValueError` where a key is none of the `known` sources, or cannot tell a source from a setting."""
        for name in self.crons:
            if name not in known:
                raise ValueError(
                    f"schedules.{name}: is not one of the sources: {', '.join(known) or 'none'}; remove this line, "
                    "or correct the name"
                )
        for name in type(self).model_fields:
            if name in known:
                raise ValueError(f"sources.{name}: is a setting of `schedules`; give the source another name")


def _meet(one: str, other: str) -> bool:
    """Say whether two crons ever come at the same minute, by the clock of their time zone.

    Every date falls on every weekday in some year, so any day of a month can be any day of the week.
    """
    mine, theirs = _parse(one), _parse(other)
    return (
        not mine.minutes.isdisjoint(theirs.minutes)
        and not mine.hours.isdisjoint(theirs.hours)
        and any(
            _is_on(one, mine, day, weekday) and _is_on(other, theirs, day, weekday)
            for month in mine.months & theirs.months
            for day in range(1, DAYS_IN_MONTH[month - 1] + 1)
            for weekday in range(7)
        )
    )


def _is_on(cron: str, parsed: CronSim, day: int, weekday: int) -> bool:
    """Say whether a cron comes on such a day: where both fields of days are limited, either is enough."""
    _, _, days, _, weekdays = cron.split()
    fits = day in parsed.days, bool({weekday, weekday or 7} & parsed.weekdays)  # Sunday is 0 or 7
    return all(fits) if "*" in (days, weekdays) else any(fits)


def _parse(cron: str) -> CronSim:
    from cronsim import CronSim

    return CronSim(cron, datetime(2000, 1, 1))
