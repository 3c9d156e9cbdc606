"""Pauses between attempts, for all workers together."""

from __future__ import annotations

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import format_datetime
from threading import Thread

import pytest
import requests
from singer_sdk.exceptions import RetriableAPIError

from tap_cube.throttle import LONGEST_PAUSE, Throttle, retry_after


def refused(value: str | None) -> RetriableAPIError:
    response = requests.Response()
    if value is not None:
        response.headers["Retry-After"] = value
    return RetriableAPIError("busy", response)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("7", 7),
        ("0.5", 0.5),
        ("-3", 0),
        ("soon", 0),
        ("86400", LONGEST_PAUSE),
        ("inf", LONGEST_PAUSE),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2115 07:28:00 GMT", LONGEST_PAUSE),
    ],
)
def test_what_the_server_asks_for(value: str | None, seconds: float) -> None:
    assert retry_after(refused(value)) == seconds


def test_a_date_ahead() -> None:
    then = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=30)
    assert 28 <= retry_after(refused(format_datetime(then, usegmt=True))) <= 30


def test_other_errors_ask_for_nothing() -> None:
    assert retry_after(requests.ConnectionError()) == 0


def test_a_pause_is_for_all() -> None:
    throttle = Throttle(None)
    throttle.pause(0.2)
    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(throttle.wait)
    assert time.monotonic() - started >= 0.2


def test_a_pause_also_holds_those_who_wait_already() -> None:
    throttle = Throttle(None)
    throttle.pause(0.1)
    started = time.monotonic()
    worker = Thread(target=throttle.wait)
    worker.start()
    throttle.pause(0.3)
    worker.join()
    assert time.monotonic() - started >= 0.29


def test_a_rate_holds_over_all_workers() -> None:
    throttle = Throttle(50)
    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            pool.submit(throttle.wait)
    assert time.monotonic() - started >= 19 / 50
