r"""What a column may hold: pure functions over JSON Schema. Knows no HTTP and no Singer.

A property of a schema is reduced to its *kind*: its type, or its format where that says more.
Kinds form a lattice, so that a schema does not depend on the order in which records are seen:

                  string
     ____________/ | | \______________
    /      /       | |      \          \
 number boolean  date date-time  object  array
    |
 integer

"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Record = dict[str, Any]
    Property = dict[str, Any]

STRING = "string"
INTEGER = "integer"
NUMBER = "number"
BOOLEAN = "boolean"
DATE = "date"
DATE_TIME = "date-time"
OBJECT = "object"
ARRAY = "array"
ANYTHING = ""  # a catalog may declare what is no single kind: then every value is left as it is

_TYPES = {
    str: STRING,
    int: INTEGER,
    Decimal: NUMBER,
    bool: BOOLEAN,
    dict: OBJECT,
    list: ARRAY,
}

# The Python type whose values each kind holds as they are; all others get a closer look.
_PLAIN: dict[str, type] = {kind: type_ for type_, kind in _TYPES.items()}

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# Python alone would accept an offset of 75 minutes and, from 3.14 on, 24 o'clock; RFC 3339 does not
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ]((?!24)\d{2}:\d{2}:\d{2})(\.\d+)?([Zz]|[+-]\d{2}:?[0-5]\d)",
    re.ASCII,
)
_json = msgspec.json.Encoder(decimal_format="number")


def kind_of(value: Any) -> str | None:
    """The kind that one value speaks for; `None` where it is null or empty and tells nothing."""
    if value is None or value == "":
        return None
    return _TYPES[type(value)]


def join(one: str | None, other: str | None) -> str | None:
    """The narrowest kind that holds what both hold."""
    if one == other or other is None:
        return one
    if one is None:
        return other
    if ANYTHING in {one, other}:
        return ANYTHING
    return NUMBER if {one, other} == {INTEGER, NUMBER} else STRING


def fits(kind: str, value: Any) -> bool:
    """Whether a column of a kind can hold a value, by the conversions of `conformed` at most."""
    if value is None or value == "" or kind in {STRING, ANYTHING}:
        return True
    if kind == DATE:
        return isinstance(value, str) and _is_date(value)
    if kind == DATE_TIME:
        return isinstance(value, str) and _rfc3339(value) is not None
    return join(kind, kind_of(value)) == kind


def conformed(kind: str, value: Any) -> Any:
    """A fitting value as a column of a kind holds it."""
    if kind == STRING:
        return value if value is None or isinstance(value, str) else _json.encode(value).decode()
    if kind == ANYTHING:
        return value
    if value == "":
        return None
    return _rfc3339(value) if kind == DATE_TIME and value is not None else value


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _rfc3339(text: str) -> str | None:
    """A date and time with the colon in its offset that RFC 3339 wants, or `None` if it is none."""
    match = _DATE_TIME.fullmatch(text)
    if not match:
        return None
    date, time, fraction, offset = match.groups()
    if offset not in {"Z", "z"} and ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    try:
        dt.datetime.fromisoformat(f"{date}T{time}{'+00:00' if offset in 'Zz' else offset}")
    except ValueError:
        return None
    return f"{date}T{time}{fraction or ''}{offset}"


def property_of(kind: str, **annotations: str) -> Property:
    """JSON Schema of a nullable column: `annotations` are its title and description."""
    if kind in {DATE, DATE_TIME}:
        return {"type": [STRING, "null"], "format": kind, **annotations}
    return {"type": [kind, "null"], **annotations} if kind else dict(annotations)


def kind_of_property(schema: Property) -> str:
    """The kind of a column, read off its JSON Schema."""
    types = schema.get("type", [])
    named = {types} if isinstance(types, str) else set(types)
    named.discard("null")
    if len(named) != 1:
        return ANYTHING
    (name,) = named
    if name == STRING and schema.get("format") in {DATE, DATE_TIME}:
        return str(schema["format"])
    return str(name)


def widened(schema: Property, kind: str) -> Property:
    """A column's JSON Schema with a wider kind, and what people wrote about it kept."""
    about = {key: schema[key] for key in ("title", "description") if key in schema}
    return property_of(kind, **about)


class Columns:
    """The columns of a stream, ready to be held against many records fast.

    Args:
        properties: JSON Schema of each column, by name.
        pinned: Kinds of columns that the user decided on: they never get wider.
    """

    def __init__(
        self, properties: Mapping[str, Property], pinned: Mapping[str, str] | None = None
    ) -> None:
        self.kinds = {name: kind_of_property(schema) for name, schema in properties.items()}
        self.pinned = pinned or {}
        #: The Python type whose values each column holds as they are, if there is one.
        self.plain = {name: _PLAIN.get(kind) for name, kind in self.kinds.items()}

    def misfits(self, records: Iterable[Record]) -> list[tuple[Record, str]]:
        """The places in records that need a closer look: all values that are not plainly right."""
        plain = self.plain
        return [
            (record, name)
            for record in records
            for name, value in record.items()
            if (name not in plain if value is None else type(value) is not plain.get(name))
        ]

    def widening(self, misfits: Iterable[tuple[Record, str]]) -> dict[str, str]:
        """The columns that must be new or wider for the misfits to fit, with their kinds.

        A new column of which only empty values were seen is a string.
        """
        wider: dict[str, str | None] = {}
        for record, name in misfits:
            value = record[name]
            kind = wider.get(name, self.kinds.get(name))
            if name in self.pinned:
                if kind != self.pinned[name]:
                    wider[name] = self.pinned[name]
            elif name not in self.kinds or not fits(kind or "", value):
                wider[name] = join(kind, kind_of(value))
        return {name: STRING if kind is None else kind for name, kind in wider.items()}

    def conform(self, misfits: Iterable[tuple[Record, str]]) -> Counter[str]:
        """Write the misfits, which fit by now, the way their columns hold them; in place.

        Returns:
            How many values of each pinned column did not fit it and became null.
        """
        lost: Counter[str] = Counter()
        for record, name in misfits:
            kind = self.kinds[name]
            if name in self.pinned and not fits(kind, record[name]):
                lost[name] += 1
                record[name] = None
            else:
                record[name] = conformed(kind, record[name])
        return lost
