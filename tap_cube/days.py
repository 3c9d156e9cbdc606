"""Which days to read, and which of them are over. No zone is known, so all zones count."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt ]\d{2}:\d{2}|$)", re.ASCII)
_FIRST_ZONE = dt.timedelta(hours=14)
_LAST_ZONE = dt.timedelta(hours=-12)
_DAY = dt.timedelta(days=1)


class Window(NamedTuple):
    """Days that are read together, the first and the last included."""

    first: dt.date
    last: dt.date

    def single_days(self) -> Iterator[Window]:
        """Each of the days as a window of its own."""
        return windows(self.first, self.last, 1)


def today(now: dt.datetime) -> dt.date:
    """The latest date that it is anywhere on Earth."""
    return (now.astimezone(dt.timezone.utc) + _FIRST_ZONE).date()


def last_day_over(now: dt.datetime) -> dt.date:
    """The latest date that is over everywhere on Earth."""
    return (now.astimezone(dt.timezone.utc) + _LAST_ZONE).date() - _DAY


def windows(first: dt.date, last: dt.date, size: int) -> Iterator[Window]:
    """Windows of `size` days, or fewer at the end, that lie side by side."""
    while first <= last:
        end = min(first + (size - 1) * _DAY, last)
        yield Window(first, end)
        first = end + _DAY


def to_read(first: dt.date, now: dt.datetime, size: int) -> Iterator[Window]:
    """Windows from a day on until today. None holds days that are over and days that may not be."""
    over = last_day_over(now)
    yield from windows(first, over, size)
    yield from windows(max(first, over + _DAY), today(now), size)


def parse(text: str) -> dt.date | None:
    """The day of an ISO 8601 date, or of a date with a time; `None` if it is neither."""
    match = _DATE.match(text)
    try:
        return dt.date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None
