"""Counting different ids in little memory."""

from __future__ import annotations

from array import array
from bisect import bisect, bisect_left
from itertools import compress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CHUNK_BITS = 13
_CHUNK_BYTES = 1 << (_CHUNK_BITS - 3)
#: Ids below this one fit a run.
_END = 1 << 63


def number_of(id_: Any) -> int | None:
    """Return an id as a number, also if it is written as text; `None` if it is neither."""
    if type(id_) is int:
        return id_ if id_ >= 0 else None
    if type(id_) is str and id_.isascii() and id_.isdigit() and str(int(id_)) == id_:
        return int(id_)
    return None


def is_blank(id_: Any) -> bool:
    """Return whether an id identifies nothing. A broken record may hold a value of any type."""
    return id_ is None or id_ == ""


def are_ascending(ids: Sequence[Any]) -> bool:
    """Return whether ids are integers from 0 on, in ascending order, and none twice."""
    return (
        {*map(type, ids)} == {int}
        and ids[0] >= 0
        and len({*ids}) == len(ids)
        and sorted(ids) == [*ids]
    )


class Distinct:
    """A set of ids. A million of them take some megabytes if they are numbers.

    Pages in ascending order are kept as runs, so that nothing is done for each of their ids. All
    other numbers are bits.
    """

    def __init__(self) -> None:
        self._count = 0
        # Ascending ids, and the first one of each run. Runs do not overlap
        self._runs: list[array[int]] = []
        self._starts: list[int] = []
        self._chunks: dict[int, bytearray] = {}
        self._others: set[str] = set()

    def __len__(self) -> int:
        return self._count + len(self._others)

    def __contains__(self, id_: object) -> bool:
        number = number_of(id_)
        if number is None:
            return str(id_) in self._others
        chunk = self._chunks.get(number >> _CHUNK_BITS)
        if chunk and chunk[(number >> 3) & (_CHUNK_BYTES - 1)] & (1 << (number & 7)):
            return True
        position = bisect(self._starts, number)
        if not position:
            return False
        run = self._runs[position - 1]
        index = bisect_left(run, number)
        return index < len(run) and run[index] == number

    def update(self, ids: Iterable[Any]) -> list[bool]:
        """Add ids.

        Returns:
            For each of them, whether it is new.
        """
        ids = list(ids)
        if self._add_run(ids):
            return [True] * len(ids)
        found: set[Any] = set()
        new = []
        for id_ in ids:
            number = number_of(id_)
            key = str(id_) if number is None else number
            new.append(key not in found and id_ not in self)
            found.add(key)
        added = list(compress(ids, new))
        if not self._add_run(added):
            for id_ in added:
                self._add(id_)
        return new

    def _add_run(self, ids: list[Any]) -> bool:
        """Add ids as a run, if they are one."""
        if not ids or not are_ascending(ids) or ids[-1] >= _END:
            return False
        position = bisect(self._starts, ids[0])
        if position and self._runs[position - 1][-1] >= ids[0]:
            return False
        if position < len(self._starts) and self._starts[position] <= ids[-1]:
            return False
        low, high = ids[0] >> _CHUNK_BITS, ids[-1] >> _CHUNK_BITS
        if self._chunks and any(low <= index <= high for index in self._chunks):
            return False
        self._runs.insert(position, array("q", ids))
        self._starts.insert(position, ids[0])
        self._count += len(ids)
        return True

    def _add(self, id_: Any) -> None:
        number = number_of(id_)
        if number is None:
            self._others.add(str(id_))
            return
        chunk = self._chunks.setdefault(number >> _CHUNK_BITS, bytearray(_CHUNK_BYTES))
        chunk[(number >> 3) & (_CHUNK_BYTES - 1)] |= 1 << (number & 7)
        self._count += 1
