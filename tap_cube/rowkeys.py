"""Keys for records that Cube gives no id: the same record has the same key whenever it is read."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    Record = dict[str, Any]

#: The column that the keys go into.
ROW_KEY = "row_key"


class RowKeys:
    """Numbers the records of one pass over a list that are alike in what identifies them.

    A key is a digest of the identifying fields, and the number of the record among its likes.

    Args:
        crm: What identifies the CRM.
        fields: The fields that identify a record.
    """

    def __init__(self, crm: Sequence[Any], fields: Sequence[str]) -> None:
        self._crm = crm
        self._fields = fields
        self._likes: Counter[bytes] = Counter()

    def next(self, record: Record, day: str = "") -> tuple[str, bool]:
        """The key of the next record of the list, and whether it is the first of its likes.

        Args:
            record: The record as Cube sent it.
            day: When it was made, where it does not say so itself.
        """
        # What is null in one answer is "" in another, and ids are numbers in some
        values = [
            "" if (value := record.get(name)) is None else str(value) for name in self._fields
        ]
        identity = msgspec.json.encode([*self._crm, day, *values])
        digest = hashlib.blake2b(identity, digest_size=16).digest()
        self._likes[digest] += 1
        number = self._likes[digest]
        return f"{digest.hex()}-{number}", number == 1
