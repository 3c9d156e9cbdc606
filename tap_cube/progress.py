"""How far a read came: enough for the next run to go on, and to tell whether all were read."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cube.rows import values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_cube.pagination import Page
    from tap_cube.reading import ListReader

_KEY = "reading"
_ANCHORS = 8
_CHUNK_BITS = 13
_CHUNK_BYTES = 1 << (_CHUNK_BITS - 3)


class Distinct:
    """Counts different ids. A million of them take some megabytes if they are numbers."""

    def __init__(self) -> None:
        self._count = 0
        self._chunks: dict[int, bytearray] = {}
        self._others: set[str] = set()

    def __len__(self) -> int:
        return self._count + len(self._others)

    def update(self, ids: Iterable[Any]) -> None:
        """Count those that were not there before."""
        chunk_of = self._chunks.get
        for id_ in ids:
            if type(id_) is not int or id_ < 0:
                self._others.add(str(id_))
                continue
            chunk = chunk_of(id_ >> _CHUNK_BITS)
            if chunk is None:
                chunk = self._chunks[id_ >> _CHUNK_BITS] = bytearray(_CHUNK_BYTES)
            byte, bit = (id_ >> 3) & (_CHUNK_BYTES - 1), 1 << (id_ & 7)
            if not chunk[byte] & bit:
                chunk[byte] |= bit
                self._count += 1


class _Mark(msgspec.Struct):
    page: int
    anchors: list[str]
    version: int | None = None


class Progress:
    """Keeps in STATE where a read stands, until it is complete.

    Positions in a list do not last: customers before them are deleted. So STATE holds, beside the
    number of a page, what its last customers are recognised by, as digests that tell nobody who
    they are. All customers before them in the list were read; new ones come at its end.

    Args:
        state: State of the stream's CRM, changed in place.
        key: The field that customers are told apart by.
        version: Version of the table that the records carry.
    """

    def __init__(self, state: dict[str, Any], key: str, version: int | None) -> None:
        self._state = state
        self._key = key
        self._version = version
        self._recent: deque[_Mark] = deque()

    @staticmethod
    def version_in(state: dict[str, Any]) -> int | None:
        """The version that an interrupted read gave its records."""
        try:
            return msgspec.convert(state.get(_KEY), _Mark).version
        except msgspec.ValidationError:
            return None

    def resume(self, reader: ListReader) -> bool:
        """Let a reader go on where an interrupted read stood, and say whether it does."""
        try:
            mark = msgspec.convert(self._state.get(_KEY), _Mark)
        except msgspec.ValidationError:  # there is none, or none that can be of use
            return False
        anchors = set(mark.anchors)
        return reader.go_on_from(
            mark.page, lambda page: not anchors.isdisjoint(self._digests(page.results or ()))
        )

    def update(self, page: Page[Any], number: int | None, reach: int) -> None:
        """Remember that a page was written.

        Args:
            page: The page.
            number: Its number, where pages have numbers.
            reach: How many pages the reader may still have to go back.
        """
        if number is None or not page.results:
            return
        anchors = self._digests(page.results[-_ANCHORS:])
        self._recent.append(_Mark(number, anchors, self._version))
        if len(self._recent) > reach:
            self._state[_KEY] = msgspec.to_builtins(self._recent.popleft())

    def finish(self) -> None:
        """Forget it all: the read is complete."""
        self._state.pop(_KEY, None)

    def _digests(self, records: Sequence[Any]) -> list[str]:
        return [
            hashlib.blake2b(str(value).encode(), digest_size=8).hexdigest()
            for value in values(records, self._key)
        ]
