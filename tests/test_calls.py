"""Call outcomes are read by days: none twice under two keys, none missed, however a run ends."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import re
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox import Sandbox
from tap_cube.sandbox.faults import Fault, Faults
from tests.support import OWN_FIELDS, Run, Tap, in_columns, on_a_day, select, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Record

TODAY = dt.date(2024, 5, 20)
OVER = "2024-05-18"
START = "2024-03-22"  # 60 days, which are ten windows: nine that are over, and one that is not
NAME = "call_outcomes"
B2B = {"data_owner_id": 2, "crm_type": "B2B"}
B2C = {"data_owner_id": 2, "crm_type": "B2C"}
NOON = dt.datetime(2024, 5, 20, 12)  # noqa: DTZ001  # Cube has no zone either


@pytest.fixture
def cube() -> Iterator[Sandbox]:
    with Sandbox(customers=60, today=TODAY, outcomes=90, page_size=5) as running:
        yield running


@pytest.fixture
def config(cube: Sandbox) -> dict[str, Any]:
    login = {"api_url": cube.url, "auth_token": cube.token, "max_tries": 1, "concurrency": 1}
    return {**login, "crms": [B2B], "start_date": START}


@pytest.fixture
def tap(tmp_path: Path) -> Tap:
    tap = Tap(tmp_path)
    tap.program = ("-c", on_a_day(state_interval=0))
    return tap


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with Sandbox(customers=60) as cube:
        config = {"api_url": cube.url, "auth_token": cube.token, "crms": [B2B, B2C]}
        return select(Tap(tmp_path_factory.mktemp("discovery")).discover(config), NAME)


def outcomes(cube: Sandbox, run: Run, crm: dict[str, Any] = B2B) -> Counter[str]:
    """Cube's own list, as a multiset."""
    found = cube.crms[crm["data_owner_id"], crm["crm_type"]].call_outcomes()
    return multiset(in_columns(found, run.properties(NAME)))


def table(*runs: Run, crm: dict[str, Any] = B2B, stream: str = NAME) -> Counter[str]:
    """What a target that merges by `row_key` holds of a CRM."""
    rows = {record["row_key"]: record for run in runs for record in run.records(stream)}
    added = {*OWN_FIELDS, "row_key"}
    return multiset(
        {name: value for name, value in record.items() if name not in added}
        for record in rows.values()
        if all(record[name] == value for name, value in crm.items())
    )


def multiset(records: Any) -> Counter[str]:
    return Counter(json.dumps(record, sort_keys=True) for record in records)


def asked(cube: Sandbox, crm: dict[str, Any] = B2B) -> list[str]:
    """The first days of the windows that were asked for."""
    place = f"/{crm['data_owner_id']}/crm/{crm['crm_type']}/call_outcomes/"
    found = [
        re.search(r"from_date=(\d{4})(\d\d)(\d\d)&to_date=\d{8}$", target)
        for _, target in cube.requests
        if place in target
    ]
    return ["-".join(match.groups()) for match in found if match]


def bookmark(state: dict[str, Any], crm: dict[str, Any] = B2B) -> Any:
    partitions = state["bookmarks"].get(NAME, {}).get("partitions", [])
    found = [p.get("replication_key_value") for p in partitions if p["context"] == crm]
    return found[0] if found else None


def state_at(day: str, crm: dict[str, Any] = B2B) -> dict[str, Any]:
    mark = {"context": crm, "replication_key": "x", "replication_key_value": day}
    return {"bookmarks": {NAME: {"partitions": [mark]}}}


def test_the_next_run_reads_only_what_it_must_and_gets_what_is_new(
    tap: Tap, cube: Sandbox, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    crm = cube.crms[2, "B2B"]
    crm.add_outcome(NOON - dt.timedelta(days=2))
    first = tap(config, catalog=catalog).check()
    assert table(first) == outcomes(cube, first)
    assert bookmark(first.state) == OVER
    for days_ago in (0, 0, 0, 1):
        crm.add_outcome(NOON - dt.timedelta(days=days_ago))
    cube.requests.clear()
    second = tap(config, catalog=catalog, state=first.state).check()
    assert asked(cube) == [OVER, "2024-05-19"]
    assert table(first, second) == outcomes(cube, second)
    assert second.state == first.state


@pytest.mark.parametrize(
    ("lookback", "first"), [(0, "2024-05-19"), (1, "2024-05-18"), (3, "2024-05-16")]
)
def test_lookback_days_are_read_again(  # noqa: PLR0913, PLR0917
    tap: Tap,
    cube: Sandbox,
    config: dict[str, Any],
    catalog: dict[str, Any],
    lookback: int,
    first: str,
) -> None:
    tap({**config, "lookback_days": lookback}, catalog=catalog, state=state_at(OVER)).check()
    assert asked(cube)[0] == first
    assert asked(cube)[-1] == "2024-05-19"


def test_nothing_before_start_date_is_looked_back_to(
    tap: Tap, cube: Sandbox, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    settings = {**config, "lookback_days": 9, "start_date": "2024-05-15"}
    tap(settings, catalog=catalog, state=state_at(OVER)).check()
    assert min(asked(cube)) == "2024-05-15"
    assert max(asked(cube)) == "2024-05-19"


KILLS = [
    *((window, 1, 1) for window in range(1, 11)),
    *((window, 2, 1) for window in range(1, 9)),  # later ones have one page each
    *((window, 1, 4) for window in (2, 5, 8)),
]


@pytest.mark.parametrize(("window", "page", "concurrency"), KILLS)
def test_killed_at_any_window_a_run_is_made_up_for_by_the_next(  # noqa: PLR0913, PLR0917
    tap: Tap,
    cube: Sandbox,
    config: dict[str, Any],
    catalog: dict[str, Any],
    window: int,
    page: int,
    concurrency: int,
) -> None:
    settings = {**config, "concurrency": concurrency}
    process = tap.start(config=settings, catalog=catalog)

    def kill(_number: int, target: str) -> None:
        # Later windows may be asked for before the second page of this one
        seconds = [asked for _, asked in cube.requests if "&page=2" in asked]
        reached = asked(cube) if page == 1 else seconds if "&page=2" in target else []
        if len(reached) == window:
            os.kill(process.pid, signal.SIGKILL)

    cube.before_request = kill
    stdout, stderr = process.communicate(timeout=60)
    cube.before_request = None
    whole = stdout[: stdout.rfind(b"\n") + 1]
    broken = Run(process.returncode, whole, stderr.decode())
    assert broken.status == -signal.SIGKILL
    cube.requests.clear()
    state = broken.state if b'{"type":"STATE"' in whole else {"bookmarks": {}}
    last = tap(settings, catalog=catalog, state=state).check()

    assert min(asked(cube)) == (bookmark(state) or START), "one day is read again"
    # Twice as many windows as requests in flight may be asked for before the first is written
    assert bool(bookmark(state)) >= (window > 1 + 2 * concurrency)
    assert table(broken, last) == outcomes(cube, last)
    assert bookmark(last.state) == OVER


def test_a_crm_that_is_added_later_is_read_from_the_start(
    tap: Tap, cube: Sandbox, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    first = tap(config, catalog=catalog).check()
    cube.requests.clear()
    both = {**config, "crms": [B2B, B2C]}
    second = tap(both, catalog=catalog, state=first.state).check()
    assert asked(cube)[0] == OVER
    assert asked(cube, B2C)[0] == START
    assert len(asked(cube, B2C)) == 10
    assert table(first, second) == outcomes(cube, second)
    assert table(second, crm=B2C) == outcomes(cube, second, B2C)
    assert {bookmark(second.state), bookmark(second.state, B2C)} == {OVER}


def test_empty_days_move_the_bookmark(
    tap: Tap, cube: Sandbox, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    cube.crms[2, "B2B"].clear_events()
    run = tap(config, catalog=catalog).check()
    assert run.records(NAME) == []
    assert bookmark(run.state) == OVER


@pytest.mark.parametrize("mark", ["yesterday", "20240518", 5, "2024-02-30"])
def test_a_bookmark_that_is_no_date_means_reading_from_the_start(
    tap: Tap, cube: Sandbox, config: dict[str, Any], catalog: dict[str, Any], mark: Any
) -> None:
    run = tap(config, catalog=catalog, state=state_at(mark)).check()
    assert run.log.count("the bookmark in STATE is no date: reading from `start_date`") == 1
    assert asked(cube)[0] == START
    assert table(run) == outcomes(cube, run)


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ("2999-01-01", "Setting `start_date` is in the future: nothing would be read"),
        ("someday", "Setting `start_date` must be a date such as 2024-01-31"),
        ("2024-02-30", "Setting `start_date` must be a date such as 2024-01-31"),
    ],
)
def test_a_start_that_cannot_be_is_one_clear_error(
    tap: Tap, config: dict[str, Any], start: str, sentence: str
) -> None:
    run = tap({**config, "start_date": start})
    assert run.status == 1
    assert run.last_line == sentence
    assert run.stdout == b""


def test_a_window_that_fails_holds_the_bookmark_of_its_crm_until_it_is_read(
    tap: Tap, cube: Sandbox, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    both = {**config, "crms": [B2B, B2C]}
    cube.faults = Faults(Fault("500", match="B2B.*from_date=20240412"))
    first = tap(both, catalog=catalog)
    assert first.status == 1
    assert "CRM 2/B2B, call_outcomes: Cube answered with status 500" in first.last_line
    assert bookmark(first.state) == "2024-04-11"
    assert bookmark(first.state, B2C) == OVER
    assert table(first, crm=B2C) == outcomes(cube, first, B2C)
    assert table(first) < outcomes(cube, first)

    cube.faults = None
    cube.requests.clear()
    second = tap(both, catalog=catalog, state=first.state).check()
    assert asked(cube)[0] == "2024-04-11"
    assert table(first, second) == outcomes(cube, second)
    assert bookmark(second.state) == OVER


def test_full_table_reads_all_and_leaves_no_bookmark(
    tap: Tap, cube: Sandbox, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    full = json.loads(json.dumps(catalog))
    stream_of(full, NAME)["replication_method"] = "FULL_TABLE"
    first = tap(config, catalog=full).check()
    assert table(first) == outcomes(cube, first)
    assert bookmark(first.state) is None
    cube.requests.clear()
    second = tap(config, catalog=full, state=state_at(OVER)).check()
    assert asked(cube)[0] == START
    assert second.records(NAME) == first.records(NAME)


LONG_WAY = {"flattening_enabled": True, "flattening_max_depth": 1}


def test_the_sdks_way_leaves_the_same_bookmark_and_records(
    tap: Tap, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    short = tap(config, catalog=catalog).check()
    long = tap({**config, **LONG_WAY}, catalog=catalog).check()
    assert long.records(NAME) == short.records(NAME)
    assert long.state == short.state
    assert bookmark(long.state) == OVER


def test_the_sdk_still_asks_for_a_bookmark_with_each_record(
    tap: Tap, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    tap.program = (
        "-c",
        on_a_day(
            "from tap_cube.streams.base import CubeStream; del CubeStream._increment_stream_state"
        ),
    )
    run = tap({**config, **LONG_WAY}, catalog=catalog).check()
    assert bookmark(run.state) != OVER, "what is overridden is no longer called"


def test_batches_come_with_the_same_bookmark(
    tap: Tap, cube: Sandbox, config: dict[str, Any], catalog: dict[str, Any], tmp_path: Path
) -> None:  # fmt: skip
    settings = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": f"file://{tmp_path}", "prefix": "batch-"},
    }
    run = tap({**config, "batch_config": settings}, catalog=catalog).check()
    assert bookmark(run.state) == OVER
    assert run.records(NAME) == []
    text = b"".join(gzip.decompress(path.read_bytes()) for path in tmp_path.glob("batch-*"))
    found: list[Record] = [json.loads(line) for line in text.splitlines()]
    rows = {record["row_key"]: record for record in found}
    added = {*OWN_FIELDS, "row_key"}
    stripped = [{k: v for k, v in record.items() if k not in added} for record in rows.values()]
    assert multiset(stripped) == outcomes(cube, run)
