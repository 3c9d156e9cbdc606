"""All paths of a page produce the same bytes: parsed into rows, into dicts, or handed to the SDK.

The tap reads rows where the fields are known. A page that does not suit them is read as dicts, and
a stream map hands each record to the SDK. Which path a page takes must not show in the output.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import re
import signal
import zlib
from collections import deque
from concurrent.futures import Future
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from singer_sdk.singerlib import RecordMessage, SchemaMessage, StateMessage

from tap_cube.compat import override
from tap_cube.cube.account import Account
from tap_cube.cube.decoding import parse_page
from tap_cube.cube.pages import Page
from tap_cube.cube.resources import CUSTOMER_STATUSES, CUSTOMERS, Crm
from tap_cube.readers.row_keys import EventIdentity, StatusIdentity, row_key
from tap_cube.sandbox import Sandbox
from tap_cube.schema import table
from tap_cube.schema.documented import (
    CALL_OUTCOME,
    CUSTOMER_STATUS,
    KEYED_COLUMNS,
    LISTED_CUSTOMER,
)
from tap_cube.schema.keys import ROW_KEY, Key
from tap_cube.schema.kinds import kind_of_property
from tap_cube.schema.names import Definition
from tap_cube.schema.rows import Row, column
from tap_cube.streams.base import CubeStream
from tap_cube.streams.customers import customer_forms
from tap_cube.streams.tables import Form, Memory, TableFactory
from tap_cube.tap import TapCube
from tests.schema.world import UNUSUAL
from tests.support import on_a_day, select, stream_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    from tap_cube.cube.resources import Resource
    from tap_cube.schema.table import Table
    from tests.support import Run, Tap

CRM = Crm(2, "B2B")
DAY = dt.date(2024, 5, 20)
#: A stream map that changes nothing.
IDENTITY: dict[str, Any] = {"customers": {}, "customer_statuses": {}}
#: What the CRM defines. No row can have the last field, so that all pages are read as dicts.
DEFINED = (
    {"id": 64, "key": "Antall år", "type": "number"},
    {"id": 65, "key": "antall ÅR", "type": "text", "max_length": 9},
    {"id": 66, "key": 'Skjerm 27"', "type": "text", "max_length": 9},
)


@dataclass(frozen=True)
class Kind:
    """One kind of streams.

    Attributes:
        resource: What is read.
        form: The form of its records.
        make_keys: Returns the tap's own keys of a page; `None` if the records have keys.
    """

    resource: Resource
    form: Form
    make_keys: Callable[[Sequence[Any]], list[bytes]] | None = None


FLAT, PREFIXED = customer_forms(LISTED_CUSTOMER)
KINDS = {
    "flat": Kind(
        CUSTOMERS,
        FLAT,
    ),
    "prefixed": Kind(CUSTOMERS, PREFIXED),
    "statuses": Kind(
        CUSTOMER_STATUSES,
        Form(Key((ROW_KEY,)), KEYED_COLUMNS, CUSTOMER_STATUS, has_defined_fields=True),
        StatusIdentity(CRM, column),
    ),
    "events": Kind(
        CUSTOMER_STATUSES,
        Form(Key((ROW_KEY,)), KEYED_COLUMNS, CALL_OUTCOME, has_defined_fields=True),
        lambda records: EventIdentity(CRM, column)(records, DAY),
    ),
}


@dataclass(frozen=True)
class Case:
    """What one read gets.

    Attributes:
        name: The name of its kind of streams.
        sample: The page that discovery looks at.
        pages: The pages of the read.
        ahead: Pages that are parsed before the first of them is written.
        defined: Number of `DEFINED` that the CRM defines.
        settings: Settings about columns.
        deselected: Decides which columns are not selected; `None` selects all.
    """

    name: str
    sample: bytes
    pages: Sequence[bytes]
    ahead: int
    defined: int
    settings: Mapping[str, Any]
    deselected: int | None

    @property
    def kind(self) -> Kind:
        """The kind of the stream."""
        return KINDS[self.name]

    def is_selected(self, name: str) -> bool:
        """Return whether a column is selected: about three in four are."""
        form = self.kind.form
        is_needed = self.deselected is None or name in {*form.own, form.key.field}
        return is_needed or zlib.crc32(name.encode()) % 4 != self.deselected

    def new_table(self) -> tuple[Form, Table]:
        """Return the table of what the sample shows, new in each call."""

        def define(table: Table, _: Form, crm: Crm | None) -> bool:
            table.define(crm, Definition.of(DEFINED[: self.defined]))
            return True

        def factory(memory: Memory) -> TableFactory:
            return TableFactory([self.kind.form], self.settings, memory, logging.getLogger())

        sample = [(CRM, [_page(self.sample, parse_page)])]
        form, found = factory(Memory(None, None, {}, frozenset())).discovered(sample, define)
        if self.deselected is None:
            return form, found
        columns = found.schema()["properties"]
        deselected = frozenset(name for name in columns if not self.is_selected(name))
        form, picked = factory(Memory(None, found.remember(), columns, deselected)).known()
        define(picked, form, CRM)
        return form, picked


def _page(body: bytes, parse: Callable[[bytes], Any]) -> Page:
    arrived = dt.datetime(2024, 5, 20, 8, tzinfo=dt.timezone.utc)
    return Page("", parse(body).results or (), None, None, None, arrived)


class Replay:
    """A reader of pages that are at hand, some of which are parsed ahead."""

    state = read_to = resumed_at = None
    done = total = 0

    def __init__(self, case: Case, parser: Callable[[], Callable[[bytes], Any]]) -> None:
        self.doubts: list[str] = []
        self.rows = 0
        self._case = case
        self._parser = parser

    def start(self) -> None:
        """Do nothing."""

    def __iter__(self) -> Iterator[Page]:
        waiting: deque[Page] = deque()
        for body in self._case.pages:
            waiting.append(_page(body, self._parser()))
            if len(waiting) > self._case.ahead:
                yield self._keyed(waiting.popleft())
        yield from map(self._keyed, waiting)

    def _keyed(self, page: Page) -> Page:
        self.rows += sum(isinstance(record, Row) for record in page.records)
        if not (make_keys := self._case.kind.make_keys):
            return page
        return replace(page, keys=[row_key(digest, 1) for digest in make_keys(page.records)])

    def written(self, page: Page) -> None:
        """Do nothing."""


class OneCrm(Account):
    """Stands in for an account of one CRM."""

    def __init__(self) -> None:
        """Need no client."""

    @override
    def crms(self) -> list[Crm]:
        return [CRM]

    @override
    def definitions(self, crm: Crm) -> list[dict[str, Any]]:
        return []  # the table knows them

    @override
    def start_definitions(self, crm: Crm) -> Future[list[Page]]:
        return Future()


class Replayed(CubeStream):
    """A stream that reads a case."""

    def __init__(self, tap: TapCube, case: Case, *, is_parsed: bool) -> None:
        self.name = case.kind.resource.name
        self.resource = case.kind.resource
        self.forms = [case.kind.form]
        super().__init__(tap, replace(tap.services, account=OneCrm(), failures=[]))
        self.primary_keys = case.kind.form.key.columns
        vars(self)["_built"] = case.new_table()
        self.reader = Replay(case, lambda: self.parser(CRM) if is_parsed else parse_page)

    @override
    def new_reader(self, crm: Crm | None, state: Mapping[str, Any]) -> Replay:
        return self.reader


@dataclass(frozen=True)
class Outcome:
    """What a read left behind.

    Attributes:
        lines: What it wrote, without STATE.
        failures: What failed.
        lost: Number of values that no column took, by column.
    """

    lines: list[bytes]
    failures: list[str]
    lost: Mapping[str, int]


#: How pages become rows: as they are parsed, or from dicts, as in CRMs that are read ahead; or
#: not at all.
Way = Literal["parsed", "converted", "dicts"]


def read(tap: TapCube, case: Case, way: Way = "parsed") -> tuple[Outcome, Replayed]:
    """Read a case in this process."""
    tap.mapper.stream_maps.clear()  # those of the last case
    stream = Replayed(tap, case, is_parsed=way == "parsed")
    stdout = io.TextIOWrapper(io.BytesIO())
    with redirect_stdout(stdout), pytest.MonkeyPatch.context() as patch:
        if way == "dicts":
            patch.setattr(table, "suits", lambda _: False)
        stream.sync()
    stdout.seek(0)
    lines = [line for line in stdout.buffer.read().splitlines() if b'"type":"STATE"' not in line]
    failures = [str(failure) for failure in stream.services.failures]
    return Outcome(lines, failures, dict(stream.table.lost)), stream


@pytest.fixture(scope="module")
def taps() -> Iterator[tuple[TapCube, TapCube]]:
    """A tap, and one that hands all records to the SDK."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    config = {"api_url": "http://127.0.0.1:9", "auth_token": "t", "crms": [CRM._asdict()]}
    try:
        yield (
            TapCube(config=config, catalog={"streams": []}),
            TapCube(config={**config, "stream_maps": IDENTITY}, catalog={"streams": []}),
        )
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


# JSON, as text: which bytes stand for a value may decide on the path

CHARACTERS = ("a", "7", " ", "\0", "\ud800", "\udc00", "😀", "é", "\x1f", "\u2028", '"', "\\", "/")
TEXTS = st.one_of(
    st.sampled_from(
        ["", " ", "ukjent", "6", "007", "3.50", "True", "NaN", "a\0", "\ud83d", "\\u0000", "2024"]
    ),
    st.text(st.sampled_from(CHARACTERS), max_size=5),
    st.text(max_size=5),
).flatmap(
    lambda text: (
        st.just(json.dumps(text))
        if re.search("[\ud800-\udfff]", text)
        else st.sampled_from([json.dumps(text), json.dumps(text, ensure_ascii=False)])
    )
)
DAYS = st.sampled_from(
    [
        *("2024-02-29", "2023-02-29", "1824-01-01", "20240101", " 2024-01-01", "2024-1-1"),
        *("2024-01-01T12:00:00+0100", "2024-01-01T12:00:00.123456789Z", "2024-01-01 12:00:00Z"),
        *("2024-01-01T24:00:00Z", "2024-01-01T12:00:00", "2024-01-01T12:00:60+01:75"),
    ]
).map(json.dumps)
INTEGERS = st.one_of(
    st.sampled_from([0, 1, -1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**30]),
    st.integers(-(2**70), 2**70),
).map(str)
NUMBERS = st.one_of(
    st.sampled_from(
        [
            *("-0", "-0.0", "0.0", "3.0", "3.50", "1e2", "1E+2", "1e-2", "1e19", "1e18"),
            *("9007199254740993.0", "9223372036854775807.0", "9223372036854775808.0"),
            *("0.1000000000000000055511151231257827", "1e307", "1e308", "1e400", "1e-400"),
            *("1e9999999999999999999", "NaN", "-Infinity"),
        ]
    ),
    st.builds("{}.{}".format, st.integers(-(2**60), 2**60), st.text("0123456789", min_size=1)),
)
LITERALS = st.sampled_from(["null", "true", "false"])


def objects(values: SearchStrategy[str]) -> SearchStrategy[str]:
    """JSON objects with these values; names may be repeated."""
    members = st.builds("{}:{}".format, TEXTS, values)
    return st.lists(members, max_size=3).map(lambda found: "{" + ",".join(found) + "}")


def arrays(values: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.lists(values, max_size=3).map(lambda found: "[" + ",".join(found) + "]")


ANYTHING = st.recursive(
    st.one_of(LITERALS, TEXTS, DAYS, INTEGERS, NUMBERS),
    lambda inner: st.one_of(objects(inner), arrays(inner)),
    max_leaves=4,
)
#: What columns of a kind mostly hold.
FITTING = {
    "string": st.sampled_from(['"Åse"', '""', '"Oslo"', "null"]),
    "integer": st.sampled_from(["7", "-3", "null", '""']),
    "number": st.sampled_from(["7", "3.50", "null", '""']),
    "boolean": st.sampled_from(["true", "false", "null"]),
    "date": st.sampled_from(['"2024-02-29"', "null", '""']),
    "date-time": st.sampled_from(['"2024-01-01T12:00:00+0100"', "null", '""']),
}
#: What tells the paths apart if they are not careful.
HARD = {
    "string": st.sampled_from(['"a\\u0000b"', '"\\ud800"', '"\\u0000"', "7", "3.50", "{}"]),
    "integer": st.sampled_from(["9223372036854775808", "-9223372036854775809", "3.0", "true"]),
    "number": st.sampled_from(["9007199254740993.0", "1e308", "-0.0", "true"]),
}
#: Fields that are not documented, but suit rows.
EXTRA = (
    *("Antall år", "antall ÅR", "product__TV", "birth_date__text", "phone_1__text", "", "😀", "'"),
    *("crm__custom_info__64", "crm__custom_info__65", "crm__custom_info__66", "a.b", "x" * 300),
)


@st.composite
def cases(draw: Callable[[SearchStrategy[Any]], Any]) -> Case:
    """A few pages with a few fields, most of whose values suit their columns."""
    name = draw(st.sampled_from(sorted(KINDS)))
    kind = KINDS[name]
    kinds = {name: kind_of_property(schema) for name, schema in kind.form.documented.items()}
    names = EXTRA if draw(st.integers(0, 3)) else EXTRA + UNUSUAL
    others = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    by_kind = [
        st.sampled_from([field for field in sorted(kinds) if kinds[field] == each])
        for each in sorted(set(kinds.values()))
    ]  # few are integers
    fields = draw(st.lists(st.one_of(by_kind), min_size=1, max_size=4, unique=True))
    fields += [field for field in others if field not in fields]
    for field in others:
        kinds.setdefault(field, draw(st.sampled_from(["string", "integer", "number"])))
    numbers = count(1)

    def record(odd: str | None) -> str:
        members = []
        if (key := kind.form.key.field) and draw(st.integers(0, 40)):
            members.append((key, draw(ANYTHING) if not draw(st.integers(0, 40)) else None))
        for field in draw(st.permutations(fields)) if draw(st.booleans()) else fields:
            if field == odd:
                is_hard = kinds[field] in HARD and draw(st.booleans())
                members.append((field, draw(HARD[kinds[field]] if is_hard else ANYTHING)))
            elif draw(st.integers(0, 9)):
                members.append((field, draw(FITTING[kinds[field]])))
        return (
            "{"
            + ",".join(
                f"{json.dumps(field, ensure_ascii=draw(st.booleans()))}:"
                f"{next(numbers) if value is None else value}"
                for field, value in members
            )
            + "}"
        )

    def page(*, may_be_odd: bool = True) -> bytes:
        odds = st.lists(
            st.none() | st.sampled_from(fields) if may_be_odd else st.none(), min_size=1, max_size=3
        )
        records = map(record, draw(odds))
        return ('{"count":9,"next":null,"results":[' + ",".join(records) + "]}").encode("utf-8")

    pinned = draw(st.lists(st.sampled_from([*fields, "none"]), max_size=2, unique=True))
    types = st.sampled_from(["string", "integer", "number", "boolean", "date", "object"])
    return Case(
        name,
        sample=page(may_be_odd=not draw(st.integers(0, 3))),
        pages=[page() for _ in range(draw(st.integers(1, 3)))],
        ahead=draw(st.integers(0, 2)),
        defined=draw(st.sampled_from([0, 2, 2, 2, 3])),
        settings={
            "field_names": draw(st.sampled_from(["source", "snake_case"])),
            "custom_field_names": draw(st.sampled_from(["id", "label"])),
            "new_fields": draw(st.sampled_from(["evolve", "evolve", "discard", "fail"])),
            "field_types": [{"field": field, "type": draw(types)} for field in pinned],
        },
        deselected=draw(st.none() | st.integers(0, 3)),
    )


def compare(one: Outcome, other: Outcome) -> None:
    """Two reads left the same behind. The first line that differs is shown."""
    for first, second in zip(one.lines, other.lines, strict=False):
        assert first.decode() == second.decode()
    assert one == other


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(case=cases())
def test_random_pages(taps: tuple[TapCube, TapCube], case: Case) -> None:
    tap, mapped = taps
    as_rows, stream = read(tap, case)
    event("rows" if stream.reader.rows else "dicts")
    compare(as_rows, read(tap, case, "converted")[0])
    compare(as_rows, read(tap, case, "dicts")[0])
    compare(as_rows, read(mapped, case)[0])


FIXED = Case(
    "flat",
    sample=b'{"next":null,"results":[{"id":1,"name":"A","birth_date":null}]}',
    pages=[b'{"next":null,"results":[{"id":1,"name":"A","birth_date":"2024-02-29"}]}'],
    ahead=0,
    defined=0,
    settings={
        "field_names": "source",
        "custom_field_names": "id",
        "new_fields": "evolve",
        "field_types": [],
    },
    deselected=None,
)


def test_the_paths_differ(taps: tuple[TapCube, TapCube], monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise, these tests would compare a path with itself."""
    written: list[Any] = []
    for tap in taps:
        monkeypatch.setattr(
            tap.message_writer, "write_records", lambda _, records, *__: written.append(records[0])
        )
        monkeypatch.setattr(tap.message_writer, "write_message", written.append)
    ways: list[tuple[TapCube, Way, type]] = [
        (taps[0], "parsed", Row),
        (taps[0], "converted", Row),
        (taps[0], "dicts", dict),
        (taps[1], "parsed", RecordMessage),
    ]
    for tap, way, expected in ways:
        written.clear()
        read(tap, FIXED, way)
        records = [each for each in written if not isinstance(each, (SchemaMessage, StateMessage))]
        assert [isinstance(each, expected) for each in records] == [True]


AS_DICTS = """
from tap_cube.schema import table
table.suits = lambda names: False
"""
STREAMS = ("customers", "call_outcomes", "product_registrations", "customer_statuses")
# Discovery sees the first page. The other pages have what it did not see.
ODD: tuple[dict[str, Any], ...] = (
    {"phone": 7, "date": "ukjent", "extra": {"a": [None, Decimal("1.50")]}},
    {"phone": "a\0b", "date": "", "extra": 2**70},
    {"phone": ["x"], "date": "2024-02-30", "extra": Decimal("0.10")},
    {"phone": "😀\u2028", "date": 20240101, "extra": True},
    {"phone": None, "date": "2024-02-29", "extra": ""},
)


def make_odd(cube: Sandbox) -> None:
    """Give some records of each list values that do not fit, and new fields."""
    flat = cube.shape == "flat"
    crm = cube.crms[CRM]
    prefix = "" if flat else "crm__standard_info__"
    customers = crm.customers()
    noon = dt.datetime.combine(DAY, dt.time(12))
    for number, odd in enumerate(ODD):
        fields = {f"{prefix}phone_1": odd["phone"], crm.new_field(1): odd["extra"]}
        if flat:
            fields["birth_date"] = odd["date"]
        crm.update(customers[60 + 40 * number][crm.key_field], **fields)
        event = {
            "crm__standard_info__phone_1": odd["phone"],
            "crm__change_log__updated": odd["date"],
            "call_outcome__extra__Poeng": odd["extra"],
        }
        crm.add_outcome(noon - dt.timedelta(days=number), **event)
        crm.add_registration(noon - dt.timedelta(days=number), **event, product__price=odd["extra"])
        crm.add_status(**event)
        for _ in range(30):
            crm.add_status()


def output(run: Run) -> list[bytes]:
    """SCHEMA and RECORD messages, without what differs between any two runs."""
    assert run.status == 0, run.log
    lines = [line for line in run.stdout.splitlines() if b'{"type":"STATE"' not in line]
    return [re.sub(rb'"(version":\d+|time_extracted":"[^"]+")', b"", line) for line in lines]


VARIANTS = [
    pytest.param("flat", {"field_names": "snake_case"}, "", id="renamed"),
    pytest.param(
        "prefixed",
        {
            "custom_field_names": "label",
            "field_types": [{"field": "crm__custom_info__9001", "type": "number"}],
        },
        "phone_2",
        id="deselected",
    ),
]


@pytest.mark.parametrize(("shape", "naming", "deselected"), VARIANTS)
def test_real_runs(tap: Tap, shape: Any, naming: dict[str, Any], deselected: str) -> None:
    with Sandbox(customers=240, page_size=40, shape=shape, today=DAY, outcomes=250) as cube:
        config = {
            "api_url": cube.url,
            "auth_token": cube.token,
            "crms": [CRM._asdict()],
            "sample_size": 40,
            "start_date": "2024-05-01",
            "emit_activate_version_messages": True,
            **naming,
        }
        if deselected:
            make_odd(cube)  # so that the catalog has columns for misfits
            config["sample_size"] = 1000
        tap.program = ("-c", on_a_day())
        catalog = select(tap.discover(config), *STREAMS)
        for name in STREAMS if deselected else ():
            for entry in stream_of(catalog, name)["metadata"]:
                if any(deselected in part for part in entry["breadcrumb"]):
                    entry["metadata"]["selected"] = False
        make_odd(cube)
        as_rows = tap(config, catalog=catalog).check()
        by_sdk = tap({**config, "stream_maps": {n: {} for n in STREAMS}}, catalog=catalog)
        tap.program = ("-c", on_a_day(AS_DICTS))
        as_dicts = tap(config, catalog=catalog)
    for name in STREAMS:
        columns = as_rows.properties(name)
        assert any(column.endswith("__text") for column in columns), name
        assert not (deselected and any(deselected in column for column in columns))
        assert len(as_rows.records(name)) > 20
    assert output(as_rows) == output(as_dicts)
    assert output(as_rows) == output(by_sdk)
