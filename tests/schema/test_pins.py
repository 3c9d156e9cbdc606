"""What becomes of each kind of value in a column of each pinned kind."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from tap_cube.schema.kinds import KINDS, MISFIT, property_of, text_of
from tap_cube.schema.pins import convert

D = Decimal
ORDER = ("integer", "number", "boolean", "date", "date-time", "object", "array")

# What is not named is a misfit
TABLE: dict[str, tuple[Any, dict[str, Any]]] = {
    "integer": (6, {"integer": 6, "number": 6}),
    "integer, 25 digits": (10**24, {"number": 10**24}),
    "number": (D("3.50"), {"number": D("3.50")}),
    "whole number": (D("3.0"), {"integer": 3, "number": D("3.0")}),
    "huge number": (D("1e9999"), {}),
    "true": (True, {"boolean": True}),
    "zero": (0, {"integer": 0, "number": 0}),
    "object": ({"a": 1}, {"object": {"a": 1}}),
    "array": ([1], {"array": [1]}),
    "text": ("ukjent", {}),
    "blank": (" ", {}),
    "digits": ("6", {"integer": 6, "number": D(6)}),
    "leading zeros": ("007", {"integer": 7, "number": D(7)}),
    "negative": ("-7", {"integer": -7, "number": D(-7)}),
    "with a plus": ("+47", {"integer": 47, "number": D(47)}),
    "with white space": (" 6\n", {"integer": 6, "number": D(6)}),
    "whole": ("3.0", {"integer": 3, "number": D("3.0")}),
    "all digits": ("3.50", {"number": D("3.50")}),
    "25 digits": ("1234567890123456789012345", {"number": D("1234567890123456789012345")}),
    "64 bits": (str(2**63 - 1), {"integer": 2**63 - 1, "number": D(2**63 - 1)}),
    "65 bits": (str(2**63), {"number": D(2**63)}),
    "400 digits": ("9" * 400, {}),
    "5,000 digits": ("9" * 5000, {}),
    "many zeros": ("0" * 5000 + "7", {"integer": 7, "number": D(7)}),
    "decimal comma": ("3,50", {}),
    "thousands": ("1 000", {}),
    "exponent": ("1e3", {}),
    "no digit before the point": (".5", {}),
    "no digit after the point": ("5.", {}),
    "hexadecimal": ("0x10", {}),
    "underscore": ("1_000", {}),
    "other digits": ("٣", {}),
    "unit": ("100 kr", {}),
    "circa": ("ca. 100", {}),
    "infinity": ("Infinity", {}),
    "NaN": ("NaN", {}),
    "True": ("True", {"boolean": True}),
    "false": ("false", {"boolean": False}),
    "FALSE": ("FALSE", {"boolean": False}),
    "yes": ("yes", {}),
    "one": ("1", {"integer": 1, "number": D(1)}),
    "date": ("2020-02-29", {"date": "2020-02-29"}),
    "basic date": ("20200229", {"integer": 20200229, "number": D(20200229), "date": "2020-02-29"}),
    "no date": ("2021-02-29", {}),
    "Norwegian date": ("29.02.2020", {}),
    "Norwegian digits": ("29022020", {"integer": 29022020, "number": D(29022020)}),
    "half basic date": ("2020-0229", {}),
    "short date": ("20-02-29", {}),
    "time": ("2020-02-12T10:27:06.477+0100", {"date-time": "2020-02-12T10:27:06.477+01:00"}),
    "time in UTC": ("2020-02-12 10:27:06Z", {"date-time": "2020-02-12T10:27:06Z"}),
    "offset in hours": ("2020-02-12T10:27:06-03", {"date-time": "2020-02-12T10:27:06-03:00"}),
    "no seconds": ("2020-02-12T10:27+01:00", {"date-time": "2020-02-12T10:27:00+01:00"}),
    "comma in seconds": ("2020-02-12T10:27:06,5Z", {"date-time": "2020-02-12T10:27:06.5Z"}),
    "nanoseconds": (
        "2020-02-12T10:27:06.123456789Z",
        {"date-time": "2020-02-12T10:27:06.123456789Z"},
    ),
    "basic time": ("20200212T102706+0100", {"date-time": "2020-02-12T10:27:06+01:00"}),
    "basic time, no seconds": ("20200212T1027Z", {"date-time": "2020-02-12T10:27:00Z"}),
    "no zone": ("2020-02-12T10:27:06", {}),
    "no zone, no seconds": ("2020-02-12 10:27", {}),
    "midnight": ("2020-02-12T00:00:00", {}),
    "25 o'clock": ("2020-02-12T25:00:00Z", {}),
    "time of day": ("10:27:06Z", {}),
    "JSON object": ('{"a": [1.50, "b"]}', {"object": {"a": [D("1.50"), "b"]}}),
    "JSON array": (' [1, {"a": null}]', {"array": [1, {"a": None}]}),
    "JSON, huge number": ("[1e9999999999999999999]", {"array": ["1e9999999999999999999"]}),
    "JSON, repeated key": ('{"a": 1, "a": 2}', {}),
    "JSON, NaN": ("[NaN]", {}),
    "JSON, integer of 5,000 digits": (f"[{'9' * 5000}]", {}),
    "JSON, NUL": ('["\\u0000"]', {"array": ["\ufffd"]}),
    "JSON, half a character": ('{"\\ud800": 1}', {"object": {"\ufffd": 1}}),
    "JSON, deep": ("[" * 100_000 + "]" * 100_000, {}),
    "JSON, trailing": ("[1] 2", {}),
    "Python": ("{'a': 1}", {}),
    "list without brackets": ("a, b", {}),
    "null as text": ("null", {}),
    "JSON, empty": ('""', {}),
}


@pytest.mark.parametrize("kind", ORDER)
@pytest.mark.parametrize(("value", "converted"), TABLE.values(), ids=TABLE)
def test_table(kind: str, value: Any, converted: dict[str, Any]) -> None:
    expected = converted.get(kind, MISFIT)
    found = convert(kind, value)
    assert repr(found) == repr(expected)
    if found is not MISFIT:
        schema = Draft202012Validator(property_of(kind), format_checker=FormatChecker())
        assert schema.is_valid(found)


@pytest.mark.parametrize(("value", "converted"), TABLE.values(), ids=TABLE)
def test_nothing_is_lost(value: Any, converted: dict[str, Any]) -> None:
    """A string column and a text column keep any value."""
    assert converted.keys() <= {*ORDER}
    assert convert("string", value) == text_of(value)
    assert isinstance(text_of(value), str)


@pytest.mark.parametrize("kind", KINDS)
def test_empty_values_are_null_except_in_a_string(kind: str) -> None:
    assert convert(kind, None) is None
    assert convert(kind, "") == ("" if kind == "string" else None)
