"""Whoever waits for a long read sees how far it is."""

from __future__ import annotations

import json
import logging
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import pytest

try:
    import fcntl
    import pty
    import termios
except ImportError:  # Windows
    fcntl = pty = termios = None  # type: ignore[assignment]

from tap_cube.output.progress import Progress
from tap_cube.sandbox import Sandbox
from tests.support import ON_A_DAY, program, select

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support import Tap

B2B = {"data_owner_id": 2, "crm_type": "B2B"}
IMPATIENT = program(log_interval=0)


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    sandbox.page_size = 7
    return {"api_url": sandbox.url, "auth_token": sandbox.token, "crms": [B2B]}


def run(tmp_path: Path, config: dict[str, Any], *arguments: str, **files: Any) -> tuple[str, str]:
    """What a run writes to stdout and to a log, with a line of progress for each page."""
    for name, content in {"config": config, **files}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        arguments = (*arguments, f"--{name}", str(tmp_path / f"{name}.json"))
    process = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", IMPATIENT, *arguments], capture_output=True, check=True, text=True
    )
    return process.stdout, process.stderr


def reached(log: str, label: str) -> list[tuple[int, int]]:
    found = re.findall(rf"{label}: (\d+) of (\d+) ", log)
    return [(int(done), int(total)) for done, total in found]


def test_the_log_tells_records_share_rate_and_time_left(
    tmp_path: Path, tap: Tap, config: dict[str, Any]
) -> None:
    catalog = select(tap.discover(config), "customers")
    stdout, log = run(tmp_path, config, catalog=catalog)
    lines = reached(log, "CRM 2/B2B, customers")
    assert lines[0] == (7, 60)
    assert lines[-1] == (60, 60)
    assert lines == sorted(lines)
    line = r"customers: 7 of 60 records \(11 %\), [\d,]+/s, \d:\d\d:\d\d left"
    assert re.search(line, log)
    assert all(json.loads(line)["type"] for line in stdout.splitlines())


def test_a_list_that_is_read_again_is_not_more_than_there_is(
    tmp_path: Path, tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    catalog = select(tap.discover(config), "customers")
    crm = sandbox.crms[2, "B2B"]

    def delete_one(number: int, _target: str) -> None:
        if number % 3 == 0:
            crm.delete(crm.customers()[0]["id"])

    sandbox.before_request = delete_one
    _, log = run(tmp_path, config, catalog=catalog)
    lines = reached(log, "CRM 2/B2B, customers")
    assert all(done <= 60 for done, _ in lines)
    assert lines[-1][0] >= lines[-1][1]


def test_days_are_counted_where_days_are_read(
    tmp_path: Path, tap: Tap, config: dict[str, Any]
) -> None:
    catalog = select(tap.discover(config), "call_outcomes")
    _, log = run(tmp_path, config, catalog=catalog)
    days = reached(log, "CRM 2/B2B, call_outcomes")
    assert days == sorted(days)
    assert {7, 14, 21, 28} <= {done for done, _ in days}
    assert days[-1] == (31, 31)
    assert re.search(r"call_outcomes: 31 of 31 days \(100 %\), \d+ records, ", log)


def test_discovery_tells_how_many_crms_are_done(tmp_path: Path, config: dict[str, Any]) -> None:
    stdout, log = run(tmp_path, {**config, "crms": [B2B, {**B2B, "crm_type": "B2C"}]}, "--discover")
    assert (2, 2) in reached(log, "discovering customers")
    assert json.loads(stdout)["streams"]


def test_the_time_left_of_a_resumed_read_counts_what_this_run_read() -> None:
    progress = Progress("customers", 1, logging.getLogger("test"))
    with progress.reading("customers"):
        time.sleep(0.01)
        progress.advance(1, 900_001, 1_000_000)
        told = re.fullmatch(
            r"900,001 of 1,000,000 records \(90 %\), [\d,]+/s, (\d+):(\d\d):\d\d left",
            str(progress),
        )
    assert told
    assert 60 * int(told[1]) + int(told[2]) >= 0.01 * 99_999 // 60


def test_the_time_left_counts_all_crms() -> None:
    progress = Progress("customers", 4, logging.getLogger("test"))
    with progress.reading("CRM 1/B2B, customers"):
        progress.advance(10, 10, 10)
    with progress.reading("CRM 2/B2B, customers"):
        time.sleep(0.1)
        progress.advance(5, 5, 10)
        told = re.fullmatch(
            r"5 of 10 records \(50 %\), CRM 2 of 4, 15 records, [\d,]+/s, 0:00:0(\d) left",
            str(progress),
        )
    assert told
    assert int(told[1]) <= 1


def test_a_stream_ends_with_one_line(tap: Tap, sandbox: Sandbox, config: dict[str, Any]) -> None:
    sandbox.crms[2, "B2B"].update(sandbox.crms[2, "B2B"].customers()[0]["id"], zip_code="1")
    crms = [B2B, {**B2B, "crm_type": "B2C"}, {**B2B, "crm_type": "Nowhere"}]
    config = {**config, "crms": crms}
    catalog = select(tap.discover({**config, "crms": [B2B]}), "customers", "custom_fields")
    sandbox.requests.clear()
    run = tap(config, catalog=catalog)
    assert run.status == 1
    found = re.findall(
        r"\| (\w+): ([\d,]+) records of (\d+) CRMs in [\d.]+ s, (\d+) requests?, (.*)$",
        run.log,
        re.MULTILINE,
    )
    records = {name: len(run.records(name)) for name in ("custom_fields", "customers")}
    assert [(name, int(number), crms) for name, number, crms, *_ in found] == [
        (name, number, "3") for name, number in records.items()
    ]
    assert sum(int(requests) for *_, requests, _ in found) == len(sandbox.requests)
    assert [anomalies for *_, anomalies in found] == ["1 failed", "1 failed"]


def test_a_stream_without_anomalies_says_so(tap: Tap, config: dict[str, Any]) -> None:
    run = tap(config, catalog=select(tap.discover(config), "campaigns")).check()
    assert re.search(
        r"campaigns: 5 records in [\d.]+ s, 1 request, no anomalies$", run.log, re.MULTILINE
    )


def test_a_dated_stream_says_from_which_day_it_is_read(tap: Tap, config: dict[str, Any]) -> None:
    """One line for all CRMs that start for the same reason."""
    tap.program = ("-c", ON_A_DAY)
    both = [B2B, {**B2B, "crm_type": "B2C"}]
    catalog = select(tap.discover(config), "call_outcomes")
    config = {**config, "crms": both}
    marked = {"context": B2B, "replication_key_value": "2024-05-18", "replication_key": "day"}
    state = {"bookmarks": {"call_outcomes": {"partitions": [marked]}}}
    first = "call_outcomes: reading 2 CRMs from 2024-04-20 on (`start_date` is not set)"
    assert first in tap(config, catalog=catalog).log
    started = tap({**config, "start_date": "2024-05-01"}, catalog=catalog, state=state).log
    assert "call_outcomes: reading 1 CRM from 2024-05-18 on (where the last run stood)" in started
    assert "call_outcomes: reading 1 CRM from 2024-05-01 on (`start_date`)" in started


@pytest.fixture
def terminal(tmp_path: Path) -> Callable[[dict[str, Any]], tuple[str, bytes]]:
    """Runs the tap in a terminal, and returns what it showed, and stdout."""

    def run(config: dict[str, Any]) -> tuple[str, bytes]:
        (tmp_path / "config.json").write_text(json.dumps(config))
        ours, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        command = [sys.executable, "-m", "tap_cube", "--config", str(tmp_path / "config.json")]
        with (
            tempfile.TemporaryFile() as stdout,
            subprocess.Popen(command, stdout=stdout, stderr=terminal) as process,  # noqa: S603
        ):
            os.close(terminal)
            shown = b"".join(iter(lambda: read(ours), b"")).decode()
            assert process.wait() == 0
            stdout.seek(0)
            return shown, stdout.read()

    return run


@pytest.mark.skipif(pty is None, reason="there are no such terminals")
def test_a_terminal_gets_one_aligned_bar_per_stream(
    terminal: Callable[[dict[str, Any]], tuple[str, bytes]],
) -> None:
    with Sandbox(customers=50, crms=20, outcomes=1, page_size=5, latency=0.02) as cube:
        shown, stdout = terminal({"api_url": cube.url, "auth_token": cube.token})
        counts = [len(crm.customers()) for crm in cube.crms.values()]
    # What stays of each line is what was written into it last
    lines = [line.rpartition("\r")[2] for line in shown.replace("\r\n", "\n").split("\n")]
    bars = [line for line in lines if "|" in line and " records " in line]
    assert [bar.split()[0] for bar in bars] == [
        *("call_outcomes", "campaigns", "custom_fields", "customer_statuses", "customers"),
        "product_registrations",
    ]
    assert len({bar.index("100%|") for bar in bars}) == 1
    assert f"| {sum(counts):,} records of 20 CRMs in " in bars[4]
    assert re.search(r"customers +\d+%\|.*\| \d+/B2[BC] \(\d+ of 20\), [\d,]+ records, ", shown)
    assert "METRIC" not in shown
    assert len(lines) < 30, "200 CRMs must not fill the screen"
    assert all(json.loads(line)["type"] for line in stdout.splitlines())


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux ends it
        return b""
