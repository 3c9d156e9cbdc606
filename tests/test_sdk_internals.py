"""What `streams/base.py` needs of the SDK without a promise that it stays so.

The SDK says of `finalize_state_progress_markers` and others that they need not be overridden, or
documents them for another purpose. `_increment_stream_state` is private. Each test runs a stream,
and fails if the SDK no longer calls, or no longer respects, what the tap relies on.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import logging
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.mapper import RemoveRecordTransform
from singer_sdk.singerlib import RecordMessage

from tap_cube.output.writer import MessageWriter
from tap_cube.readers.row_keys import MINUTE
from tap_cube.sandbox import Sandbox
from tap_cube.streams.base import CubeStream
from tap_cube.streams.services import Runtime
from tap_cube.tap import TapCube
from tests.support import select, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CUSTOMERS = 30
CRMS = [{"data_owner_id": 2, "crm_type": "B2B"}, {"data_owner_id": 1, "crm_type": "B2B"}]
#: Stream maps that change nothing, so that the SDK writes each record.
BY_SDK: dict[str, Any] = {"customers": {}}
Messages = list[dict[str, Any]]


class Tap(TapCube):
    """The tap, as if it were run on a day of the past."""

    runtime = partial(Runtime, now=dt.datetime(2024, 5, 20, 8, tzinfo=dt.timezone.utc))


class Runs:
    """Runs the tap in this process.

    Args:
        cube: The server.
        capture: Returns what was written to stdout.
    """

    def __init__(self, cube: Sandbox, capture: pytest.CaptureFixture[bytes]) -> None:
        self._capture = capture
        self.config = {
            "api_url": cube.url,
            "auth_token": cube.token,
            "crms": CRMS,
            "start_date": "2024-05-01",
        }
        self.catalog = Tap(config=self.config).catalog_dict

    def tap(self, *streams: str, **settings: Any) -> Tap:
        """Return a tap with these streams selected."""
        catalog = select(self.catalog, *streams)
        return Tap(config={**self.config, **settings}, catalog=catalog)

    def __call__(self, *streams: str, **settings: Any) -> Messages:
        """Read streams, and return the messages."""
        self.tap(*streams, **settings).sync_all()
        return self.messages()

    def messages(self) -> Messages:
        """Return the messages since the last call."""
        return [json.loads(line) for line in self._capture.readouterr().out.splitlines()]


@pytest.fixture(scope="module")
def cube() -> Iterator[Sandbox]:
    with Sandbox(customers=CUSTOMERS, outcomes=20, today=dt.date(2024, 5, 20)) as running:
        yield running


@pytest.fixture
def runs(cube: Sandbox, capsysbinary: pytest.CaptureFixture[bytes]) -> Iterator[Runs]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield Runs(cube, capsysbinary)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def of_type(messages: Messages, type_: str) -> Messages:
    return [message for message in messages if message["type"] == type_]


def test_increment_stream_state(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK calls it for each record that it writes; the tap keeps it from moving bookmarks."""
    calls: list[Any] = []
    monkeypatch.setattr(
        CubeStream, "_increment_stream_state", lambda _, record, **__: calls.append(record)
    )
    written = of_type(runs("call_outcomes", stream_maps={"call_outcomes": {}}), "RECORD")
    assert written
    assert len(calls) == len(written)


def test_no_record_moves_a_bookmark(runs: Runs) -> None:
    """The last day that is over is 2024-05-18, although later days have records."""
    messages = runs("call_outcomes", stream_maps={"call_outcomes": {}})
    outcomes = [message["record"] for message in of_type(messages, "RECORD")]
    assert max(outcome[MINUTE] for outcome in outcomes) > "2024-05-19"
    state = of_type(messages, "STATE")[-1]["value"]["bookmarks"]["call_outcomes"]
    assert {part["replication_key_value"] for part in state["partitions"]} == {"2024-05-18"}


def test_finalize_state_progress_markers(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK calls it once for each stream, after the last record of all CRMs, before STATE."""
    order: list[str] = []
    real = CubeStream.finalize_state_progress_markers

    def note(stream: CubeStream, state: Any = None) -> None:
        order.append(stream.name)
        real(stream, state)

    monkeypatch.setattr(CubeStream, "finalize_state_progress_markers", note)
    messages = runs("customers", "call_outcomes", emit_activate_version_messages=True)
    assert sorted(order) == ["call_outcomes", "customers"]
    types = [m["type"] for m in messages if m.get("stream", "customers") == "customers"]
    assert types.count("ACTIVATE_VERSION") == 1
    at = types.index("ACTIVATE_VERSION")
    assert "RECORD" not in types[at:]
    assert "STATE" in types[at:], "what it remembers is part of the last STATE"
    last = of_type(messages, "STATE")[-1]["value"]["bookmarks"]
    assert all("columns" in last[name] for name in order)


@pytest.mark.parametrize("maps", [{}, BY_SDK], ids=["by the tap", "by the SDK"])
def test_get_record_counter(
    runs: Runs, caplog: pytest.LogCaptureFixture, maps: dict[str, Any]
) -> None:
    """The SDK counts with the counter of `get_record_counter`, before any record is written."""
    with caplog.at_level(logging.INFO, "singer_sdk.metrics"):
        written = of_type(runs("customers", stream_maps=maps), "RECORD")
    counts = [
        point["value"]
        for text in caplog.messages
        if text.startswith("METRIC: ")
        and (point := json.loads(text.removeprefix("METRIC: ")))["metric"] == "record_count"
    ]
    assert sum(counts) == len(written) > CUSTOMERS


@pytest.mark.parametrize("maps", [{}, BY_SDK], ids=["by the tap", "by the SDK"])
def test_get_records(runs: Runs, cube: Sandbox, maps: dict[str, Any]) -> None:
    """The SDK asks for the records of each CRM, and writes those that it is handed, once."""
    written = of_type(runs("customers", stream_maps=maps), "RECORD")
    keys = [tuple(m["record"][k] for k in ("data_owner_id", "crm_type", "id")) for m in written]
    assert sorted(keys) == sorted(
        (*crm.values(), customer["id"])
        for crm in CRMS
        for customer in cube.crms[crm["data_owner_id"], crm["crm_type"]].customers()  # type: ignore[index]
    )


def test_is_flushed(runs: Runs) -> None:
    """The SDK writes a STATE after the last record, since the tap clears `is_flushed`."""
    types = [message["type"] for message in runs("customers")]
    assert types[-1] == "STATE"
    assert "STATE" in types[len(types) - 1 - types[::-1].index("RECORD") :]


def test_stream_maps(runs: Runs, cube: Sandbox) -> None:
    """A stream map applies to columns that appear in mid-read."""
    crm = cube.crms[2, "B2B"]
    last = crm.customers()[-1]["id"]
    page_size, cube.page_size = cube.page_size, CUSTOMERS // 2
    crm.update(last, **{"Helt nytt": "ja"})
    maps = {"customers": {"copy": "record['Helt nytt'] if 'Helt nytt' in record else 'nei'"}}
    messages = runs("customers", stream_maps=maps, crms=CRMS[:1])
    crm.update(last, **{"Helt nytt": None})
    cube.page_size = page_size
    schemas = of_type(messages, "SCHEMA")
    assert ["Helt nytt" in m["schema"]["properties"] for m in schemas] == [False, True]
    assert all("copy" in m["schema"]["properties"] for m in schemas)
    records = [message["record"] for message in of_type(messages, "RECORD")]
    assert {r["copy"] for r in records if r["id"] == last} == {"ja"}
    assert {r["copy"] for r in records if r["id"] != last} == {"nei"}


def test_stream_maps_are_those_of_the_moment(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK asks for `stream_maps` for each record: here, they drop all but the first ones."""
    written: list[Any] = []
    write, maps = MessageWriter.write_message, vars(CubeStream)["stream_maps"].fget

    def note(writer: MessageWriter, message: Any) -> None:
        written.append(message)
        write(writer, message)

    def changing(stream: CubeStream) -> Any:
        count = sum(isinstance(message, RecordMessage) for message in written)
        drop = RemoveRecordTransform(stream.name, stream.schema, None, flattening_options=None)
        return maps(stream) if count < len(CRMS) else [drop]

    monkeypatch.setattr(MessageWriter, "write_message", note)
    monkeypatch.setattr(CubeStream, "stream_maps", property(changing))
    assert len(of_type(runs("customers", stream_maps=BY_SDK), "RECORD")) == len(CRMS)


def test_type_conformance_level(runs: Runs, cube: Sandbox) -> None:
    """The SDK leaves values alone: it would drop what a catalog does not list inside an object."""
    crm = cube.crms[2, "B2B"]
    first = crm.customers()[0]["id"]
    crm.update(first, company_data={"listed": 1, "other": 2})
    properties = stream_of(runs.catalog, "customers")["schema"]["properties"]
    properties["company_data"] = {
        "type": ["object", "null"],
        "properties": {"listed": {"type": ["integer", "null"]}},
    }
    records = of_type(runs("customers", stream_maps=BY_SDK), "RECORD")
    crm.update(first, company_data=None)
    found = [record["record"].get("company_data") for record in records]
    assert {"listed": 1, "other": 2} in found


def batches_in(folder: Path) -> dict[str, Any]:
    return {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": folder.as_uri()},
        "batch_size": 20,
    }


def test_get_batches(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK writes a BATCH for each file of `get_batches`, and a STATE behind it."""
    calls: list[Any] = []
    real = CubeStream.get_batches

    def note(stream: CubeStream, *arguments: Any) -> Any:
        calls.append(arguments)
        return real(stream, *arguments)

    monkeypatch.setattr(CubeStream, "get_batches", note)
    messages = runs("customers", batch_config=batches_in(tmp_path))
    assert len(calls) == 1
    assert not of_type(messages, "RECORD")
    manifests = [path for m in of_type(messages, "BATCH") for path in m["manifest"]]
    files = [*tmp_path.iterdir()]
    assert sorted(manifests) == sorted(file.as_uri() for file in files)
    lines = [line for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert len(lines) > CUSTOMERS
    assert messages[-1]["type"] == "STATE"


def test_test_mode(runs: Runs, tmp_path: Path) -> None:
    """`tap-cube --test` reads one record of each stream, also where batches are configured."""
    tap = runs.tap("customers", batch_config=batches_in(tmp_path))
    assert tap.run_sync_dry_run(1, [tap.streams["customers"]])
    assert len(of_type(runs.messages(), "RECORD")) == 1
