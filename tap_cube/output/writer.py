"""Writing messages: one line each, RFC 8259 JSON in UTF-8, on stdout."""

from __future__ import annotations

import os
import sys
import threading
from itertools import repeat
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
from msgspec import UNSET, UnsetType
from singer_sdk.singerlib import ActivateVersionMessage, Message, RecordMessage, StateMessage
from singer_sdk.singerlib.encoding import GenericSingerWriter, SingerMessageType

from tap_cube.compat import override
from tap_cube.errors import TargetGoneError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

#: Seconds that a signal leaves for a line that a target does not read.
_GRACE = 3.0


class MessageWriter(GenericSingerWriter[bytearray, Message]):
    """Writes the SDK's messages one by one, and the records of a whole page at once.

    Records are flushed when a buffer is full, and with the next message of another type: a STATE
    never reaches the target before the records that it covers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._received_at: dt.datetime | None = None
        self._version: int | None = None
        self._ends_with_state = True
        self._writing = False
        self._put_off: Callable[[], None] | None = None

    @override
    def serialize_message(self, message: Message) -> bytearray:
        line = bytearray()
        self._encoder.encode_into(message.to_dict(), line)
        line += b"\n"
        return line

    @override
    def write_message(self, message: Message) -> None:
        if isinstance(message, ActivateVersionMessage):
            return  # The SDK sends it before the first record: `activate` sends it at the end
        if isinstance(message, RecordMessage):
            message.time_extracted = self._received_at
            message.version = self._version
        self._write_line(message)

    def stamp(self, received_at: dt.datetime, version: int | None) -> None:
        """Set what the RECORD messages of the SDK say from now on.

        Args:
            received_at: Time at which the page of the records arrived, aware of its zone.
            version: Version of the table, if versions are in use.
        """
        self._received_at = received_at
        self._version = version

    def activate(self, stream: str, version: int) -> None:
        """Let targets delete the rows of all other versions."""
        self._write_line(ActivateVersionMessage(stream=stream, version=version))

    def write_records(
        self,
        stream: str,
        records: Iterable[Any],
        received_at: dt.datetime,
        version: int | None = None,
    ) -> None:
        """Write records as the SDK writes them, but many times faster.

        Args:
            stream: Name of the stream.
            records: The records, as dicts or structs, which conform to the last SCHEMA.
            received_at: Time at which their page arrived, aware of its zone.
            version: Version of the table, if versions are in use.
        """
        # What all messages have in common is encoded once
        name = msgspec.Raw(self._encoder.encode(stream))
        time = msgspec.Raw(self._encoder.encode(received_at))
        number = UNSET if version is None else version
        messages = list(map(_Record, repeat(name), records, repeat(number), repeat(time)))
        self._ends_with_state = False
        self._write(self._encoder.encode_lines(messages), flush=False)

    def conclude(self, state: Mapping[str, Any]) -> None:
        """Write STATE again if the last one is not the last message.

        The SDK omits a STATE that is equal to the one before. But some targets emit only a STATE
        that no other message follows: a run that changes nothing would leave the next without one.
        """
        if state and not self._ends_with_state:
            self._write_line(StateMessage(value=dict(state)))

    def _write_line(self, message: Message) -> None:
        self._ends_with_state = message.type is SingerMessageType.STATE
        self._write(
            self.format_message(message), flush=message.type is not SingerMessageType.RECORD
        )

    def _write(self, lines: bytes | bytearray, *, flush: bool) -> None:
        stdout = _stdout()
        self._writing = True
        try:
            # With PYTHONUNBUFFERED, as in many containers, a signal cuts a write short
            rest = memoryview(lines)
            while rest:
                rest = rest[stdout.write(rest) :]
            if flush:
                stdout.flush()
        except BrokenPipeError:
            msg = "The target stopped reading: its own log says why"
            raise TargetGoneError(msg) from None
        except OSError as error:
            msg = f"stdout cannot be written: {error.strerror}"
            raise TargetGoneError(msg) from None
        self._writing = False
        if self._put_off:
            function, self._put_off = self._put_off, None
            function()

    def end(self, state: Mapping[str, Any], status: int) -> None:
        """End the process with a last STATE: at once, or when the current line is written.

        Signals arrive at any time, and the target would fail on half a line. A target that has
        stopped reading does not hold up the end for more than a few seconds.

        Args:
            state: The state; empty if nothing was read.
            status: The exit status.
        """
        timer = threading.Timer(_GRACE, os._exit, [status])
        timer.daemon = True
        timer.start()

        def end() -> None:
            if state:
                self._write_line(StateMessage(value=dict(state)))
            sys.exit(status)

        if self._writing:
            self._put_off = end
        else:
            end()


def _stdout() -> BinaryIO:
    if sys.stdout is None:
        msg = "stdout is closed: redirect it to a target or a file"
        raise TargetGoneError(msg)
    return sys.stdout.buffer


class _Record(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    """A RECORD message, its members in the order in which the SDK writes them."""

    stream: msgspec.Raw
    record: Any
    version: int | UnsetType
    time_extracted: msgspec.Raw
