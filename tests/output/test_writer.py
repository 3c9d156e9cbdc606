"""Lines on stdout: their bytes, their order, and what happens where they cannot be written."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import sys
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from singer_sdk.singerlib import ActivateVersionMessage, RecordMessage, StateMessage

from tap_cube.compat import override
from tap_cube.errors import TargetGoneError
from tap_cube.output.writer import MessageWriter

if TYPE_CHECKING:
    from collections.abc import Callable

ARRIVED = dt.datetime(2024, 5, 20, 8, 0, 0, 123000, tzinfo=dt.timezone.utc)
RECORD = {"id": 1, "price": Decimal("1.50"), "name": "Åse\u2028😀", "note": None}


@pytest.fixture
def written(capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[[], bytes]:
    """Returns what was handed to stdout since the last call."""
    return lambda: capsysbinary.readouterr().out


class Row(msgspec.Struct, rename={"f0": "id", "f1": "ekstra felt"}):
    f0: int
    f1: Any = msgspec.UNSET


@pytest.mark.parametrize("version", [None, 7])
def test_a_page_is_written_as_the_sdk_writes_its_records(
    written: Callable[[], bytes], version: int | None
) -> None:
    writer = MessageWriter()
    writer.stamp(ARRIVED, version)
    writer.write_message(RecordMessage(stream="customers", record=RECORD))
    by_sdk = written()
    writer.write_records("customers", [RECORD], ARRIVED, version)
    assert written() == by_sdk
    line = json.loads(by_sdk)
    assert line.get("version") == version
    assert line["time_extracted"] == "2024-05-20T08:00:00.123000Z"
    assert b'"price":1.50' in by_sdk
    assert "Åse\u2028😀".encode() in by_sdk


def test_rows_are_written_without_the_fields_that_they_lack(written: Callable[[], bytes]) -> None:
    MessageWriter().write_records("customers", [Row(1), Row(2, "x")], ARRIVED)
    records = [json.loads(line)["record"] for line in written().splitlines()]
    assert records == [{"id": 1}, {"id": 2, "ekstra felt": "x"}]


def test_a_stream_of_any_name(written: Callable[[], bytes]) -> None:
    MessageWriter().write_records('a"b\\', [{}], ARRIVED)
    assert json.loads(written())["stream"] == 'a"b\\'


def test_the_sdk_activates_nothing(written: Callable[[], bytes]) -> None:
    writer = MessageWriter()
    writer.write_message(ActivateVersionMessage(stream="customers", version=7))
    assert not written()
    writer.activate("customers", 7)
    assert json.loads(written()) == {
        "type": "ACTIVATE_VERSION",
        "stream": "customers",
        "version": 7,
    }


class Buffered(io.BytesIO):
    """Counts how often it is flushed."""

    flushed = 0

    @override
    def flush(self) -> None:
        self.flushed += 1


def test_records_wait_for_the_next_message(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = Buffered()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=buffer))
    writer = MessageWriter()
    writer.write_records("customers", [RECORD], ARRIVED)
    assert buffer.flushed == 0
    writer.write_message(StateMessage(value={"a": 1}))
    assert buffer.flushed == 1
    assert [json.loads(line)["type"] for line in buffer.getvalue().splitlines()] == [
        "RECORD",
        "STATE",
    ]


class Short(io.BytesIO):
    """Takes a few bytes at a time, as an unbuffered pipe does when a signal arrives."""

    @override
    def write(self, data: Any) -> int:
        return super().write(bytes(data[:7]))


def test_what_a_write_leaves_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = Short()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=buffer))
    MessageWriter().write_records("customers", [RECORD], ARRIVED)
    assert json.loads(buffer.getvalue(), parse_float=Decimal)["record"] == RECORD


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BrokenPipeError(), "The target stopped reading: its own log says why"),
        (
            OSError(28, "No space left on device"),
            "stdout cannot be written: No space left on device",
        ),
    ],
)
def test_a_target_that_is_gone(monkeypatch: pytest.MonkeyPatch, error: OSError, told: str) -> None:
    class Gone(io.BytesIO):
        @override
        def write(self, _: Any) -> int:
            raise error

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=Gone()))
    with pytest.raises(TargetGoneError, match=f"^{told}$"):
        MessageWriter().write_records("customers", [RECORD], ARRIVED)


def test_stdout_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(TargetGoneError, match="stdout is closed"):
        MessageWriter().write_message(StateMessage(value={}))


def test_an_end_between_lines(
    written: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "_exit", lambda _: None)  # the timer of a target that does not read
    with pytest.raises(SystemExit) as ended:
        MessageWriter().end({"a": 1}, 143)
    assert ended.value.code == 143
    assert json.loads(written()) == {"type": "STATE", "value": {"a": 1}}


def test_an_end_in_mid_line_comes_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a signal arrived while the line is written."""
    monkeypatch.setattr(os, "_exit", lambda _: None)
    writer = MessageWriter()

    class Interrupted(Short):
        @override
        def write(self, data: Any) -> int:
            if self.tell() == 7:
                writer.end({"a": 1}, 130)
            return super().write(data)

    buffer = Interrupted()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=buffer))
    with pytest.raises(SystemExit) as ended:
        writer.write_records("customers", [RECORD], ARRIVED)
    assert ended.value.code == 130
    types = [json.loads(line)["type"] for line in buffer.getvalue().splitlines()]
    assert types == ["RECORD", "STATE"]
