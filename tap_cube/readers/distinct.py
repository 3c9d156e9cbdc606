"""Counting different ids in little memory."""

from __future__ import annotations

from array import array
from bisect import bisect, bisect_left
from hashlib import blake2b
from itertools import compress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CHUNK_BITS = 13
_CHUNK_BYTES = 1 << (_CHUNK_BITS - 3)
# More chunks than these need so many ids each: a digest takes about as much
_FEW_CHUNKS, _LEAST_PER_CHUNK = 64, 64
#: Ids below this one fit a run.
_END = 1 << 63
#: Longer texts are not read as numbers.
_MOST_DIGITS = 100


def number_of(id_: Any) -> int | None:
    """Return an id as a number, also if it is written as text; `None` if it is neither."""
    if type(id_) is int:
        return id_ if id_ >= 0 else None
    if type(id_) is str and id_.isascii() and id_.isdigit() and len(id_) <= _MOST_DIGITS:
        return number if str(number := int(id_)) == id_ else None
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


def _digest(text: str) -> tuple[bytes, bytes]:
    """Return the digest of a text, in two parts."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
    return digest[:2], digest[2:]


class Distinct:
    """A set of ids. A million of them take some megabytes.

    Pages in ascending order are kept as runs, so that nothing is done for each of their ids. Other
    numbers are bits, unless they are far apart; all else are digests: no two ids are expected to
    share 96 bits.
    """

    def __init__(self) -> None:
        self._count = 0
        # Ascending ids, and the first one of each run. Runs do not overlap
        self._runs: list[array[int]] = []
        self._starts: list[int] = []
        self._chunks: dict[int, bytearray] = {}
        # Digests of all other ids, without their beginnings, by which they are found
        self._digests: dict[bytes, bytearray] = {}

    def __len__(self) -> int:
        return self._count

    def __contains__(self, id_: object) -> bool:
        number = number_of(id_)
        if number is None:
            start, rest = _digest(str(id_))
            return rest in self._digests.get(start, b"")
        chunk = self._chunks.get(number >> _CHUNK_BITS)
        if chunk and chunk[(number >> 3) & (_CHUNK_BYTES - 1)] & (1 << (number & 7)):
            return True
        if self._digests:
            start, rest = _digest(str(number))
            if rest in self._digests.get(start, b""):
                return True
        return self._is_in_run(number)

    def _is_in_run(self, number: int) -> bool:
        position = bisect(self._starts, number)
        if not position:
            return False
        run = self._runs[position - 1]
        index = bisect_left(run, number) if number < _END else len(run)
        return index < len(run) and run[index] == number

    def update(self, ids: Iterable[Any]) -> list[bool]:
        """Add ids.

        Returns:
            For each of them, whether it is new.
        """
        numbers = list(ids)
        if not self._add_run(numbers):
            numbers = [str(id_) if (n := number_of(id_)) is None else n for id_ in numbers]
            if not self._add_run(numbers):
                return self._update_overlapping(numbers) or self._update_one_by_one(numbers)
        return [True] * len(numbers)

    def _update_overlapping(self, ids: list[Any]) -> list[bool] | None:
        """Add a page that overlaps with runs, as a run of its own; `None` if that cannot be."""
        if self._chunks or not are_ascending(ids):
            return None
        new = [not self._is_in_run(id_) for id_ in ids]
        added = list(compress(ids, new))
        return new if not added or self._add_run(added) else None

    def _update_one_by_one(self, ids: list[Any]) -> list[bool]:
        """Add numbers, and all other ids as text."""
        new = []
        for id_ in ids:
            is_new = id_ not in self
            if is_new:
                self._add(id_)
            new.append(is_new)
        return new

    def _add(self, id_: int | str) -> None:
        """Add an id that is new."""
        self._count += 1
        chunk = self._chunks.get(id_ >> _CHUNK_BITS) if type(id_) is int else None
        # Chunks for numbers that are far apart would be nearly empty
        is_worthwhile = len(self._chunks) <= _FEW_CHUNKS + self._count // _LEAST_PER_CHUNK
        if type(id_) is int and chunk is None and is_worthwhile:
            chunk = self._chunks[id_ >> _CHUNK_BITS] = bytearray(_CHUNK_BYTES)
        if type(id_) is int and chunk is not None:
            chunk[(id_ >> 3) & (_CHUNK_BYTES - 1)] |= 1 << (id_ & 7)
        else:
            start, rest = _digest(str(id_))
            self._digests.setdefault(start, bytearray()).extend(rest)

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
