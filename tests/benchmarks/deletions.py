"""Deletions while the customers are read: `python -m tests.benchmarks.deletions --help`.

The tap reads the sandbox as a process, undisturbed and while customers are deleted at a steady
rate. Printed are requests and seconds, and their ratios to those of the undisturbed read.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from tap_cube.sandbox import Sandbox
from tests.benchmarks.results import machine
from tests.support import Tap, select

if TYPE_CHECKING:
    from tap_cube.sandbox.crm import Crm

_CRM = {"data_owner_id": 2, "crm_type": "B2B"}
_PAGE_SIZE = 50
_MOST = 1.3


class Deletions:
    """Deletes customers before the responses that list them.

    Args:
        crm: The CRM.
        per_second: Deletions per second, from the first response on.
        per_response: Deletions before each response.
    """

    def __init__(self, crm: Crm, per_second: float, per_response: int) -> None:
        self._crm = crm
        self._per_second, self._per_response = per_second, per_response
        self._ids = [customer["id"] for customer in crm.customers()]
        self._chance = Random(0)  # noqa: S311  # not for secrets
        self._start: float | None = None
        self.done = self._responses = 0

    def before_response(self, _number: int, target: str) -> None:
        """Delete as many as are due."""
        if "/customers/" not in target:
            return
        self._start = self._start or time.monotonic()
        self._responses += 1
        due = int((time.monotonic() - self._start) * self._per_second)
        due = min(due + self._responses * self._per_response - self.done, len(self._ids))
        self.done += due
        self._crm.delete_many(
            [self._ids.pop(self._chance.randrange(len(self._ids))) for _ in range(due)]
        )


@dataclass(frozen=True)
class Read:
    """What a read took.

    Attributes:
        deletions: Number of deletions during the read.
        requests: Number of requests for pages of the list.
        seconds: Time of the process, start-up included.
        missed: Number of customers that were not read, although they were there throughout.
    """

    deletions: int
    requests: int
    seconds: float
    missed: int


class Bench:
    """Reads the customers with so many requests in flight."""

    def __init__(self, cube: Sandbox, tap: Tap, concurrency: int, latency: float) -> None:
        self._cube, self._tap, self._latency = cube, tap, latency
        self._crm = cube.crms[2, "B2B"]
        self._size = len(self._crm.rows())
        access = {"api_url": cube.url, "auth_token": cube.token, "crms": [_CRM]}
        self._config: dict[str, Any] = {**access, "concurrency": concurrency}
        self._catalog = select(tap.discover(self._config), "customers")

    def read(self, *, per_second: float = 0, per_response: int = 0) -> Read:
        self._crm.resize(self._size)
        deletions = Deletions(self._crm, per_second, per_response)
        self._cube.before_response = deletions.before_response
        self._cube.latency = self._latency
        self._cube.requests.clear()
        start = time.perf_counter()
        run = self._tap(self._config, catalog=self._catalog)
        seconds = time.perf_counter() - start
        self._cube.before_response, self._cube.latency = None, 0
        if run.status or "in doubt" in run.log:
            raise click.ClickException(run.log)
        read = {record["id"] for record in run.records("customers")}
        left = {customer["id"] for customer in self._crm.customers()}
        requests = sum("/customers/" in target for _, target in self._cube.requests)
        return Read(deletions.done, requests, seconds, len(left - read))


@click.command(context_settings={"show_default": True})
@click.option("--pages", default=500, help=f"Pages of {_PAGE_SIZE} customers.")
@click.option("--latency", default=0.3, help="Seconds before each response.")
@click.option("--concurrency", "all_", multiple=True, default=(4, 16), help="Requests in flight.")
@click.option("--rate", "rates", multiple=True, default=(1.0, 5.0), help="Deletions per second.")
@click.option(
    "--bulk", multiple=True, type=int, help="Deletions before each response; without a bound."
)
def main(
    pages: int,
    latency: float,
    all_: tuple[int, ...],
    rates: tuple[float, ...],
    bulk: tuple[int, ...],
) -> None:
    """Measure. The status is 1 if a bound is missed, or a customer who was there throughout."""
    click.echo(
        f"{pages} pages of {_PAGE_SIZE} customers, {latency:g} s per response, start-up included "
        f"({machine()})\n\n"
        "| in flight | deletions | in all | requests | s | requests / undisturbed "
        "| s / undisturbed | customers missed |\n|--:|---|--:|--:|--:|--:|--:|--:|"
    )
    is_missed = False
    for concurrency in all_:
        with (
            Sandbox(customers=pages * _PAGE_SIZE, page_size=_PAGE_SIZE) as cube,
            TemporaryDirectory() as folder,
        ):
            bench = Bench(cube, Tap(Path(folder)), concurrency, latency)
            calm = bench.read()
            reads = [("none", calm, _MOST)]
            reads += [(f"{r:g} per second", bench.read(per_second=r), _MOST) for r in rates]
            reads += [(f"{n} per response", bench.read(per_response=n), 1e9) for n in bulk]
        for name, read, bound in reads:
            ratios = (read.requests / calm.requests, read.seconds / calm.seconds)
            is_missed |= bool(read.missed) or max(ratios) > bound
            click.echo(
                f"| {concurrency} | {name} | {read.deletions:,} | {read.requests:,} "
                f"| {read.seconds:.1f} | {ratios[0]:.2f} | {ratios[1]:.2f} | {read.missed} |"
            )
    sys.exit(is_missed)


if __name__ == "__main__":
    main()
