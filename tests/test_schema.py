"""The rules for types, as tables."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tap_cube import schema as js

KINDS: dict[str, tuple[list[Any], str]] = {
    "nothing but empty": ([None, "", None], "string"),
    "integers": ([1, None, "", 2], "integer"),
    "integer and number": ([1, Decimal("1.5"), 2], "number"),
    "numbers": ([Decimal("1.50")], "number"),
    "digits in a string": (["0150", None], "string"),
    "a date is a string": (["2020-01-01"], "string"),
    "booleans": ([True, None, False], "boolean"),
    "boolean and integer": ([True, 1], "string"),
    "number and string": ([Decimal("1.5"), "ukjent"], "string"),
    "objects": ([{"a": 1}, {"b": []}], "object"),
    "arrays": ([[1], []], "array"),
    "object and array": ([{"a": 1}, [1]], "string"),
    "object and string": ([{"a": 1}, "a"], "string"),
}


@pytest.mark.parametrize(("sample", "kind"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("backwards", [False, True])
def test_new_columns(sample: list[Any], kind: str, *, backwards: bool) -> None:
    columns = js.Columns({})
    records = [{"field": value} for value in (reversed(sample) if backwards else sample)]
    assert columns.widening(columns.misfits(records)) == {"field": kind}


WIDER: dict[str, tuple[str, Any, str | None]] = {
    "an integer fits": ("integer", 1, None),
    "empty fits everywhere": ("integer", "", None),
    "null fits everywhere": ("boolean", None, None),
    "an integer is a number": ("number", 1, None),
    "a fraction is no integer": ("integer", Decimal("1.5"), "number"),
    "a letter is no integer": ("integer", "21B", "string"),
    "digits in a string are no integer": ("integer", "21", "string"),
    "a boolean is no integer": ("integer", True, "string"),
    "everything is a string": ("string", {"a": 1}, None),
    "a date": ("date", "2000-02-29", None),
    "no date": ("date", "2001-02-29", "string"),
    "a date in another form": ("date", "20010228", "string"),
    "a word as a date": ("date", "ukjent", "string"),
    "a number as a date": ("date", 5, "string"),
    "a time": ("date-time", "2020-02-12T10:27:06.477Z", None),
    "a time without a zone": ("date-time", "2020-02-12T10:27:06", "string"),
    "no time": ("date-time", "2020-02-12T25:27:06Z", "string"),
    "a day of 24 hours": ("date-time", "2020-02-12T24:00:00Z", "string"),
    "an hour of 75 minutes": ("date-time", "2020-02-12T10:27:06+01:75", "string"),
    "an object": ("object", {"a": 1}, None),
    "an array in an object": ("object", [1], "string"),
}


@pytest.mark.parametrize(("kind", "value", "wider"), WIDER.values(), ids=WIDER)
def test_known_columns(kind: str, value: Any, wider: str | None) -> None:
    columns = js.Columns({"field": js.property_of(kind)})
    misfits = columns.misfits([{"field": value}])
    assert columns.widening(misfits) == ({"field": wider} if wider else {})


CONFORMED: dict[str, tuple[str, Any, Any]] = {
    "a number in a string": ("string", Decimal("1.50"), "1.50"),
    "an integer in a string": ("string", 3, "3"),
    "a boolean in a string": ("string", True, "true"),
    "an object in a string": ("string", {"a": [1, "æ"]}, '{"a":[1,"æ"]}'),
    "null in a string": ("string", None, None),
    "empty in a string": ("string", "", ""),
    "white space in a string": ("string", " 0150 \n", " 0150 \n"),
    "empty in an integer": ("integer", "", None),
    "empty in a date": ("date", "", None),
    "empty in an object": ("object", "", None),
    "digits in a number": ("number", Decimal("0.10"), Decimal("0.10")),
    "an offset without a colon": (
        "date-time",
        "2020-02-12T10:27:06.477+0100",
        "2020-02-12T10:27:06.477+01:00",
    ),
    "an offset with a colon": (
        "date-time",
        "2020-02-12T10:27:06-03:30",
        "2020-02-12T10:27:06-03:30",
    ),
    "a space in place of T": ("date-time", "2020-02-12 10:27:06Z", "2020-02-12T10:27:06Z"),
    "null in a time": ("date-time", None, None),
}


@pytest.mark.parametrize(("kind", "value", "expected"), CONFORMED.values(), ids=CONFORMED)
def test_values(kind: str, value: Any, expected: Any) -> None:
    columns = js.Columns({"field": js.property_of(kind)})
    record = {"field": value}
    columns.conform(columns.misfits([record]))
    assert record == {"field": expected}
    assert str(record["field"]) == str(expected)  # Decimal("0.1") == Decimal("0.10")


@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean", "object", "array"])
def test_plain_values_need_no_closer_look(kind: str) -> None:
    """What keeps reading fast: of a usual record, no value does."""
    plain = {"string": "a", "integer": 1, "number": Decimal(1), "boolean": True, "object": {}}
    columns = js.Columns({"field": js.property_of(kind)})
    assert columns.misfits([{"field": plain.get(kind, [])}, {"field": None}]) == []


@pytest.mark.parametrize("kind", ["string", "integer", "date", "date-time", "object"])
def test_a_column_is_nullable_and_says_its_kind(kind: str) -> None:
    schema = js.property_of(kind, title="Antall år")
    assert js.kind_of_property(schema) == kind
    assert "null" in schema["type"]
    assert schema["title"] == "Antall år"


@pytest.mark.parametrize(
    "schema",
    [{}, {"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "array"}]}],
    ids=str,
)
def test_columns_of_a_catalog_that_are_no_single_kind_hold_anything(schema: Any) -> None:
    columns = js.Columns({"field": schema})
    record = {"field": ""}
    misfits = columns.misfits([record])
    assert columns.widening(misfits) == {}
    columns.conform(misfits)
    assert record == {"field": ""}


def test_widening_keeps_what_people_wrote() -> None:
    before = {"type": ["string", "null"], "format": "date", "title": "Born", "description": "Day"}
    after = {"type": ["string", "null"], "title": "Born", "description": "Day"}
    assert js.widened(before, "string") == after
