"""Norwegian time, which Cube uses."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from datetime import date, tzinfo

OSLO: tzinfo | None
try:
    OSLO = ZoneInfo("Europe/Oslo")
except ZoneInfoNotFoundError:  # Windows without the package `tzdata`
    OSLO = None  # means the local zone below


def today() -> date:
    """Return the current date."""
    return datetime.now(OSLO).date()


def local(when: datetime) -> datetime:
    """Return the time in Norway's zone. A naive time is taken as Norwegian."""
    if when.tzinfo is None and OSLO is not None:
        return when.replace(tzinfo=OSLO)
    return when.astimezone(OSLO)
