"""Bodies as proxies and encoders damage them: what is damaged is lost, and nothing else."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_cube.cube.decoding import decimal_of, parse_list, parse_object, parse_page, row_parser

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = "9" * 5000
#: What repairs look for, as whole words and as parts of strings that must not change.
WORDS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * 200,
    "-" + "9" * 200,
    "\ufeff",
    "\\",
    '"',
    ": NaN,",
    "\\u0000",
]

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(WORDS),
    st.lists(st.sampled_from([*WORDS, " ", "a", "\ud83d\ude00", "ø"])).map("".join),
).map(lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16"))
numbers = (
    st.integers()
    | st.integers(-(10**200), 10**200)
    | st.decimals(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    st.none() | st.booleans() | texts | st.integers(-(10**200), 10**200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
records = st.lists(st.dictionaries(texts, values, max_size=4), max_size=4)


class AnyRow(msgspec.Struct):
    """Refuses no value."""

    a: Any
    b: Any = None


def page(*raw: bytes) -> bytes:
    return b'{"count":2,"next":"/?page=2","previous":null,"results":[' + b",".join(raw) + b"]}"


#: For each damage: the raw value, and what is left of it.
DAMAGED: dict[str, tuple[bytes, Any]] = {
    "NaN": (b"NaN", None),
    "Infinity": (b"Infinity", None),
    "minus Infinity": (b"-Infinity", None),
    "minus NaN": (b"-NaN", None),
    "in an array": (b"[1,NaN,-Infinity]", [1, None, None]),
    "an integer that Python does not convert": (LONG.encode(), LONG),
    "a negative one": (b"-" + LONG.encode(), "-" + LONG),
    "a lone high surrogate": (rb'"a\ud83db"', "a\ufffdb"),
    "a lone low surrogate": (rb'"a\uDE00b"', "a\ufffdb"),
    "surrogates in the wrong order": (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
    "a lone surrogate before a pair": (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
    "control characters": (b'"a\x01\n\t\x1fb"', "a\ufffd\ufffd\ufffd\ufffdb"),
    "raw NUL": (b'"a\x00b"', "a\ufffdb"),
    "invalid UTF-8": (b'"a\xff\xc3"', "a\ufffd\ufffd"),
    "Latin-1": ("ø".encode("latin-1").join([b'"', b'"']), "\ufffd"),
    "a surrogate as UTF-8": (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
    "an escape that JSON lacks": (rb'"\q\x41\\q"', "\ufffdq\ufffdx41\\q"),
    "an escape cut short": (rb'"\u12"', "\ufffdu12"),
    "an escape beside damage": (b'"\\ud800\\\\ud800\\"\x01\\n"', '\ufffd\\ud800"\ufffd\n'),
}
#: Kept with all digits: nothing is damaged.
LARGE = {
    "1e400": Decimal("1e400"),
    "1e999999999": Decimal("1e999999999"),
    "-1e-999999999": Decimal("-1e-999999999"),
    "1e9999999999999999999": "1e9999999999999999999",
    "1e-9999999999999999999": "1e-9999999999999999999",
    LONG + ".5": Decimal(LONG + ".5"),
    "0." + LONG: Decimal("0." + LONG),
    LONG + "E1": Decimal(LONG + "E1"),
    "1" * 4300: int("1" * 4300),
}


@pytest.mark.parametrize("raw", LARGE, ids=lambda raw: f"{raw[:7]}-{len(raw)}-{raw[-2:]}")
@pytest.mark.parametrize("beside", [b"1", b"NaN"])
def test_large_numbers_keep_all_digits(raw: str, beside: bytes) -> None:
    body = b'{"a":%b,"b":%b}' % (raw.encode(), beside)
    assert parse_object(body)["a"] == LARGE[raw]


@pytest.mark.parametrize(("raw", "left"), DAMAGED.values(), ids=DAMAGED)
@settings(max_examples=25)
@example(text=LONG, number=int("-" + "9" * 4299))
@given(text=texts, number=numbers)
def test_damage_costs_one_value(raw: bytes, left: Any, text: str, number: Any) -> None:
    intact = json.dumps(text, ensure_ascii=False).encode()
    ascii_only = json.dumps({text: text}).encode()
    digits = str(number).encode()
    body = page(
        b'{"a":%b,"b":%b,"c":%b}' % (intact, raw, digits), b'{"b":null,"a":%b}' % ascii_only
    )
    parsed = parse_page(body)
    assert parsed.next == "/?page=2"
    assert parsed.count == 2
    assert parsed.results == [
        {"a": text, "b": left, "c": number},
        {"a": {text: text}, "b": None},
    ]


@pytest.mark.parametrize(("raw", "left"), DAMAGED.values(), ids=DAMAGED)
def test_damage_in_every_kind_of_body(raw: bytes, left: Any) -> None:
    record = b'{"a":%b,"b":"NaN"}' % raw
    expected = {"a": left, "b": "NaN"}
    assert parse_object(record) == expected
    assert parse_object(b"\xef\xbb\xbf" + record) == expected
    assert parse_list(b"[%b]" % record).results == [expected]
    assert parse_list(page(record)).results == [expected]
    assert row_parser(AnyRow)(page(record)).results == [expected], "rows only of intact pages"


@pytest.mark.parametrize(
    "field", [b'"next":null,"count":NaN', b'"next":null,"count":%b' % LONG.encode()]
)
def test_a_damaged_count_counts_as_missing(field: bytes) -> None:
    parsed = parse_page(b'{%b,"results":[{"a":1}]}' % field)
    assert parsed.count is None
    assert parsed.results == [{"a": 1}]


@pytest.mark.parametrize("damage", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("name", ["next", "results"])
@pytest.mark.parametrize("parse", [parse_page, parse_list, row_parser(AnyRow)])
def test_only_null_ends_a_list(parse: Callable[[bytes], Any], name: str, damage: bytes) -> None:
    """As damage on the way, it is tried again: the list goes on, and has records."""
    fields = {"next": b"null", "results": b'[{"a":1,"next":NaN,"results":NaN}]', name: damage}
    with pytest.raises(msgspec.DecodeError, match="damaged") as raised:
        parse(b'{"count":NaN,"next":%b,"results":%b}' % tuple(fields.values()))
    assert not isinstance(raised.value, msgspec.ValidationError)


def test_a_damaged_name_costs_the_name() -> None:
    parsed = parse_object(b'{"a\x01":1,"\\ud800":2,"NaN":NaN,"c\xff":3}')
    assert parsed == {"a\ufffd": 1, "\ufffd": 2, "NaN": None, "c\ufffd": 3}


@given(records=records, ensure_ascii=st.booleans(), mark=st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_intact_bodies_are_not_altered(
    records: list[dict[str, Any]],
    *,
    ensure_ascii: bool,
    mark: bytes,
) -> None:
    """With a byte order mark, the body is repaired like a damaged one."""
    body = {"count": len(records), "next": None, "previous": None, "results": records}
    text = mark + json.dumps(body, ensure_ascii=ensure_ascii).encode()
    assert parse_page(text).results == records
    assert parse_list(mark + json.dumps(records).encode()).results == records


@given(body=st.binary() | st.lists(st.sampled_from(["NaN", *'"\\{}[]:,9u\x00'])).map("".join))
def test_any_other_body_is_refused_with_an_error_of_msgspec(body: bytes | str) -> None:
    parsers: tuple[Callable[[bytes], Any], ...] = (parse_page, parse_list, row_parser(AnyRow))
    for parse in parsers:
        try:
            parse(body if isinstance(body, bytes) else body.encode())
        except msgspec.MsgspecError:
            continue


@pytest.mark.parametrize("parse", [parse_page, row_parser(AnyRow)])
def test_deep_nesting_is_refused(parse: Callable[[bytes], Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match="nested too deeply"):
        parse(page(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"))


def test_rows_and_records_hold_the_same() -> None:
    rows = row_parser(AnyRow)(page(b'{"a":1.50,"b":"x"}', b'{"a":null}')).results or []
    assert [(row.a, row.b) for row in rows] == [(Decimal("1.50"), "x"), (None, None)]
    assert str(rows[0].a) == "1.50"
    records = row_parser(AnyRow)(page(rb'{"a":"x\u0000"}')).results
    assert records == [{"a": "x\0"}], "records whose NUL is replaced later"


def test_a_lower_limit_of_python_is_respected() -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(1000)
    try:
        assert parse_object(b'{"a":%b}' % (b"7" * 1001)) == {"a": "7" * 1001}
        assert type(parse_object(b'{"a":%b,"b":NaN}' % (b"7" * 1000))["a"]) is int
    finally:
        sys.set_int_max_str_digits(limit)


@pytest.mark.parametrize(
    "body",
    [
        page(b'{"a":"' + b"x\\n" * 300_000 + b'","b":NaN}'),
        page(b'{"a":' + b"1" * 300_000 + b'.5,"b":NaN}'),
        page(b'{"a":"' + b'\\"' * 300_000),
        page(b"1" * 300_000 + b"x"),
        b'"' * 300_001,
        b"[" * 300_000,
    ],
    ids=["escapes", "digits", "cut short", "no JSON", "quotes", "brackets"],
)
def test_repairs_take_a_time_in_proportion_to_the_body(body: bytes) -> None:
    started = time.process_time()
    with suppress(msgspec.MsgspecError):
        parse_page(body)
    assert time.process_time() - started < 5


def test_decimals() -> None:
    assert str(decimal_of("1.50")) == "1.50"
    assert decimal_of("1e9999999999999999999") == "1e9999999999999999999"


@pytest.mark.parametrize("following", ["", '"next":"",', '"next":null,'])
def test_a_list_that_is_complete_needs_no_next(following: str) -> None:
    page = parse_page(f'{{"count":1,{following}"results":[{{"id":1}}]}}'.encode())
    assert (len(page.results or ()), page.next) == (1, None)


@pytest.mark.parametrize("count", ["", '"count":2,', '"count":"1",', '"count":null,'])
@pytest.mark.parametrize("following", ["", '"next":"",'])
@pytest.mark.parametrize("results", ["null", "[]", '[{"id":1}]'])
def test_a_missing_next_does_not_end_a_list(count: str, following: str, results: str) -> None:
    """Of the records that are not there, a target would delete the rows."""
    with pytest.raises(msgspec.ValidationError, match="`next` is missing"):
        parse_page(f'{{{count}{following}"results":{results}}}'.encode())


def test_a_large_number_beside_damage_costs_nothing_else() -> None:
    page = parse_page(b'{"next":null,"results":[{"a":["\\ud83d",1e400]}]}')
    assert page.results == [{"a": ["\ufffd", Decimal("1e400")]}]
