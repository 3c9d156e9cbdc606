"""Windows of days, and which days are over. Cube names no zone, so every zone is considered."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Days that are read before today if neither `start_date` nor a bookmark says more.
DEFAULT_DAYS = 30
#: No call is older; a year of two digits is.
FIRST_YEAR = 1900

_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt ]\d{2}:\d{2}|$)", re.ASCII)
_FIRST_ZONE = dt.timedelta(hours=14)
_LAST_ZONE = dt.timedelta(hours=-12)
_DAY = dt.timedelta(days=1)


class Window(NamedTuple):
    """Days that are read together, the first and the last included."""

    first: dt.date
    last: dt.date

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1

    @property
    def is_one_day(self) -> bool:
        """Whether the window covers one day only."""
        return self.first == self.last

    def single_days(self) -> Iterator[Window]:
        """Each of the days as a window of its own."""
        return windows(self.first, self.last, 1)


class FirstDay(NamedTuple):
    """Where a run starts.

    Attributes:
        day: The first day to read.
        warning: What is wrong with the bookmark, and what follows; `""` if nothing is.
    """

    day: dt.date
    warning: str = ""


def first_day(bookmark: object, today: dt.date, lookback: int, start: dt.date | None) -> FirstDay:
    """Return the first day to read.

    Args:
        bookmark: The last day that was read completely, as in STATE; `None` if there is none.
        today: The latest date anywhere on Earth.
        lookback: Number of days to read again; 1 reads the bookmark's day again.
        start: The setting `start_date`; `None` if it is not set. No earlier day is read.
    """
    beginning = start or shifted(today, -DEFAULT_DAYS)
    if bookmark is None:
        return FirstDay(beginning)
    day = parse(str(bookmark))
    if day is None or day.year < FIRST_YEAR:
        return FirstDay(beginning, "the bookmark in STATE is no date: reading from `start_date`")
    if day <= today:
        again = min(shifted(day, 1 - lookback), today)
        return FirstDay(max(again, start or again))
    again = shifted(today, -lookback)
    again = max(again, start or again)
    return FirstDay(again, f"the bookmark in STATE is later than today: reading from {again}")


def today(now: dt.datetime) -> dt.date:
    """The latest date anywhere on Earth."""
    return (now.astimezone(dt.timezone.utc) + _FIRST_ZONE).date()


def last_day_over(now: dt.datetime) -> dt.date:
    """The latest date that is over everywhere on Earth."""
    return (now.astimezone(dt.timezone.utc) + _LAST_ZONE).date() - _DAY


def windows(first: dt.date, last: dt.date, size: int) -> Iterator[Window]:
    """Adjacent windows of `size` days; the last one may be shorter."""
    while first <= last:
        end = min(shifted(first, size - 1), last)
        yield Window(first, end)
        if end == last:
            return
        first = shifted(end, 1)


def to_read(first: dt.date, now: dt.datetime, size: int) -> Iterator[Window]:
    """Windows from a day until today. No window mixes days that are over with other days."""
    over = last_day_over(now)
    yield from windows(first, over, size)
    yield from windows(max(first, over + _DAY), today(now), size)


def shifted(day: dt.date, days: int) -> dt.date:
    """A day that many days later, or earlier if negative; the nearest date if there is none."""
    ordinal = day.toordinal() + days
    return dt.date.fromordinal(min(max(ordinal, 1), dt.date.max.toordinal()))


def parse(text: str) -> dt.date | None:
    """The day of an ISO 8601 date, or of a date with a time; `None` if it is neither."""
    match = _DATE.match(text)
    try:
        return dt.date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None
