"""Keys for records that have no id: digests of the attributes that identify them.

A key is the digest in 32 hexadecimal digits, a hyphen, and the sequence number among the records
of one list with the same digest: at most `KEY_LENGTH` characters.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

import msgspec
from msgspec import UNSET

#: Returns the values of one field, one for each record; `None` or `UNSET` where it is missing.
Column = Callable[[Sequence[Any], str], Sequence[Any]]

#: Maximum length of a key: 32 digits, a hyphen, and a number below ten thousand millions.
KEY_LENGTH = 43

STAMP = "call_outcome__report_as__submitted_when_timestamp"
MINUTE = "call_outcome__report_as__submitted_when"
SUBMITTER = "call_outcome__report_as__submitted_by"
PRODUCT = "product__code"
CUSTOMER = "crm__customer_id"
CAMPAIGN = "campaign__name"

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_MILLISECOND = dt.timedelta(milliseconds=1)
_TO_THE_MINUTE = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::\d\d(?:[.,]\d+)?)?", re.ASCII)
# The characters that the tap replaces in every string, because databases cannot store them
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_json = msgspec.json.Encoder()
_BLANK = hashlib.blake2b(digest_size=16)


class UndatedError(Exception):
    """A record lacks its time, and the list covers more than one day."""


def row_key(digest: bytes, number: int) -> str:
    """Return the key of the record with this number among those with the same digest."""
    return f"{digest.hex()}-{number}"


def first_row_keys(digests: Iterable[bytes]) -> list[str]:
    """Return the keys of records that are the first ones with their digests."""
    return [f"{digits}-1" for digits in map(bytes.hex, digests)]


def dict_column(records: Sequence[dict[str, Any]], field: str) -> list[Any]:
    """Return the values of one field of records that are dicts."""
    return [record.get(field) for record in records]


class EventIdentity:
    """Identifies call outcomes and product registrations within the stream.

    With a timestamp in milliseconds: timestamp, submitter, product code. Otherwise: minute,
    customer, campaign, submitter, product code. Names of customers, campaigns and segments can be
    edited, so the first form avoids them. The CRM is part of both.

    Args:
        crm: The data owner's id and the CRM type.
        column: Access to the records.
    """

    def __init__(self, crm: Iterable[object], column: Column = dict_column) -> None:
        self._crm = tuple(map(str, crm))
        self._column = column

    def __call__(self, records: Sequence[Any], day: dt.date | None = None) -> list[bytes]:
        """Return a digest of 16 bytes for each record.

        Args:
            records: The records of one page.
            day: The only day that the list covers, which stands in for a missing time.

        Raises:
            UndatedError: If a record lacks its time and `day` is `None`.
        """
        instants = _instants(self._texts(records, STAMP))
        submitters = self._texts(records, SUBMITTER)
        products = self._texts(records, PRODUCT)
        rows: Iterable[tuple[Any, ...]] = zip(
            repeat(self._crm), instants, submitters, products, strict=False
        )
        if None in instants:
            minutes = [_minute(text, day) for text in self._texts(records, MINUTE)]
            others = zip(
                repeat(self._crm),
                minutes,
                self._texts(records, CUSTOMER),
                self._texts(records, CAMPAIGN),
                submitters,
                products,
                strict=False,
            )
            rows = [
                other if instant is None else row
                for instant, row, other in zip(instants, rows, others, strict=True)
            ]
        return _digests(rows)

    def _texts(self, records: Sequence[Any], field: str) -> Sequence[str]:
        return _texts(self._column(records, field))


class StatusIdentity:
    """Identifies customer statuses: by customer and campaign, as customers change segments.

    Args:
        crm: The data owner's id and the CRM type.
        column: Access to the records.
    """

    def __init__(self, crm: Iterable[object], column: Column = dict_column) -> None:
        self._crm = tuple(map(str, crm))
        self._column = column

    def __call__(self, records: Sequence[Any]) -> list[bytes]:
        """Return a digest of 16 bytes for each record."""
        customers = _texts(self._column(records, CUSTOMER))
        campaigns = _texts(self._column(records, CAMPAIGN))
        return _digests(zip(repeat(self._crm), customers, campaigns, strict=False))


def _digests(rows: Iterable[tuple[Any, ...]]) -> list[bytes]:
    digests = []
    # One call for the whole page. JSON escapes the ends of lines in texts
    for text in _json.encode_lines(list(rows)).splitlines():
        digest = _BLANK.copy()  # cheaper than a new one
        digest.update(text)
        digests.append(digest.digest())
    return digests


def _texts(values: Sequence[Any]) -> Sequence[str]:
    """Return values as text, so that `null` equals `""`, and a number equals its text."""
    if set(map(type, values)) - {str}:
        values = ["" if value is None or value is UNSET else str(value) for value in values]
    text = "".join(values)
    is_plain = text.isascii() and "\0" not in text  # the usual case, several times faster
    if not is_plain and _UNSTORABLE.search(text):
        values = [_UNSTORABLE.sub("\ufffd", value) for value in values]
    return values


def _instants(texts: Sequence[str]) -> list[int | str | None]:
    """Return timestamps in milliseconds since 1970; `None` for text that is no timestamp.

    A timestamp without a zone is returned as text.
    """
    try:
        # One call for the whole page
        moments = msgspec.convert(texts, list[dt.datetime])
        return [(moment - _EPOCH) // _MILLISECOND for moment in moments]
    except (msgspec.ValidationError, TypeError):  # TypeError: one has no zone
        return [_parsed_instant(text) for text in texts]


def _parsed_instant(text: str) -> int | str | None:
    try:
        return _instant(msgspec.convert(text, dt.datetime)) if text else None
    except msgspec.ValidationError:
        return None


def _instant(moment: dt.datetime) -> int | str:
    if moment.tzinfo is None:
        return moment.isoformat(timespec="milliseconds")
    return (moment - _EPOCH) // _MILLISECOND


def _minute(text: str, day: dt.date | None) -> str:
    match = _TO_THE_MINUTE.fullmatch(text)
    if match:
        return f"{match[1]} {match[2]}"
    if text:
        return text
    if day is None:
        raise UndatedError
    return day.isoformat()
