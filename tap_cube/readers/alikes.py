"""Numbers records with the same identity, over several reads of one list.

A list that changes while it is read, or that has another order on each page, may list one record
on two pages. It then looks like two records that are alike. A record that is like one of an
earlier page is therefore held back until another read confirms it. Records that are alike within
one page come from one response, so they are different records.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_cube.readers.row_keys import first_row_keys, row_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_cube.cube.pages import Page


class KeyedPage(NamedTuple):
    """Records of one page, with their keys.

    Attributes:
        page: The page. Its records may be a part of those that the server sent.
        keys: The key of each record in `page.records`.
    """

    page: Page
    keys: list[str]


class _Held(NamedTuple):
    page: Page
    record: Any
    key: str


class Alikes:
    """The records of one list that are alike.

    Memory grows by about 100 bytes for each record of the list, plus the records that are held.

    Attributes:
        held: Number of records that the current read holds back.
    """

    def __init__(self) -> None:
        self.held = 0
        self._records: list[_Held] = []
        # How often the current read listed each digest
        self._amounts: dict[bytes, int] = {}
        # For each read the sum of all digests: two reads that list the same have the same sum
        self._sums: list[int] = []

    def begin(self) -> None:
        """Begin another read. What the last one held back is dropped."""
        self._sums.append(0)
        self._amounts.clear()
        self._records.clear()
        self.held = 0

    def number(self, page: Page, digests: Sequence[bytes]) -> KeyedPage:
        """Return the next page of the current read, without the records that are held back.

        Args:
            page: The page.
            digests: The digest of each record's identity.
        """
        self._sums[-1] += sum(int.from_bytes(digest, "big") for digest in digests)
        once = dict.fromkeys(digests, 1)
        if len(once) < len(digests) or not self._amounts.keys().isdisjoint(once):
            return self._without_held(page, digests)
        self._amounts.update(once)
        return KeyedPage(page, first_row_keys(digests))

    def _without_held(self, page: Page, digests: Sequence[bytes]) -> KeyedPage:
        earlier = self._amounts.keys() & digests
        records: list[Any] = []
        keys: list[str] = []
        for record, digest in zip(page.records, digests, strict=True):
            number = self._amounts[digest] = self._amounts.get(digest, 0) + 1
            key = row_key(digest, number)
            if digest not in earlier:
                records.append(record)
                keys.append(key)
                continue
            self.held += 1
            # The first read is never the one that confirms: its records need not be kept
            if len(self._sums) > 1:
                self._records.append(_Held(page, record, key))
        return KeyedPage(replace(page, records=records), keys)

    def agree(self) -> bool:
        """Whether the current read listed the same identities, as often, as an earlier one."""
        return self._sums[-1] in self._sums[:-1]

    def release(self) -> Iterator[KeyedPage]:
        """Yield the records that are held back, by pages."""
        for _, group in groupby(self._records, key=lambda held: id(held.page)):
            found = list(group)
            page = replace(found[0].page, records=[held.record for held in found])
            yield KeyedPage(page, [held.key for held in found])
