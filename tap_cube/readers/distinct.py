"""Counting different ids in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHUNK_BITS = 13
_CHUNK_BYTES = 1 << (_CHUNK_BITS - 3)


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


class Distinct:
    """A set of ids. A million of them take some megabytes if they are numbers."""

    def __init__(self) -> None:
        self._count = 0
        self._chunks: dict[int, bytearray] = {}
        self._others: set[str] = set()

    def __len__(self) -> int:
        return self._count + len(self._others)

    def __contains__(self, id_: object) -> bool:
        number = number_of(id_)
        if number is None:
            return str(id_) in self._others
        chunk = self._chunks.get(number >> _CHUNK_BITS)
        return bool(chunk and chunk[(number >> 3) & (_CHUNK_BYTES - 1)] & (1 << (number & 7)))

    def update(self, ids: Iterable[Any]) -> list[bool]:
        """Add ids.

        Returns:
            For each of them, whether it is new.
        """
        ids = list(ids)
        new = [True] * len(ids)
        # Neighbours usually share a chunk
        index, chunk = -1, bytearray()
        for position, id_ in enumerate(ids):
            number = id_ if type(id_) is int and id_ >= 0 else number_of(id_)
            if number is None:
                new[position] = str(id_) not in self._others
                self._others.add(str(id_))
                continue
            if number >> _CHUNK_BITS != index:
                index = number >> _CHUNK_BITS
                chunk = self._chunks.setdefault(index, bytearray(_CHUNK_BYTES))
            byte, bit = (number >> 3) & (_CHUNK_BYTES - 1), 1 << (number & 7)
            if chunk[byte] & bit:
                new[position] = False
            else:
                chunk[byte] |= bit
                self._count += 1
        return new
