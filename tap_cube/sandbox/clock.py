"""Cube's time, which is Norway's."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from datetime import date, tzinfo

OSLO: tzinfo | None
try:
    OSLO = ZoneInfo("Europe/Oslo")
except ZoneInfoNotFoundError:  # as on Windows without the package `tzdata`
    OSLO = None  # stands for the local zone in all that follows


def today() -> date:
    """The current date."""
    return datetime.now(OSLO).date()


def local(when: datetime) -> datetime:
    """The time with its zone; one that has none is taken for Norway's."""
    if when.tzinfo is None and OSLO is not None:
        return when.replace(tzinfo=OSLO)
    return when.astimezone(OSLO)
