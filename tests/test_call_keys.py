"""Records that Cube gives no id get one that lasts, and no two of them share it."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import ON_A_DAY, Tap, in_columns, on_a_day, select
from tests.test_calls import B2B, NAME, TODAY, bookmark, multiset, outcomes, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support import Run

WHEN = "call_outcome__report_as__submitted_when"
COMMENT = "call_outcome__comment"
STATUSES = "customer_statuses"
IDENTIFYING = (
    *("crm__customer_id", "campaign__name", "segment__name"),
    *("call_outcome__report_as__submitted_by", "product__code"),
    "call_outcome__report_as__submitted_when_timestamp",
)
OPEN_DAY = dt.datetime(2024, 5, 19, 12)  # noqa: DTZ001  # Cube has no zone either


@pytest.fixture
def cube() -> Iterator[Sandbox]:
    with Sandbox(customers=40, today=TODAY, outcomes=0, page_size=4) as running:
        yield running


@pytest.fixture
def tap(tmp_path: Path) -> Tap:
    tap = Tap(tmp_path)
    tap.program = ("-c", ON_A_DAY)
    return tap


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with Sandbox(customers=60) as cube:
        return Tap(tmp_path_factory.mktemp("discovery")).discover(settings(cube))


def settings(cube: Sandbox, **more: Any) -> dict[str, Any]:
    login = {"api_url": cube.url, "auth_token": cube.token, "crms": [B2B]}
    return {**login, "start_date": "2024-03-22", **more}


def keys(run: Run, stream: str = NAME) -> list[str]:
    return [record["row_key"] for record in run.records(stream)]


@pytest.fixture(scope="module")
def many() -> Iterator[Sandbox]:
    with Sandbox(customers=50, today=TODAY, outcomes=20_000, page_size=500) as running:
        yield running


@pytest.mark.e2e  # `tests/readers/test_events.py` does the same without a process
def test_twenty_thousand_events_have_as_many_keys(
    tap: Tap, many: Sandbox, catalog: dict[str, Any]
) -> None:
    run = tap(settings(many), catalog=select(catalog, NAME))
    assert run.status == 0
    assert len(set(keys(run))) == len(keys(run)) == 20_000
    numbers = Counter(key.rpartition("-")[2] for key in keys(run))
    assert numbers["2"] > 500, "there are many alikes"
    assert table(run) == outcomes(many, run)


@pytest.mark.parametrize(
    ("window_days", "page_size", "concurrency"),
    [(1, 50, 4), (2, 7, 16), (7, 3, 1), (30, 10, 4), (100, 500, 2)],
)
def test_keys_do_not_depend_on_how_the_days_are_read(  # noqa: PLR0913, PLR0917
    tap: Tap,
    cube: Sandbox,
    catalog: dict[str, Any],
    window_days: int,
    page_size: int,
    concurrency: int,
) -> None:
    cube.crms[2, "B2B"].add_events(400)
    usual = tap(settings(cube), catalog=select(catalog, NAME)).check()
    cube.page_size = page_size
    tap.program = ("-c", on_a_day(window_days=window_days))
    run = tap(settings(cube, concurrency=concurrency), catalog=select(catalog, NAME)).check()
    assert {*keys(run)} == {*keys(usual)}
    assert len({*keys(run)}) == 400


@pytest.mark.parametrize("window_days", [1, 2, 7, 30])
def test_records_without_a_time_are_told_apart_by_their_days(
    tap: Tap, cube: Sandbox, catalog: dict[str, Any], window_days: int
) -> None:
    crm = cube.crms[2, "B2B"]
    crm.add_events(60)
    alike = dict.fromkeys(IDENTIFYING, "x") | {WHEN: "", IDENTIFYING[-1]: ""}
    for days in (0, 0, 1, 2, 2, 2, 9, 40):
        crm.add_outcome(OPEN_DAY - dt.timedelta(days=days), **alike)
    usual = tap(settings(cube), catalog=select(catalog, NAME)).check()
    assert len(set(keys(usual))) == 68
    assert table(usual) == outcomes(cube, usual)
    tap.program = ("-c", on_a_day(window_days=window_days))
    run = tap(settings(cube), catalog=select(catalog, NAME)).check()
    assert {*keys(run)} == {*keys(usual)}


def adding(cube: Sandbox, times: int) -> Callable[[int, str], None]:
    """Puts an outcome in front of a list while that is read, so that all others move."""
    left = iter(range(times))

    def add(_number: int, target: str) -> None:
        if "from_date=20240519" in target and "page=" in target and next(left, None) is not None:
            cube.crms[2, "B2B"].add_outcome(OPEN_DAY, segment__name="new")

    return add


def with_alikes(cube: Sandbox) -> None:
    """Two open days of twenty outcomes in pages of four: pairs and more, over pages' borders."""
    crm = cube.crms[2, "B2B"]
    for number in range(10):
        record = crm.add_outcome(dt.datetime(2024, 5, 20, 10 + number // 2))  # noqa: DTZ001
        for _ in range(1 + number % 3):
            crm.add_outcome(dt.datetime(2024, 5, 20, 10), **record)  # noqa: DTZ001


@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_is_listed_twice_as_the_list_moves_does_not_get_two_keys(
    tap: Tap, cube: Sandbox, catalog: dict[str, Any], concurrency: int
) -> None:
    with_alikes(cube)
    cube.before_request = adding(cube, times=1)
    run = tap(settings(cube, concurrency=concurrency), catalog=select(catalog, NAME)).check()
    cube.before_request = None
    assert table(run) == outcomes(cube, run)
    again = tap(settings(cube), catalog=select(catalog, NAME)).check()
    assert {*keys(run)} == {*keys(again)}


@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_nobody_can_tell_from_its_alikes_comes_once_the_list_rests(
    tap: Tap, cube: Sandbox, catalog: dict[str, Any], concurrency: int
) -> None:
    with_alikes(cube)
    cube.before_request = adding(cube, times=1000)
    first = tap(settings(cube, concurrency=concurrency), catalog=select(catalog, NAME)).check()
    cube.before_request = None
    assert "could not be confirmed" in first.log
    assert table(first) < outcomes(cube, first)
    second = tap(settings(cube), catalog=select(catalog, NAME), state=first.state).check()
    assert {*keys(first)} <= {*keys(second)}, "no key that nobody has"
    assert table(first, second) == outcomes(cube, second)


def test_days_that_are_over_are_read_again_until_their_list_rests(
    tap: Tap, cube: Sandbox, catalog: dict[str, Any]
) -> None:
    """Whatever was put before the page that is being read would else be missed for good."""
    crm = cube.crms[2, "B2B"]
    for minutes in range(9):
        crm.add_outcome(OPEN_DAY - dt.timedelta(days=14, minutes=minutes))
    additions = iter(range(2))

    def add(_number: int, target: str) -> None:
        if (
            "from_date=20240503" in target
            and "page=2" in target
            and (minutes := next(additions, None)) is not None
        ):
            crm.add_outcome(OPEN_DAY - dt.timedelta(days=16, minutes=minutes))

    cube.before_request = add
    run = tap(settings(cube), catalog=select(catalog, NAME)).check()
    assert [target for _, target in cube.requests if "to_date=20240503" in target], "day by day"
    assert bookmark(run.state) == "2024-05-18"
    assert table(run) == outcomes(cube, run)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_bookmark_does_not_pass_what_was_held_back(
    tap: Tap, cube: Sandbox, catalog: dict[str, Any], concurrency: int
) -> None:
    crm = cube.crms[2, "B2B"]
    for _ in range(3):
        record = crm.add_outcome(OPEN_DAY - dt.timedelta(days=14))
        for _ in range(4):
            crm.add_outcome(OPEN_DAY - dt.timedelta(days=14), **record)

    def add(_number: int, target: str) -> None:
        if "page=" in target and re.search("from_date=2024050[35]", target):
            crm.add_outcome(OPEN_DAY - dt.timedelta(days=14))

    cube.before_request = add
    first = tap(settings(cube, concurrency=concurrency), catalog=select(catalog, NAME)).check()
    cube.before_request = None
    assert bookmark(first.state) == "2024-05-02"
    second = tap(settings(cube), catalog=select(catalog, NAME), state=first.state).check()
    assert bookmark(second.state) == "2024-05-18"
    assert table(first, second) == outcomes(cube, second)


def test_statuses_that_are_alike_stay_apart_and_keep_their_keys_as_they_change(
    tap: Tap, cube: Sandbox, catalog: dict[str, Any]
) -> None:
    crm = cube.crms[2, "B2B"]
    for _ in range(5):
        crm.add_status(**crm.statuses()[0])
    first = tap(settings(cube), catalog=select(catalog, STATUSES)).check()
    assert len({*keys(first, STATUSES)}) == len(crm.statuses())

    before = crm.statuses()
    crm.clear_events()
    for status in before:
        change = {"callflow__callstate__name": "Ferdig", "callflow__last_change__when": "2024"}
        crm.add_status(**status | change)
    crm.add_status(segment__name="new")
    second = tap(settings(cube), catalog=select(catalog, STATUSES)).check()
    assert {*keys(first, STATUSES)} < {*keys(second, STATUSES)}
    assert len(set(keys(second, STATUSES))) == len(before) + 1


def test_a_status_that_comes_as_they_are_read_is_one_more_and_no_more(
    tap: Tap, cube: Sandbox, catalog: dict[str, Any]
) -> None:
    crm = cube.crms[2, "B2B"]
    crm.add_events(1)
    for status in crm.statuses():
        crm.add_status(**status)
    moved: list[str] = []

    def add(_number: int, target: str) -> None:
        if "callflow_customers/?page=2" in target and not moved:
            moved.append(target)
            crm.add_status(**crm.statuses()[0])

    cube.before_request = add
    run = tap(settings(cube), catalog=select(catalog, STATUSES)).check()
    assert moved
    listed = multiset(in_columns(crm.statuses(), run.properties(STATUSES)))
    assert table(run, stream=STATUSES) == listed
