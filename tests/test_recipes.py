"""The recipes of `docs/`, taken out of them and followed."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tap_cube.sandbox import Sandbox
from tap_cube.sandbox.faults import Fault, Faults
from tests.documents import PAGES, block, blocks, command
from tests.support import Meltano
from tests.targets import loader, programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support import Tap

pytestmark = pytest.mark.e2e

RECIPES = "docs/recipes.md"


@pytest.fixture(scope="module")
def cube() -> Iterator[Sandbox]:
    with Sandbox(customers=200, outcomes=300) as running:
        yield running


@pytest.fixture
def access(cube: Sandbox) -> dict[str, Any]:
    return {"api_url": cube.url, "auth_token": cube.token}


# With the tap alone


def test_personal_data_stays_out(tap: Tap, cube: Sandbox, access: dict[str, Any]) -> None:
    recipe = json.loads(block(RECIPES, "Personal data stays out", "json"))
    run = tap({**access, **recipe}).check()
    customers = [customer for crm in cube.crms.values() for customer in crm.customers()]
    outcomes = [(crm, outcome) for crm in cube.crms.values() for outcome in crm.call_outcomes()]
    people = {
        str(value)
        for record in (*customers, *(outcome for _, outcome in outcomes))
        for name, value in record.items()
        if re.search(r"(name|company|email|phone_\d|need_to_know|address_street|comment)$", name)
        and not re.search(r"^(campaign|data_owner|segment|zone)_", name)
        and value
    }
    assert len(people) > 500
    # But for hashes, which may hold any digits
    written = re.sub(r'"[0-9a-f]{32,64}"', "", run.stdout.decode() + run.log)
    assert [value for value in sorted(people) if value in written] == []
    salt = recipe["stream_map_config"]["salt"]
    assert salt not in run.stdout.decode() + run.log

    def person(email: str | None) -> str | None:
        return hashlib.sha256((salt + email.lower()).encode()).hexdigest() if email else None

    assert {message["stream"] for message in run.messages if "stream" in message} == {
        "customers",
        "call_outcomes",
    }
    rows = run.records("customers")
    # In no order: the recipe leaves no id
    assert Counter((row["data_owner_id"], row["person"]) for row in rows) == Counter(
        (data_owner_id, person(customer["email"]))
        for (data_owner_id, _), crm in cube.crms.items()
        for customer in crm.customers()
    )
    assert {row["industry"] for row in rows} >= {"Gårdsdrift", "", None}
    assert set(rows[0]) == set(recipe["stream_maps"]["customers"]) - {"__else__"}
    known = {row["person"] for row in rows} - {None}
    called = {row["person"] for row in run.records("call_outcomes")} - {None}
    assert called
    assert called <= known, "calls can be joined to customers"


def test_a_table_for_each_crm(tap: Tap, cube: Sandbox, access: dict[str, Any]) -> None:
    together, apart = map(json.loads, blocks("docs/streams.md", "Two CRMs", "json"))
    run = tap({**access, "crms": together["crms"], **apart}).check()
    for table, crm_type in {"customers_b2b": "B2B", "customers_b2c": "B2C"}.items():
        expected = [customer["id"] for customer in cube.crms[2, crm_type].customers()]
        assert sorted(record["id"] for record in run.records(table)) == expected
        assert {record["crm_type"] for record in run.records(table)} == {crm_type}
        assert run.of_type("SCHEMA", table)
    assert not run.records("customers")


# In Meltano


@pytest.fixture(scope="module")
def meltano(tmp_path_factory: pytest.TempPathFactory) -> Meltano:
    """A project in which the recipes for Meltano have been followed."""
    project = Meltano(tmp_path_factory)
    plugins = project.project["plugins"]
    plugins["loaders"] = [one for one in plugins["loaders"] if one["name"] == "target-duckdb"]
    columns = yaml.safe_load(block(RECIPES, "Only the columns you want", "yaml"))
    project.extractor["select"] = columns["select"]
    project.project |= yaml.safe_load(block(RECIPES, "Every night, with Meltano", "yaml"))
    project.write()
    project("install")
    return project


def query(meltano: Meltano, sql: str, database: Path | None = None) -> list[tuple[Any, ...]]:
    """Rows of the warehouse, asked by the DuckDB that the target brought along."""
    program = (
        "import duckdb, json, sys;"
        "cube = duckdb.connect(sys.argv[1]);"
        "print(json.dumps(cube.sql(sys.argv[2]).fetchall(), default=str))"
    )
    python = duckdb(meltano).parent / "python"
    arguments = [str(database or meltano.folder / "cube.duckdb"), sql]
    rows = subprocess.check_output([python, "-c", program, *arguments])  # noqa: S603  # as above
    return list(map(tuple, json.loads(rows)))


def duckdb(meltano: Meltano) -> Path:
    """The target's program."""
    venv = meltano.folder / ".meltano" / "loaders" / "target-duckdb" / "venv"
    return programs(venv) / "target-duckdb"


def test_a_schedule_of_only_some_columns(meltano: Meltano, access: dict[str, Any]) -> None:
    """Two recipes in one run."""
    variables = {f"TAP_CUBE_{name.upper()}": value for name, value in access.items()}
    (schedule,) = json.loads(meltano("schedule", "list", "--format=json").stdout)["schedules"][
        "job"
    ]
    assert schedule["cron_interval"] == "0 3 * * *"
    meltano("schedule", "run", schedule["name"], **variables)
    sql = "select table_name, column_name from duckdb_columns() where not internal"
    described = query(meltano, sql)
    assert {table for table, _ in described} == {"customers", "call_outcomes"}
    columns = {column for table, column in described if table == "customers"}
    assert {column for column in columns if not column.startswith("_sdc_")} == {
        *("data_owner_id", "crm_type", "id", "name", "bransje/næring", "forbruk pr. år"),
        *(f"gen info {number}" for number in (1, 2, 3, 5)),
    }
    rows = query(meltano, "select count(*), count(name) from customers where data_owner_id = 2")
    assert rows == [(210, 210)]
    assert len([column for table, column in described if table == "call_outcomes"]) > 40


def test_two_accounts_in_one_warehouse(meltano: Meltano, cube: Sandbox) -> None:
    with Sandbox(customers=40, token="another") as umbrella:  # noqa: S106  # invented
        recipe = block(RECIPES, "Two accounts in one warehouse", "yaml")
        recipe = recipe.replace("account: acme", f"api_url: {cube.url}")
        recipe = recipe.replace("account: umbrella", f"api_url: {umbrella.url}")
        for kind, plugins in yaml.safe_load(recipe)["plugins"].items():
            meltano.project["plugins"][kind] += plugins
        meltano.write()
        # As the text beside it says
        (command,) = re.findall(r"`meltano (run tap-cube--acme [^`]*)`", PAGES[RECIPES])
        secrets = dict(
            zip(
                re.findall(r"`(TAP_CUBE__\w+_AUTH_TOKEN)`", PAGES[RECIPES]),
                (cube.token, umbrella.token),
                strict=True,
            )
        )
        meltano(*command.split(), **secrets)
    for schema, customers in {"acme": 200, "umbrella": 40}.items():
        counted = query(
            meltano,
            f"select count(*) from {schema}.customers "  # noqa: S608  # the lines above
            "where data_owner_id = 2 and crm_type = 'B2B'",
        )
        assert counted == [(customers,)]


# Without Meltano


#: All that cron gives.
CRON = {"HOME": "/", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "cube"}


@dataclass
class Nightly:
    """The folder with the script, and what it needs."""

    folder: Path

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603  # the README's own
                [self.script],
                env=CRON,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self) -> int:
        return self.start().wait(timeout=120)

    @property
    def script(self) -> Path:
        return self.folder / "nightly.sh"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "state.json").read_text(encoding="utf-8")))

    @property
    def database(self) -> Path:
        return self.folder / "cube.duckdb"


def install_nightly(folder: Path, meltano: Meltano, config: Mapping[str, Any]) -> Nightly:
    for environment, program in {
        "tap": Path(sys.executable).parent / "tap-cube",
        "target": duckdb(meltano),
    }.items():
        (folder / environment / "bin").mkdir(parents=True)
        (folder / environment / "bin" / program.name).symlink_to(program)
    script = folder / "nightly.sh"
    script.write_text(command("#!/bin/bash"), encoding="utf-8")
    script.chmod(0o700)
    target = block(RECIPES, "Every night, without Meltano", "json")
    (folder / "duckdb.json").write_text(target, encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return Nightly(folder)


def test_the_script_s_environments_have_the_pins() -> None:
    (line,) = (one for one in command("target-duckdb==").splitlines() if "target-duckdb" in one)
    pins = shlex.split(line.partition(" install ")[2])
    assert pins == shlex.split(loader("target-duckdb")["pip_url"])


def test_a_night_that_fails_and_one_that_is_killed_lose_nothing(
    meltano: Meltano, tmp_path: Path
) -> None:
    with Sandbox(customers=300, page_size=10) as cube:
        crm = cube.crms[2, "B2B"]
        access = {"api_url": cube.url, "auth_token": cube.token, "max_tries": 1}
        nightly = install_nightly(tmp_path, meltano, access)

        def loaded(table: str) -> int:
            sql = f"select count(*) from {table} where data_owner_id = 2 and crm_type = 'B2B'"  # noqa: S608
            return int(query(meltano, sql, nightly.database)[0][0])

        assert nightly.run() == 0, nightly.log
        assert nightly.log == "", "cron sends no mail"
        assert loaded("customers") == 300
        outcomes = loaded("call_outcomes")
        assert outcomes > 100
        first = nightly.state
        assert first["bookmarks"]["call_outcomes"]

        # It fails in the middle of the customers: the calls before them are there and stay there
        now = dt.datetime.now(dt.timezone.utc)
        crm.add_outcome(now)
        cube.faults = Faults(Fault("503", match=r"2/crm/B2B/customers/\?page=20$"))
        assert nightly.run() == 1
        assert "status 503" in nightly.log
        assert loaded("call_outcomes") == outcomes + 1
        second = nightly.state
        assert second != first
        assert "reading" in json.dumps(second), "the place in the list"

        # It is killed: `state.json` is whole, and nothing is in it that is not in the tables
        cube.faults = None
        cube.latency = 0.05
        crm.add_outcome(now)
        crm.add(name="En ny kunde")
        cube.requests.clear()
        process = nightly.start()
        while not any("B2B/customers" in target for _, target in cube.requests[10:]):
            assert process.poll() is None, nightly.log
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert nightly.state == second

        cube.latency = 0
        assert nightly.run() == 0, nightly.log
        assert nightly.log == ""
        # It continued where the second night stood: who is new since then comes the night after
        nightly.script.write_text(nightly.script.read_text().replace("=WARNING", "=INFO"))
        assert nightly.run() == 0, nightly.log
        assert loaded("customers") == 301
        assert loaded("call_outcomes") == outcomes + 2
        begun = re.findall(r"call_outcomes: reading (.*) from (\S+) on \((.*)\)", nightly.log)
        assert [(crms, reason) for crms, _, reason in begun] == [
            ("4 CRMs", "where the last run stood")
        ]
        assert begun[0][1] > f"{now - dt.timedelta(days=5):%Y-%m-%d}", "no CRM begins anew"
        assert "reading" not in json.dumps(nightly.state)
        assert nightly.run() == 0, nightly.log
        assert loaded("customers") == 301
        assert not (tmp_path / "state.json.new").exists()
        assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0
