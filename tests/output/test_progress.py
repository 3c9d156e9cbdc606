"""Lines of progress in the log; the bar on a terminal has tests of its own."""

from __future__ import annotations

import io
import logging
import re
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.compat import override
from tap_cube.errors import CubeError
from tap_cube.output.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger("tests.progress")
LOGGER.setLevel(logging.INFO)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock, which begins at 0."""
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    return lambda seconds: monkeypatch.setattr(time, "monotonic", lambda: seconds)


def reading(
    at: Callable[[float], None], *advance: Any, crms: int = 1, unit: str = "records"
) -> str:
    """What the log says of a CRM's read after ten seconds."""
    progress = Progress("customers", crms, LOGGER, unit)
    with progress.reading("CRM 2/B2B, customers"):
        at(10.0)
        progress.advance(*advance)
        return str(progress)


def test_a_line_each_interval(
    at: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    progress = Progress("customers", 1, LOGGER)
    with progress.reading("CRM 2/B2B, customers"):
        for seconds, done in ((9.9, 400), (10.0, 500), (15.0, 700), (20.0, 1000)):
            at(seconds)
            progress.advance(100, done, 2000)
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        "CRM 2/B2B, customers: 500 of 2,000 records",
        "CRM 2/B2B, customers: 1,000 of 2,000 records",
    ]


def test_the_interval_is_that_of_the_stream(
    at: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Many small CRMs do not print a line each."""
    progress = Progress("customers", 200, LOGGER)
    for number in range(200):
        at(number / 10)
        with progress.reading(f"CRM {number}/B2B, customers"):
            progress.advance(10, 10, 10)
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        "CRM 100/B2B, customers: 10 of 10 records"
    ]


def test_the_time_that_is_left(at: Callable[[float], None]) -> None:
    told = reading(at, 500, 500, 2000)
    assert told == "500 of 2,000 records (25 %), 50/s, 0:00:30 left"


def test_the_time_that_is_left_is_that_of_all_crms(at: Callable[[float], None]) -> None:
    told = reading(at, 500, 500, 1000, crms=4)
    assert told == ("500 of 1,000 records (50 %), CRM 1 of 4, 500 records, 50/s, 0:01:10 left")


def test_records_of_an_earlier_run_took_no_time(at: Callable[[float], None]) -> None:
    told = reading(at, 500, 1500, 2000)
    assert told == "1,500 of 2,000 records (75 %), 50/s, 0:00:10 left"


def test_days(at: Callable[[float], None]) -> None:
    told = reading(at, 40, 2, 10, unit="days")
    assert told == "2 of 10 days (20 %), 40 records, 4/s, 0:00:40 left"


def test_a_list_that_does_not_tell_its_length(at: Callable[[float], None]) -> None:
    assert reading(at, 500, 500, None) == "500 records, 50/s"


def test_the_last_line(at: Callable[[float], None], caplog: pytest.LogCaptureFixture) -> None:
    requests = iter([40, 156])
    progress = Progress("customers", 2, LOGGER, interval=60, requests=lambda: next(requests))
    with progress.reading("CRM 2/B2B, customers"):
        at(12.5)
        progress.advance(5000, 5000, 5000)
    with suppress(CubeError), progress.reading("CRM 2/B2C, customers"):
        progress.anomaly("failed")
        raise CubeError
    progress.anomaly("left out", 1200)
    progress.finish()
    assert [record.message for record in caplog.records] == [
        "customers: 5,000 records of 2 CRMs in 12.5 s, 116 requests, 1 failed, 1,200 left out"
    ]


class Terminal(io.StringIO):
    """A terminal that remembers what was written."""

    @override
    def isatty(self) -> bool:
        return True


def test_a_bar_moves_after_a_leap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small CRM is half of the way, and a large one the other half."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    progress = Progress("customers", 2, LOGGER)
    with progress.reading("CRM 1/B2B, customers"):
        time.sleep(0.25)
        progress.advance(10, 10, 10)
    with progress.reading("CRM 2/B2B, customers"):
        for done in range(1, 4):
            time.sleep(0.25)
            progress.advance(1, done, 10)
    progress.finish()
    shown = re.findall(r"customers +(\d+)%", terminal.getvalue())
    assert list(dict.fromkeys(shown)) == ["0", "50", "55", "60", "65", "100"]
