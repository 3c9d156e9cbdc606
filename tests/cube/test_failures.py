"""How long a server may ask to wait, and what a chain of errors means."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime

import pytest

from tap_cube.cube.failures import retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0),
        ("7", 7),
        ("0.5", 0.5),
        ("-3", 0),
        ("soon", 0),
        ("86400", 300),
        ("inf", 300),
        ("nan", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2115 07:28:00 GMT", 300),
        ("Wed, 99 Oct 2115 07:28:00 GMT", 0),
    ],
)
def test_what_the_server_asks_for(value: str, seconds: float) -> None:
    assert retry_after(value) == seconds


@pytest.mark.parametrize("zone", [0, 5])
def test_a_date_ahead(zone: int) -> None:
    then = dt.datetime.now(dt.timezone(dt.timedelta(hours=zone))) + dt.timedelta(seconds=30)
    assert 28 <= retry_after(format_datetime(then)) <= 30
