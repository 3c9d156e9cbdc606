"""Writing messages: one line each, RFC 8259 JSON in UTF-8, on stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType
from singer_sdk.singerlib.encoding import GenericSingerWriter, SingerMessageType
from singer_sdk.singerlib.messages import Message

from tap_cube.compat import override
from tap_cube.errors import TargetGoneError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable


class MessageWriter(GenericSingerWriter[bytearray, Message]):
    """Writes single messages, as the SDK hands them over, and the records of a whole page at once.

    Records reach the target when a buffer is full, and at the latest with the next message of
    another type: after a SCHEMA or a STATE, nothing that came before is left behind.
    """

    def __init__(self) -> None:
        super().__init__()
        self._encoder = msgspec.json.Encoder(decimal_format="number")
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
        self._write(
            self.format_message(message), flush=message.type is not SingerMessageType.RECORD
        )

    def _write(self, lines: bytes | bytearray, *, flush: bool) -> None:
        self._writing = True
        try:
            # With PYTHONUNBUFFERED, as in many containers, a signal cuts a write short
            rest = memoryview(lines)
            while rest:
                rest = rest[sys.stdout.buffer.write(rest) :]
            if flush:
                sys.stdout.flush()
        except BrokenPipeError:
            msg = "The target stopped reading: its own log says why"
            raise TargetGoneError(msg) from None
        self._writing = False
        if self._put_off:
            function, self._put_off = self._put_off, None
            function()

    def between_lines(self, function: Callable[[], None]) -> None:
        """Call a function that ends the program: at once, or when the line is written.

        Signals come at any time, and half a line would make the target fail on what follows.
        """
        if self._writing:
            self._put_off = function
        else:
            function()

    def write_records(
        self,
        stream: str,
        records: Iterable[Any],
        time_extracted: dt.datetime,
        version: int | None = None,
    ) -> None:
        """Write records as the RECORD messages that the SDK would make of them, but fast.

        Args:
            stream: Name of the stream.
            records: The records, as dicts or structs, which already conform to the last SCHEMA.
            time_extracted: When the page came, aware of its zone.
            version: The version of the table, where versions are in use.
        """
        # What all have in common is encoded once
        name = msgspec.Raw(self._encoder.encode(stream))
        time = msgspec.Raw(self._encoder.encode(time_extracted))
        common = (UNSET if version is None else version, time)
        messages = [_Record(name, record, *common) for record in records]
        self._write(self._encoder.encode_lines(messages), flush=False)


class _Record(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    """A RECORD message, its members in the order in which the SDK writes them."""

    stream: msgspec.Raw
    record: Any
    version: int | UnsetType
    time_extracted: msgspec.Raw
