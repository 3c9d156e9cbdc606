"""Records take a short way to stdout where they can, and nobody can tell."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import select

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cube.sandbox import Sandbox
    from tests.support import Run, Tap

TIME = re.compile(rb'"time_extracted":"[^"]*"')


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    crm = sandbox.crms[2, "B2B"]
    first, last = crm.customers()[0]["id"], crm.customers()[-1]["id"]
    crm.update(first, balance=12345678901234567890, more={"a": [1, None, "\u2028"]}, name='"\\\n😀')
    crm.update(last, appears_late=True)
    # What is no plain value of its column, in pages of all kinds
    for position, fields in enumerate(ODD_VALUES):
        crm.update(crm.customers()[10 + 4 * position]["id"], **fields)
    sandbox.page_size = 4
    return {
        "api_url": sandbox.url,
        "auth_token": sandbox.token,
        "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
    }


ODD_VALUES: tuple[dict[str, Any], ...] = (
    {"birth_date": ""},
    {"birth_date": "1987-02-28", "address_street_no": ""},
    {"address_street_no": "12b"},
    {"city": 17, "county": 2.50, "company": {"no": 1}, "country": [None]},
    {"birth_date": "1987-02-30"},
    {"data_owner_id": 77},
    {"seen once": None},
    {"name": None, "email": "😀 \u0000"},
)

# Each makes the SDK do something with every record, but nothing that would show
LONG_WAYS: dict[str, dict[str, Any]] = {
    "stream maps": {"stream_maps": {"customers": {"__filter__": "True"}}},
    "an alias": {"stream_maps": {"customers": {"__alias__": "customers"}}},
}


@pytest.mark.parametrize("setting", LONG_WAYS.values(), ids=LONG_WAYS)
def test_both_ways_write_the_same_bytes(
    tap: Tap, config: dict[str, Any], setting: dict[str, Any]
) -> None:
    catalog = select(tap.discover(config), "customers")
    short = records(tap(config, catalog=catalog).check())
    long = records(tap({**config, **setting}, catalog=catalog).check())
    assert len(short) == 60
    assert [TIME.sub(b"", line) for line in short] == [TIME.sub(b"", line) for line in long]
    for lines in (short, long):
        times = {match for line in lines for match in TIME.findall(line)}
        assert len(times) == 15, "the time is that of the page, and there are as many"


def records(run: Run) -> list[bytes]:
    return [line for line in run.stdout.splitlines() if line.startswith(b'{"type":"RECORD"')]


def test_what_needs_each_record_gets_it(tap: Tap, config: dict[str, Any]) -> None:
    """Stream maps change records, rename streams, and drop what they are told to."""
    maps = {
        "customers": {
            "__alias__": "kunder",
            "__filter__": "record['city'] is not None",
            "email": "md5(record['email']) if record['email'] else None",
            "phone_1": None,
        }
    }
    run = tap({**config, "stream_maps": maps}).check()
    assert run.records("customers") == []
    found = run.records("kunder")
    assert found
    assert all("phone_1" not in record for record in found)
    assert all(len(record["email"] or "") in {0, 32} for record in found)
    assert "phone_1" not in run.properties("kunder")


def test_a_field_that_appears_in_mid_read_passes_the_stream_maps(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    catalog = select(tap.discover(config), "customers")
    crm = sandbox.crms[2, "B2B"]
    crm.update(crm.customers()[-1]["id"], **{"Helt nytt": "ja"})
    maps = {"customers": {"email": None}}
    run = tap({**config, "stream_maps": maps}, catalog=catalog).check()
    assert run.properties("customers")["Helt nytt"] == {"type": ["string", "null"]}
    assert run.rows("customers")[-1]["Helt nytt"] == "ja"
    assert "email" not in run.properties("customers")


def test_every_line_is_a_message_and_the_last_state_is_final(
    tap: Tap, config: dict[str, Any]
) -> None:
    run = tap(config).check()
    assert {json.loads(line)["type"] for line in run.stdout.splitlines()} == {
        "SCHEMA",
        "RECORD",
        "STATE",
    }
    assert run.messages[-1]["type"] == "STATE"
    assert '"metric":"record_count","value":60' in run.log


def test_batches_hold_all_records(tap: Tap, config: dict[str, Any], tmp_path: Path) -> None:
    settings = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": f"file://{tmp_path}", "prefix": "batch-"},
    }
    catalog = select(tap.discover(config), "customers")
    run = tap({**config, "batch_config": settings}, catalog=catalog).check()
    assert run.records("customers") == []
    batches = [gzip.decompress(path.read_bytes()) for path in tmp_path.glob("batch-*")]
    lines = [line for batch in batches for line in batch.splitlines()]
    expected = [json.loads(line)["record"] for line in records(tap(config, catalog=catalog))]
    assert sorted((json.loads(line) for line in lines), key=itemgetter("id")) == sorted(
        expected, key=itemgetter("id")
    )


def test_a_target_that_stops_reading_is_told_apart(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "tap_cube", "--config", str(tmp_path / "config.json")]
    with subprocess.Popen(  # noqa: S603  # our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        log = process.stderr.read().decode()
    assert process.returncode == 1
    assert "Traceback" not in log
    assert log.rstrip().endswith("The target stopped reading: its own log says why")


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there are no such signals")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_signal_cuts_no_line(
    tmp_path: Path, sandbox: Sandbox, config: dict[str, Any], tap: Tap, unbuffered: str
) -> None:
    """A target is slow, so that a page does not fit into the pipe, when the signal comes."""
    sandbox.crms[2, "B2B"].resize(500)
    sandbox.page_size = 500
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "catalog.json").write_text(json.dumps(select(tap.discover(config), "customers")))
    command = [sys.executable, "-m", "tap_cube"]
    for option in ("config", "catalog"):
        command += [f"--{option}", str(tmp_path / f"{option}.json")]
    with subprocess.Popen(  # noqa: S603  # our own program
        command,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout
        begun = process.stdout.read(1)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        lines = (begun + process.stdout.read()).splitlines()
    assert process.returncode == 143
    assert [json.loads(line)["type"] for line in lines][-1] == "STATE"
    assert len(lines) == 502, "the SCHEMA, the page that was being written, and STATE"
