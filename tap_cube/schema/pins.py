"""Conversion of values for columns whose kinds the user pins with `field_types`.

| value | `integer` | `number` | `boolean` | `date` | `date-time` | `object`, `array` |
|---|---|---|---|---|---|---|
| `6`, `3.0` | `6`, `3` | as it is | - | - | - | - |
| `3.5` | - | as it is | - | - | - | - |
| `"6"`, `"007"`, `"3.0"` | `6`, `7`, `3` | `6`, `7`, `3.0` | - | - | - | - |
| `"3.50"` | - | `3.50` | - | - | - | - |
| `true` | - | - | as it is | - | - | - |
| `"True"`, `"false"` | - | - | `true`, `false` | - | - | - |
| `"2020-02-12"` | - | - | - | `2020-02-12` | - | - |
| `"20200212"` | `20200212` | `20200212` | - | `2020-02-12` | - | - |
| `"20200212T1027+01"` | - | - | - | - | `2020-02-12T10:27:00+01:00` | - |
| `"2020-02-12 10:27"` | - | - | - | - | -: the zone is unknown | - |
| objects, arrays, and their JSON text | - | - | - | - | - | if it is of that type |

`-` is a misfit: null in the column, and kept in its `__text` column. `string` holds everything.
Not converted, as they are ambiguous: `"3,50"`, `"1 000"`, `"1e3"`, `"0x10"`, `"yes"`, `"1"` as a
boolean, dates without a year of four digits, times without a zone, JSON with a repeated key.
White space around text is ignored, except in a string.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_cube.cube.decoding import decimal_of
from tap_cube.schema import kinds
from tap_cube.schema.kinds import MISFIT, conform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_DATE = re.compile(r"(\d{4})(-?)(\d{2})\2(\d{2})", re.ASCII)
_DATE_TIME = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2}[Tt ](?=\d{2}:)|\d{8}[Tt](?!\d{2}:))"
    r"(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2})?)",
    re.ASCII,
)
_BLANK = " \t\r\n"


def convert(kind: str, value: Any) -> Any:
    """The value as a column that is pinned to a kind holds it; the table above has all cases.

    Returns:
        The value, or `MISFIT` if it is not unambiguously of that kind.
    """
    held = conform(kind, value)
    if held is not MISFIT or not isinstance(value, str):
        return held
    return _CONVERT[kind](value.strip(_BLANK))


def convert_all(kind: str, values: Iterable[Any]) -> list[Any]:
    """As `convert`, for many values."""
    return [convert(kind, value) for value in values]


def _number(kind: str, text: str) -> Any:
    return conform(kind, Decimal(text)) if _NUMBER.fullmatch(text) else MISFIT


def _date(text: str) -> Any:
    match = _DATE.fullmatch(text)
    return conform(kinds.DATE, f"{match[1]}-{match[3]}-{match[4]}") if match else MISFIT


def _date_time(text: str) -> Any:
    match = _DATE_TIME.fullmatch(text)
    if not match:
        return MISFIT
    date = _date(match["date"][:-1])
    if date is MISFIT:
        return MISFIT
    fraction = f".{match['fraction']}" if match["fraction"] else ""
    zone = f"{match['zone']}:00" if len(match["zone"]) == len("+01") else match["zone"]
    time = f"{match['hour']}:{match['minute']}:{match['second'] or '00'}"
    return conform(kinds.DATE_TIME, f"{date}T{time}{fraction}{zone}")


def _json(kind: str, text: str) -> Any:
    if not text.startswith(("{", "[")):  # not `null`
        return MISFIT
    try:
        return conform(kind, _DECODER.decode(text))
    except (ValueError, RecursionError):
        return MISFIT


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        msg = "a key is repeated"
        raise ValueError(msg)
    return result


def _refuse(constant: str) -> None:
    msg = f"{constant} is not JSON"
    raise ValueError(msg)


_DECODER = json.JSONDecoder(
    parse_float=decimal_of,
    parse_constant=_refuse,
    object_pairs_hook=_without_repeated_keys,
)

_CONVERT: dict[str, Callable[[str], Any]] = {
    kinds.INTEGER: lambda text: _number(kinds.INTEGER, text),
    kinds.NUMBER: lambda text: _number(kinds.NUMBER, text),
    kinds.BOOLEAN: lambda text: {"true": True, "false": False}.get(text.lower(), MISFIT),
    kinds.DATE: _date,
    kinds.DATE_TIME: _date_time,
    kinds.OBJECT: lambda text: _json(kinds.OBJECT, text),
    kinds.ARRAY: lambda text: _json(kinds.ARRAY, text),
}
