"""What the rules for types promise of any values, in any order, page by page or at once."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from tap_cube import schema as js

if TYPE_CHECKING:
    from tests.support import Record

    Kinds = dict[str, str]
    Page = list[Record]

settings.register_profile(
    "reproducible",
    deadline=None,
    derandomize=True,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("reproducible")

NAMES = ("a", "b", "c")
TYPED = ("string", "integer", "number", "boolean", "date", "date-time", "object", "array")
KINDS = (*TYPED, js.ANYTHING)

# Values as they come out of a parsed page

EMPTY = st.sampled_from([None, ""])
DATES = st.dates().map(str) | st.from_regex(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]", fullmatch=True)
# A date and time: its parts as they should be, and odd ones of which there is one at most
PARTS: tuple[st.SearchStrategy[str], ...] = (
    st.dates().map(str),
    st.sampled_from("Tt "),
    st.times().map("{:%H:%M:%S}".format),
    st.sampled_from(["", ".5", ".477", ".123456789"]),
    st.sampled_from("Zz")
    | st.from_regex(r"[+-](0[0-9]|1[0-9]|2[0-3]):?[0-5][0-9]", fullmatch=True),
)
ODD_PARTS: tuple[st.SearchStrategy[str], ...] = (
    st.sampled_from(["2023-02-29", "0000-01-01", "20200101", "2020-1-1", "20-01-01"]),
    st.sampled_from(["_", "", "  "]),
    st.sampled_from(["24:00:00", "23:59:60", "23:60:00", "9:00:00", "09:00", "090000"]),
    st.sampled_from([".", ",5", ".5 "]),
    st.sampled_from(["", "+01", "+1:00", "+01:60", "-0175", "+24:00", "+2500", "UTC", "Z "]),
)
DATE_TIMES = st.integers(0, 2 * len(PARTS)).flatmap(
    lambda odd: st.tuples(
        *(ODD_PARTS[n] if n == odd else part for n, part in enumerate(PARTS))
    ).map("".join)
)
INTEGERS = st.integers() | st.integers(-(10**30), 10**30)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False) | st.from_regex(
    r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
).map(Decimal)
WORDS = st.text(min_size=1, max_size=8) | st.sampled_from(["ukjent", " ", " 0150 \n", "\0"])
TEXTS = WORDS | (INTEGERS | DECIMALS | st.booleans()).map(str) | DATES | DATE_TIMES
NESTED = st.recursive(
    EMPTY | TEXTS | INTEGERS | DECIMALS | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=4,
)
FAMILIES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "integer": INTEGERS,
    "number": INTEGERS | DECIMALS,
    "boolean": st.booleans(),
    "date": DATES,
    "date-time": DATE_TIMES,
    "object": st.dictionaries(WORDS, NESTED, max_size=3),
    "array": st.lists(NESTED, max_size=3),
}
VALUES = st.one_of(EMPTY, *FAMILIES.values())


def values_for(kind: str) -> st.SearchStrategy[Any]:
    """Values of which many fit a column of a kind, or nearly do."""
    return EMPTY | FAMILIES[kind] | VALUES if kind else VALUES


@dataclass
class Read:
    """Columns as a stream starts with them, and the pages that it then reads."""

    kinds: Kinds
    pins: Kinds
    pages: list[Page]

    @property
    def records(self) -> Page:
        return [record for page in self.pages for record in page]


@st.composite
def reads(draw: st.DrawFn, *, pins: bool = True) -> Read:
    """Each field has values of a kind or two, as else all of them would be strings."""
    read = Read({}, {}, [])
    fields = {}
    for name in NAMES:
        families = draw(st.lists(st.sampled_from(TYPED), min_size=1, max_size=2))
        fields[name] = st.one_of(EMPTY, *(FAMILIES[kind] for kind in families))
        likely = st.sampled_from([*families, *families, *KINDS])
        if pins and draw(st.integers(0, 3)) == 0:
            read.pins[name] = draw(likely.filter(bool))
        if draw(st.booleans()):
            read.kinds[name] = read.pins.get(name) or draw(likely)
    records = draw(st.lists(st.fixed_dictionaries({}, optional=fields), max_size=8))
    cuts = draw(st.lists(st.integers(0, len(records)), max_size=3).map(sorted))
    read.pages = [records[start:end] for start, end in pairwise([0, *cuts, len(records)])]
    return read


def columns_of(kinds: Kinds, pins: Kinds) -> js.Columns:
    return js.Columns({name: js.property_of(kind) for name, kind in kinds.items()}, pins)


def evolved(kinds: Kinds, page: Page, pins: Kinds) -> Kinds:
    columns = columns_of(kinds, pins)
    return kinds | columns.widening(columns.misfits(page))


def written(kinds: Kinds, read: list[Page], pins: Kinds) -> tuple[list[Kinds], Counter[str]]:
    """Conform all pages, in place. Returns the columns at each, and what the pins cost.

    A column that got wider no longer holds plainly what it held: misfits are looked for again.
    """
    history, lost = [], Counter[str]()
    for page in read:
        kinds = evolved(kinds, page, pins)
        columns = columns_of(kinds, pins)
        lost += columns.conform(columns.misfits(page))
        history.append(kinds)
    return history, lost


def is_valid(kind: str, value: Any) -> bool:
    return Draft202012Validator(js.property_of(kind), format_checker=FormatChecker()).is_valid(
        value
    )


def exact(value: Any) -> str:
    """Tells 1 from true, and 0.1 from 0.10."""
    return repr(value)


def exact_json(value: Any) -> str:
    """As `exact`, but JSON has no two sorts of numbers: 5 may have been an integer or not."""

    def numbers(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: numbers(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [numbers(inner) for inner in value]
        return Decimal(value) if type(value) is int else value

    return exact(numbers(value))


def with_colon(text: str) -> str:
    return re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", f"{text[:10]}T{text[11:]}")


def is_as_documented(kind: str, before: Any, after: Any) -> bool:
    """Whether a value, which fitted, is written as it came but for the conversions promised."""
    if kind == "string" and not (before is None or isinstance(before, str)):
        parsed = json.loads(after, parse_float=Decimal, parse_int=Decimal)
        return isinstance(after, str) and exact_json(parsed) == exact_json(before)
    if before == "" and kind not in {"string", js.ANYTHING}:
        return after is None
    if kind == "date-time" and before is not None:
        return exact(after) == exact(with_colon(before))
    return exact(after) == exact(before)


# Which kind it is


def test_join_is_the_join_of_a_lattice() -> None:
    kinds: tuple[str | None, ...] = (None, *KINDS)
    join = js.join
    for a, b, c in product(kinds, repeat=3):
        assert join(join(a, b), c) == join(a, join(b, c))
        assert join(a, b) == join(b, a)
        assert join(a, a) == join(a, None) == a
        assert join(a, join(a, b)) == join(a, b)


@given(reads(), st.data())
def test_the_order_of_records_does_not_matter(read: Read, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(read.records))
    expected = evolved(read.kinds, read.records, read.pins)
    assert evolved(read.kinds, shuffled, read.pins) == expected


@given(reads())
def test_it_does_not_matter_where_pages_end(read: Read) -> None:
    """But a column of which the first page holds only empty values is a string from then on."""
    first_seen: Kinds = {}
    kinds = read.kinds
    for page in read.pages:
        for name in {name for record in page for name in record} - kinds.keys() - read.pins.keys():
            if all(record.get(name) in (None, "") for record in page):
                first_seen[name] = "string"
        kinds = evolved(kinds, page, read.pins)
    assert kinds == evolved(read.kinds, read.records, read.pins) | first_seen


@given(reads())
def test_columns_never_get_narrower_and_hold_all_that_they_held(read: Read) -> None:
    before = read.kinds
    seen: Page = []
    for page in read.pages:
        seen += page
        after = evolved(before, page, read.pins)
        assert after.keys() == before.keys() | {name for record in page for name in record}
        for name, kind in before.items():
            assert js.join(kind, after[name]) == after[name]
        for name, kind in after.items():
            if name in read.pins:
                assert kind == read.pins[name]
            else:
                assert all(js.fits(kind, record.get(name)) for record in seen)
        before = after


@given(reads(pins=False))
def test_only_what_does_not_fit_widens(read: Read) -> None:
    after = evolved(read.kinds, read.records, {})
    for name, kind in read.kinds.items():
        fit = all(js.fits(kind, record.get(name)) for record in read.records)
        assert (after[name] == kind) is fit


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_what_fits_is_what_json_schema_accepts(kind: str, data: st.DataObject) -> None:
    value = data.draw(values_for(kind))
    if js.fits(kind, value):
        conformed = js.conformed(kind, value)
        assert is_valid(kind, conformed)
        assert is_as_documented(kind, value, conformed)
    else:
        assert not is_valid(kind, value)


# How it is written


@given(reads())
def test_every_record_is_valid_whatever_was_sampled(read: Read) -> None:
    sample, *pages = read.pages
    history, _ = written(evolved(read.kinds, sample, read.pins), pages, read.pins)
    for columns, page in zip(history, pages, strict=True):
        properties = {name: js.property_of(kind) for name, kind in columns.items()}
        validator = Draft202012Validator(
            {"properties": properties, "additionalProperties": False},
            format_checker=FormatChecker(),
        )
        for record in page:
            validator.validate(record)


@given(reads(pins=False))
def test_nothing_but_the_documented_conversions_changes_a_value(read: Read) -> None:
    before = copy.deepcopy(read.pages)
    history, lost = written(read.kinds, read.pages, {})
    for columns, old_page, page in zip(history, before, read.pages, strict=True):
        for old, new in zip(old_page, page, strict=True):
            assert list(old) == list(new)
            for name, value in new.items():
                assert is_as_documented(columns[name], old[name], value)
    assert not lost


@given(st.data(), st.sampled_from(TYPED), st.booleans())
def test_what_does_not_fit_a_pin_is_null_and_counted(
    data: st.DataObject,
    pin: str,
    known: bool,  # noqa: FBT001  # drawn
) -> None:
    values = data.draw(st.lists(values_for(pin)))
    page: Page = [{"a": copy.deepcopy(value), "b": 1} for value in values]
    _, lost = written({"a": pin} if known else {}, [page], {"a": pin})
    refused = 0
    for value, record in zip(values, page, strict=True):
        if record["a"] is None and value not in (None, ""):
            refused += 1
            assert not is_valid(pin, value)
        else:
            assert is_as_documented(pin, value, record["a"])
            assert is_valid(pin, record["a"])
    assert lost == ({"a": refused} if refused else {})
