"""Records take a short way to stdout where they can, and nobody can tell."""

from __future__ import annotations

import gzip
import json
import re
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
    return {
        "api_url": sandbox.url,
        "auth_token": sandbox.token,
        "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
    }


# Each makes the SDK do something with every record, but nothing that would show
LONG_WAYS: dict[str, dict[str, Any]] = {
    "stream maps": {"stream_maps": {"customers": {"__filter__": "True"}}},
    "flattening": {"flattening_enabled": True, "flattening_max_depth": 0},
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
        assert len(times) == 2, "the time is that of the page, and there are two"


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
    assert run.records("customers")[-1]["Helt nytt"] == "ja"
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
    assert [json.loads(line) for line in lines] == expected
