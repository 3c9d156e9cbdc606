"""Pauses between attempts, for all workers together."""

from __future__ import annotations

import re
import time
from collections import Counter
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox import Fault, Faults, Sandbox
from tests.test_answers import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Run, Tap

LIST = "/api/v1/data_owners/2/crm/B2B/customers/"


# Whole runs. Machines may be slow: only what must not come too early is timed.


class Watched(Sandbox):
    """A Cube of twelve pages that notes when each request came."""

    def __init__(self) -> None:
        super().__init__(customers=60, page_size=5)
        self.came: list[tuple[float, str]] = []
        self.before_request = lambda _, target: self.came.append((time.monotonic(), target))

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.came]

    def times_of(self, target: str) -> list[float]:
        return [at for at, asked in self.came if asked == target]


@pytest.fixture
def cube() -> Iterator[Watched]:
    with Watched() as running:
        yield running


def read(tap: Tap, cube: Watched, **more: Any) -> Run:
    config = {
        "api_url": cube.url,
        "auth_token": cube.token,
        "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
        "concurrency": 4,
    }
    return tap(config | more, catalog=catalog())


def assert_all_arrived(run: Run, cube: Watched) -> None:
    expected = [customer["id"] for customer in cube.crms[2, "B2B"].customers()]
    assert [record["id"] for record in run.check().rows("customers")] == expected


@pytest.mark.parametrize("what", ["429=2", "503=date+3"])
def test_the_server_is_left_alone_as_long_as_it_asks(tap: Tap, cube: Watched, what: str) -> None:
    """Two seconds, longer than the pause that would be made anyway; a date has whole seconds."""
    cube.faults = Faults(Fault(what, match=r"page=3$", first=1))
    assert_all_arrived(read(tap, cube), cube)
    refused, *_ = cube.times_of(f"{LIST}?page=3")
    in_flight = 0.9
    assert min(at for at in cube.times if at > refused + in_flight) - refused >= 2


def test_no_other_worker_asks_meanwhile(tap: Tap, cube: Watched) -> None:
    """Pages 3 to 5 would be due half a second, one and one and a half after the refusal."""
    cube.faults = Faults(Fault("429=2", match=r"page=2$", first=1))
    cube.crms[2, "B2B"].resize(25)
    assert_all_arrived(read(tap, cube, requests_per_second=2), cube)
    refused, again, *_ = cube.times_of(f"{LIST}?page=2")
    assert [at - refused for at in cube.times if refused + 0.9 < at < refused + 2] == []
    assert again - refused >= 2


def test_a_rate_holds_over_a_whole_run(tap: Tap, cube: Watched) -> None:
    cube.latency = 0.6
    rate, tolerance = 5, 0.25  # an answer of the loopback may be late, and the next one not
    assert_all_arrived(read(tap, cube, requests_per_second=rate), cube)
    numbered = [*enumerate(cube.times)]
    assert len(numbered) > 12, "the pages"
    for (m, earlier), (n, later) in combinations(numbered, 2):
        assert later - earlier >= (n - m) / rate - tolerance
    gaps = [later - earlier for earlier, later in pairwise(cube.times)]
    assert min(gaps) < cube.latency, "one worker alone waits for each answer"


def test_no_burst_makes_up_for_a_pause(tap: Tap, cube: Watched) -> None:
    cube.faults = Faults(Fault("429=3", match=r"page=2$", first=1))
    cube.crms[2, "B2B"].resize(25)
    rate, tolerance = 2, 0.25
    assert_all_arrived(read(tap, cube, requests_per_second=rate), cube)
    numbered = [*enumerate(cube.times)]
    for (m, earlier), (n, later) in combinations(numbered, 2):
        assert later - earlier >= (n - m) / rate - tolerance


@pytest.mark.parametrize(("tries", "page"), [(1, "?page=12"), (2, ""), (3, "?page=12")])
def test_so_many_tries_and_no_more(tap: Tap, cube: Watched, tries: int, page: str) -> None:
    cube.faults = Faults(Fault("500", match=f"{re.escape(LIST + page)}$"))
    run = read(tap, cube, max_tries=tries)
    assert run.status == 1
    assert "Cube answered with status 500: try again later (tried " in run.last_line
    assert len(cube.times_of(LIST + page)) == tries


def test_answers_that_cannot_be_read_are_asked_for_again(tap: Tap, cube: Watched) -> None:
    broken = {3: "cut", 4: "html", 5: "reset", 6: "slow=5"}
    cube.faults = Faults(*(Fault(w, match=f"page={n}$", first=1) for n, w in broken.items()))
    assert_all_arrived(read(tap, cube, request_timeout=2), cube)
    asked = Counter(target for _, target in cube.came)
    with Watched() as quiet:
        assert_all_arrived(read(tap, quiet), quiet)
    again = asked - Counter(target for _, target in quiet.came)
    assert again == {f"{LIST}?page={number}": 1 for number in broken}
