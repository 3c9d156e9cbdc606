"""Whoever waits for a long read sees how far it is."""

from __future__ import annotations

import json
import logging
import os
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

try:
    import fcntl
    import pty
    import termios
except ImportError:  # Windows
    fcntl = pty = termios = None  # type: ignore[assignment]

from tap_cube.meter import Meter
from tests.support import select

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cube.sandbox import Sandbox
    from tests.support import Tap

B2B = {"data_owner_id": 2, "crm_type": "B2B"}
IMPATIENT = """
import tap_cube.meter
tap_cube.meter.SECONDS_BETWEEN_LINES = 0
from tap_cube.__main__ import main
main()
"""


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
    assert sorted(set(lines)) == [(done, 60) for done in (*range(7, 60, 7), 60)]
    line = r"customers: 14 of 60 records \(23 %\), [\d,]+ records/s, \d:\d\d:\d\d left"
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
    assert days[0][0] in {7, 1}
    assert days[-1] == (31, 31)
    assert re.search(r"call_outcomes: 31 of 31 days \(100 %\), \d+ records, ", log)


def test_discovery_tells_how_many_crms_are_done(tmp_path: Path, config: dict[str, Any]) -> None:
    stdout, log = run(tmp_path, {**config, "crms": [B2B, {**B2B, "crm_type": "B2C"}]}, "--discover")
    assert (2, 2) in reached(log, "discovering customers")
    assert json.loads(stdout)["streams"]


def test_a_resumed_read_starts_where_it_stood(caplog: pytest.LogCaptureFixture) -> None:
    meter = Meter("customers", logging.getLogger("test"))
    with meter:
        meter.skip(900)
        meter.reach(950, 1000)
        assert str(meter).startswith("950 of 1,000 records (95 %), ")
        assert re.search(r", 0:00:00 left$", str(meter))
    assert caplog.text == ""


@pytest.mark.skipif(pty is None, reason="there are no such terminals")
def test_a_terminal_gets_a_bar_and_stdout_none(
    tmp_path: Path, tap: Tap, config: dict[str, Any]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "catalog.json").write_text(json.dumps(select(tap.discover(config), "customers")))
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    command = [sys.executable, "-m", "tap_cube"]
    for option in ("config", "catalog"):
        command += [f"--{option}", str(tmp_path / f"{option}.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal) as process:  # noqa: S603
        os.close(terminal)
        shown = b"".join(iter(lambda: read(ours), b"")).decode()
        stdout = process.communicate()[0]
    assert process.returncode == 0
    assert re.search(r"CRM 2/B2B, customers: +100%.*60/60.*records/s\]", shown)
    assert all(json.loads(line)["type"] for line in stdout.splitlines())


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux ends it
        return b""
