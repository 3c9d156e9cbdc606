r"""Kinds of values and columns: pure functions over JSON values and JSON Schema.

The kind of a column is its JSON type, or its format if it has one. In a sample, kinds are joined:

                  string
     ____________/ | | \______________
    /      /       | |      \          \
 number boolean  date date-time  object  array
    |
 integer

Values are what a JSON parser returns: `str`, `int`, `Decimal`, `bool`, `dict`, `list`, `None`.
"""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Property = dict[str, Any]

STRING = "string"
INTEGER = "integer"
NUMBER = "number"
BOOLEAN = "boolean"
DATE = "date"
DATE_TIME = "date-time"
OBJECT = "object"
ARRAY = "array"
ANYTHING = ""  # a catalog may declare a column without a single kind; values are left as they are

KINDS = (STRING, INTEGER, NUMBER, BOOLEAN, DATE, DATE_TIME, OBJECT, ARRAY)


class Misfit(Enum):
    """The type of `MISFIT`."""

    MISFIT = "misfit"


#: Returned instead of a value that a column cannot hold.
MISFIT: Final = Misfit.MISFIT

_KINDS_OF_TYPES = {
    str: STRING,
    int: INTEGER,
    Decimal: NUMBER,
    bool: BOOLEAN,
    dict: OBJECT,
    list: ARRAY,
}

# Databases have integers of 64 bits, and numbers up to 1.8e308
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**63 - 1
_MOST_DIGITS = 19
_LARGEST_EXPONENT = 307
_LARGEST_NUMBER = 10**_LARGEST_EXPONENT

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
#: Dates and times of RFC 3339; their offsets may lack the colon.
_DATE_TIMES = list[Annotated[dt.datetime, msgspec.Meta(tz=True)]]
# The second one for lone surrogates
_NO_DATE_TIME = (msgspec.ValidationError, UnicodeEncodeError)
_json = msgspec.json.Encoder(decimal_format="number")


def kind_of(value: Any) -> str | None:
    """The kind that one value of a sample speaks for; `None` for null and the empty string.

    Integers beyond 64 bits are identifiers rather than quantities, and numbers beyond 1e307 fit
    no database: both speak for a string.
    """
    if value is None or value == "":
        return None
    kind = _KINDS_OF_TYPES[type(value)]
    if kind in {INTEGER, NUMBER} and conform(kind, value) is MISFIT:
        return STRING
    return kind


def join(one: str | None, other: str | None) -> str | None:
    """The narrowest kind that holds the values of both kinds."""
    if one == other or other is None:
        return one
    if one is None:
        return other
    if ANYTHING in {one, other}:
        return ANYTHING
    return NUMBER if {one, other} == {INTEGER, NUMBER} else STRING


def conform(kind: str, value: Any) -> Any:
    """The value as a column of a kind holds it.

    Returns:
        The value, or `MISFIT` if the column cannot hold it.
    """
    if value is None:
        return None
    if kind == STRING:
        return text_of(value)
    if kind == ANYTHING:
        return storable(value)
    if value == "":
        return None
    return _CONFORM[kind](value)


def conform_all(kind: str, values: Sequence[Any]) -> list[Any]:
    """As `conform`, for many values at once."""
    if kind == DATE_TIME:
        with suppress(*_NO_DATE_TIME):
            return _date_times(values)  # ten times as fast as one by one
    return [conform(kind, value) for value in values]


def text_of(value: Any) -> str | None:
    """The value as a string column holds it: strings as they are, all else as its JSON text."""
    if value is None:
        return None
    value = storable(value)
    return value if isinstance(value, str) else _json.encode(value).decode()


def storable(value: Any) -> Any:
    """The value with U+FFFD in place of NUL and lone surrogates, which databases cannot store.

    If two keys of an object become equal, the second one is extended by U+FFFD.
    """
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, list):
        return [storable(item) for item in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = storable_text(key)
        while name in result:
            name += "\ufffd"
        result[name] = storable(item)
    return result


def storable_text(text: str) -> str:
    """As `storable`, for a string."""
    if text.isascii() and "\0" not in text:  # the usual case, several times faster
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def _integer(value: Any) -> Any:
    if type(value) is int:
        return value if _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER else MISFIT
    # The exponent first: int() of a large one needs all memory
    if not isinstance(value, Decimal) or not (
        -_LARGEST_EXPONENT <= value.adjusted() < _MOST_DIGITS
    ):
        return MISFIT
    return _integer(int(value)) if value == value.to_integral_value() else MISFIT


def _number(value: Any) -> Any:
    if type(value) is int:
        return value if -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER else MISFIT
    fits = isinstance(value, Decimal) and abs(value.adjusted()) <= _LARGEST_EXPONENT
    return value if fits else MISFIT


@lru_cache(maxsize=4096)
def _is_day(text: str) -> bool:
    """Return whether the calendar has a day. Most records share their days with others."""
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _date(value: Any) -> Any:
    is_date = isinstance(value, str) and _DATE.fullmatch(value) and _is_day(value)
    return value if is_date else MISFIT


def _date_time(value: Any) -> Any:
    try:
        return _date_times([value])[0]
    except _NO_DATE_TIME:
        return MISFIT


def _date_times(values: Sequence[Any]) -> list[str]:
    """Dates and times with the `T`, and the colon in the offset, that RFC 3339 demands.

    Raises:
        msgspec.ValidationError: If a value is none.
        UnicodeEncodeError: If a value is none, and holds lone surrogates.
    """
    msgspec.convert(values, _DATE_TIMES)
    return [_with_colon(v if v[10] == "T" else f"{v[:10]}T{v[11:]}") for v in values]


def _with_colon(text: str) -> str:
    return f"{text[:-2]}:{text[-2:]}" if text[-5] in "+-" else text


_CONFORM: dict[str, Callable[[Any], Any]] = {
    INTEGER: _integer,
    NUMBER: _number,
    BOOLEAN: lambda value: value if isinstance(value, bool) else MISFIT,
    DATE: _date,
    DATE_TIME: _date_time,
    OBJECT: lambda value: storable(value) if isinstance(value, dict) else MISFIT,
    ARRAY: lambda value: storable(value) if isinstance(value, list) else MISFIT,
}


def property_of(kind: str, *, nullable: bool = True, **annotations: str) -> Property:
    """JSON Schema of a column.

    Args:
        kind: Its kind.
        nullable: Whether it may hold null: every column may, except keys.
        annotations: Its title and description.
    """
    if kind == ANYTHING:
        return dict(annotations)
    is_format = kind in {DATE, DATE_TIME}
    types = [STRING if is_format else kind, *(["null"] if nullable else [])]
    return {"type": types, **({"format": kind} if is_format else {}), **annotations}


def kind_of_property(schema: Mapping[str, Any]) -> str:
    """The kind of a column, given its JSON Schema; `ANYTHING` if it is no single kind."""
    types = schema.get("type")
    names = {types} if isinstance(types, str) else {*types} if isinstance(types, list) else set()
    names.discard("null")
    name = names.pop() if len(names) == 1 else ANYTHING
    if name == STRING and schema.get("format") in {DATE, DATE_TIME}:
        return str(schema["format"])
    return str(name) if name in KINDS else ANYTHING
