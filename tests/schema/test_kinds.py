"""What a column can hold, and how it holds it."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from tap_cube.cube.decoding import decimal_of
from tap_cube.schema import documented
from tap_cube.schema.kinds import (
    ANYTHING,
    KINDS,
    MISFIT,
    conform,
    conform_all,
    join,
    kind_of,
    kind_of_property,
    property_of,
    text_of,
)

MAX = 2**63 - 1
KID = 1234567890123456789012345
HUGE = Decimal("1e999999999999999999")

KINDS_OF_VALUES: dict[str, tuple[Any, str | None]] = {
    "null": (None, None),
    "empty": ("", None),
    "blank": (" ", "string"),
    "text": ("0150", "string"),
    "a date is text": ("2020-01-01", "string"),
    "integer": (MAX, "integer"),
    "more than 64 bits": (MAX + 1, "string"),
    "less than 64 bits": (-MAX - 2, "string"),
    "number": (Decimal("1.50"), "number"),
    "a number that no database stores": (HUGE, "string"),
    "boolean": (False, "boolean"),
    "object": ({}, "object"),
    "array": ([], "array"),
}


@pytest.mark.parametrize(("value", "kind"), KINDS_OF_VALUES.values(), ids=KINDS_OF_VALUES)
def test_kinds_of_values(value: Any, kind: str | None) -> None:
    assert kind_of(value) == kind


def test_join_is_the_join_of_a_lattice() -> None:
    for a, b, c in itertools.product((None, ANYTHING, *KINDS), repeat=3):
        assert join(join(a, b), c) == join(a, join(b, c))
        assert join(a, b) == join(b, a)
        assert join(a, a) == join(a, None) == a
        assert join(a, join(a, b)) == join(a, b)


def test_integer_and_number_join_to_number_and_others_to_string() -> None:
    for a, b in itertools.combinations(KINDS, 2):
        assert join(a, b) == ("number" if {a, b} == {"integer", "number"} else "string")


CONFORMED: dict[str, tuple[str, Any, Any]] = {
    "text": ("string", " 0150 \n", " 0150 \n"),
    "empty text": ("string", "", ""),
    "a number as text": ("string", Decimal("1.50"), "1.50"),
    "an integer as text": ("string", KID, str(KID)),
    "a boolean as text": ("string", True, "true"),
    "an object as text": ("string", {"a": [1, "æ"]}, '{"a":[1,"æ"]}'),
    "a huge number as text": ("string", HUGE, "1E+999999999999999999"),
    "NUL and half a character": ("string", "a\0b\ud800", "a\ufffdb\ufffd"),
    "NUL in an object as text": ("string", {"a\0": ["\0"]}, '{"a\ufffd":["\ufffd"]}'),
    "an integer": ("integer", MAX, MAX),
    "the least integer": ("integer", -MAX - 1, -MAX - 1),
    "an integer with a point": ("integer", Decimal("3.00"), 3),
    "an integer with an exponent": ("integer", Decimal("1E+3"), 1000),
    "minus zero": ("integer", Decimal("-0.0"), 0),
    "more than 64 bits": ("integer", MAX + 1, MISFIT),
    "more than 64 bits, with a point": ("integer", Decimal(MAX + 1), MISFIT),
    "a fraction": ("integer", Decimal("1.5"), MISFIT),
    "a tiny fraction": ("integer", Decimal("1e-999999999999999999"), MISFIT),
    "a huge integer": ("integer", HUGE, MISFIT),
    "digits": ("integer", "21", MISFIT),
    "a boolean as an integer": ("integer", True, MISFIT),
    "an empty integer": ("integer", "", None),
    "all digits": ("number", Decimal("0.10"), Decimal("0.10")),
    "an integer as a number": ("number", 3, 3),
    "a long integer as a number": ("number", KID, KID),
    "a huge number": ("number", HUGE, MISFIT),
    "a huge zero": ("number", Decimal("0e999999999999"), MISFIT),
    "a number that is an integer and huge": ("number", 10**400, MISFIT),
    "a boolean as a number": ("number", True, MISFIT),
    "a boolean": ("boolean", False, False),
    "an integer as a boolean": ("boolean", 1, MISFIT),
    "a date": ("date", "2000-02-29", "2000-02-29"),
    "no date": ("date", "2001-02-29", MISFIT),
    "a date in another form": ("date", "20010228", MISFIT),
    "an empty date": ("date", "", None),
    "a number as a date": ("date", 20010228, MISFIT),
    "a time": ("date-time", "2020-02-12T10:27:06.477+01:00", "2020-02-12T10:27:06.477+01:00"),
    "an offset without a colon": (
        "date-time",
        "2020-02-12T10:27:06-0330",
        "2020-02-12T10:27:06-03:30",
    ),
    "a space in place of T": ("date-time", "2020-02-12 10:27:06Z", "2020-02-12T10:27:06Z"),
    "a time without a zone": ("date-time", "2020-02-12T10:27:06", MISFIT),
    "an hour of 75 minutes": ("date-time", "2020-02-12T10:27:06+01:75", MISFIT),
    "a day of 24 hours": ("date-time", "2020-02-12T24:00:00Z", MISFIT),
    "an object": ("object", {"a": Decimal("1.50")}, {"a": Decimal("1.50")}),
    "NUL in an object": ("object", {"a\0": [{"b": "\0"}]}, {"a\ufffd": [{"b": "\ufffd"}]}),
    "keys that become equal": ("object", {"\0": 1, "\ufffd": 2}, {"\ufffd": 1, "\ufffd\ufffd": 2}),
    "an array as an object": ("object", [1], MISFIT),
    "an object as an array": ("array", {}, MISFIT),
    "NUL in an array": ("array", ["\0"], ["\ufffd"]),
    "anything": (ANYTHING, "", ""),
    "NUL in anything": (ANYTHING, ["\0"], ["\ufffd"]),
}


@pytest.mark.parametrize(("kind", "value", "expected"), CONFORMED.values(), ids=CONFORMED)
def test_values(kind: str, value: Any, expected: Any) -> None:
    found = conform(kind, value)
    assert repr(found) == repr(expected)  # 1 == True, and Decimal("0.1") == Decimal("0.10")
    if found is not MISFIT:
        schema = Draft202012Validator(property_of(kind), format_checker=FormatChecker())
        assert schema.is_valid(found)


_TIMES = st.from_regex(
    r"\A[0-9]{4}-(0[0-9]|1[0-3])-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,8})?"
    r"([Zz]|[+-][0-2][0-9]:?[0-6][0-9]|)\Z"
)


_TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)


@given(st.lists(st.one_of(_TIMES, _TEXTS, st.integers(), st.none()), max_size=4))
def test_many_times_fit_as_each_of_them(values: list[Any]) -> None:
    """Whatever their form: what fits is a date and time of RFC 3339, and the same moment."""
    found = conform_all("date-time", values)
    assert found == [conform("date-time", value) for value in values]
    for text in (one for one in found if isinstance(one, str)):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text)
        dt.datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=dt.timezone.utc)


@pytest.mark.parametrize("kind", [*KINDS, ANYTHING])
def test_null_fits_everywhere(kind: str) -> None:
    assert conform(kind, None) is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_joins_without_a_change_fits_it(kind: str) -> None:
    for value, of_value in KINDS_OF_VALUES.values():
        if join(kind, of_value) == kind:
            assert conform(kind, value) is not MISFIT


def test_numbers_beyond_what_python_holds_are_text() -> None:
    decoder = msgspec.json.Decoder(float_hook=decimal_of)
    values = decoder.decode(b"[1.50, 1e9999999999999999999, -1e-9999999999999999999, 1e400]")
    assert values == [Decimal("1.50"), "1e9999999999999999999", "-1e-9999999999999999999", 10**400]
    assert [kind_of(value) for value in values] == ["number", "string", "string", "string"]
    assert [text_of(value) for value in values[1:]] == [*values[1:3], "1E+400"]
    assert all(conform("number", value) is MISFIT for value in values[1:])


@pytest.mark.parametrize("kind", [*KINDS, ANYTHING])
def test_a_property_tells_its_kind(kind: str) -> None:
    assert kind_of_property(property_of(kind, title="Antall år")) == kind
    assert property_of(kind, title="Antall år")["title"] == "Antall år"


@pytest.mark.parametrize(
    "schema",
    [{}, {"type": ["string", "integer"]}, {"type": "null"}, {"type": 5}, {"type": "other"}],
    ids=str,
)
def test_other_properties_hold_anything(schema: dict[str, Any]) -> None:
    assert kind_of_property(schema) == ANYTHING


def test_all_columns_but_keys_are_nullable() -> None:
    keys = {"id", "crm__customer_id", "campaign__id", "data_owner_id", "crm_type", "row_key"}
    for name, fields in vars(documented).items():
        if name.isupper() and isinstance(fields, dict):
            for field, schema in fields.items():
                is_key = field in keys and "CALL" not in name and "PRODUCT" not in name
                is_key = is_key and name != "CUSTOMER_STATUS"
                assert ("null" not in schema["type"]) == is_key, (name, field)
                assert json.loads(json.dumps(schema)) == schema
