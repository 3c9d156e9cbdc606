"""A quota of the server, without the setting `requests_per_second`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tap_cube.sandbox import Fault, Faults, Sandbox
from tests.test_answers import catalog

if TYPE_CHECKING:
    from tests.support import Tap


def read(tap: Tap, cube: Sandbox) -> tuple[float, int]:
    """Read all customers, and return the seconds and the number of accepted requests."""
    config = {
        "api_url": cube.url,
        "auth_token": cube.token,
        "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
        "concurrency": 16,
    }
    started = time.monotonic()
    run = tap(config, catalog=catalog()).check()
    ids = [record["id"] for record in run.rows("customers")]
    assert ids == [customer["id"] for customer in cube.crms[2, "B2B"].customers()]
    assert "(try 6 of 6)" not in run.log
    return time.monotonic() - started, len(cube.requests) - run.log.count("(429)")


@pytest.fixture
def without_refusals(tap: Tap) -> float:
    """The seconds that the largest of these reads takes here and now, as machines may be slow."""
    with Sandbox(customers=3000, page_size=50) as cube:
        seconds, _ = read(tap, cube)
    return seconds


@pytest.mark.parametrize(
    ("rate", "customers"),
    [
        (10, 1500),
        pytest.param(5, 3000, marks=pytest.mark.e2e),
        pytest.param(2, 3000, marks=pytest.mark.e2e),
    ],
)
def test_a_read_takes_little_longer_than_the_quota_allows(
    tap: Tap, without_refusals: float, rate: float, customers: int
) -> None:
    with Sandbox(customers=customers, page_size=50, quota=rate) as cube:
        seconds, accepted = read(tap, cube)
    assert accepted >= customers / 50
    assert seconds <= accepted / rate * 1.25 + 1 + 2 * without_refusals


def test_a_few_refusals_cost_little_more_than_their_pauses(
    tap: Tap, without_refusals: float
) -> None:
    pages = (15, 25, 35, 45, 55)
    refusals = Faults(*(Fault("429=1", match=f"page={page}$", first=1) for page in pages))
    with Sandbox(customers=3000, page_size=50, faults=refusals) as cube:
        seconds, _ = read(tap, cube)
    assert seconds <= len(pages) * 1.1 + 1 + 2 * without_refusals
