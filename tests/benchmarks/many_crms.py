"""Many small CRMs: time against the ideal, requests, memory and STATE.

`python -m tests.benchmarks.many_crms` prints a table with the bounds, and writes it into `results`.
The ideal is the time in which the server's latency alone allows the requests of the run, beyond the
start-up, which a run without any CRM to read takes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from tap_cube.sandbox import Sandbox
from tests.benchmarks.results import machine
from tests.support import own_environment, select

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAUNCH = Path(__file__).parent / "launch.py"
_RESULTS = Path(__file__).parent / "results" / "many_crms.md"
_PAGE_SIZE = 500
_STREAMS = (
    "call_outcomes",
    "campaigns",
    "custom_fields",
    "customer_statuses",
    "customers",
    "product_registrations",
)
#: Seconds between two STATE messages within a stream.
_STATE_INTERVAL = 5
_MOST_REQUESTS, _MOST_BYTES, _MOST_STATE = 8, 128e6, 0.05


@dataclass(frozen=True)
class Run:
    """What a run took, and what it wrote.

    Attributes:
        what: What was run.
        crms: Number of CRMs.
        concurrency: Maximum requests in flight.
        requests: Number of requests.
        in_flight: Maximum requests that the server saw in flight.
        seconds: Time, start-up included.
        start: Time of the start-up.
        latency: Seconds before each response.
        peak_bytes: Maximum resident memory.
        records: Bytes of RECORD messages.
        state: Bytes of STATE messages.
        states: Number of STATE messages.
    """

    what: str
    crms: int
    concurrency: int
    requests: int
    in_flight: int
    seconds: float
    start: float
    latency: float
    peak_bytes: int
    records: int = 0
    state: int = 0
    states: int = 0

    @property
    def ideal(self) -> float:
        """Seconds that the latency takes, if no worker is ever idle."""
        return self.requests * self.latency / self.concurrency

    @property
    def times_ideal(self) -> float:
        return (self.seconds - self.start) / self.ideal

    @property
    def reads(self) -> bool:
        return self.what != "discovery"

    def missed(self) -> Iterator[str]:
        """The bounds that it misses."""
        if self.times_ideal > (1.25 if self.reads else 1.3):
            yield "time"
        if self.in_flight != self.concurrency:
            yield "in flight"
        if not self.reads and self.requests > _MOST_REQUESTS * self.crms:
            yield "requests"
        if not self.reads and self.peak_bytes > _MOST_BYTES:
            yield "memory"
        every_5_s = self.seconds / _STATE_INTERVAL + 2 * len(_STREAMS)
        if self.state > _MOST_STATE * self.records and self.states > every_5_s:
            yield "STATE"

    def row(self) -> str:
        return (
            f"| {self.crms:,} | {self.what} | {self.concurrency} | {self.requests:,} | "
            f"{self.ideal:.2f} | {self.seconds - self.start:.2f} | {self.times_ideal:.2f} | "
            f"{self.peak_bytes / 1e6:.0f} | {self.records / 1e6:.1f} | {self.state / 1e6:.2f} | "
            f"{', '.join(self.missed()) or 'none'} |"
        )


_HEAD = """\
| CRMs | what | concurrency | requests | ideal s | s | s / ideal | MB | RECORDs, MB | STATE, MB | \
missed bounds |
|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---|
"""


class Bench:
    """Runs the tap on an account of many CRMs, in a folder of its own."""

    def __init__(self, cube: Sandbox, folder: Path, latency: float) -> None:
        self._cube, self._folder, self._latency = cube, folder, latency
        self._crms = [{"data_owner_id": owner, "crm_type": type_} for owner, type_ in cube.crms]

    def discovery(self, concurrency: int) -> Run:
        return self._run("discovery", concurrency, ["--discover"])

    def reading(self, concurrency: int, *streams: str) -> Run:
        """Read the streams that are named, or all that are selected by default."""
        name = ", ".join(streams) or "all default streams"
        return self._run(name, concurrency, self._with_catalog(*(streams or _STREAMS)))

    def make_catalog(self) -> None:
        """Discover once, without latency, so that all customers are invented by then."""
        for crm in self._cube.crms.values():
            crm.prepare()
        self._launch(self._crms, 16, ["--discover"])
        (self._folder / "stdout").rename(self._folder / "discovered.json")

    def _with_catalog(self, *streams: str) -> list[str]:
        discovered = json.loads((self._folder / "discovered.json").read_bytes())
        (self._folder / "catalog.json").write_text(json.dumps(select(discovered, *streams)))
        return ["--catalog", "catalog.json"]

    def _run(self, what: str, concurrency: int, arguments: list[str]) -> Run:
        self._cube.latency = 0
        start = self._launch(self._crms[:1], concurrency, arguments)["seconds"]
        self._cube.latency = self._latency
        self._cube.requests.clear()
        self._cube.peak_in_flight = 0
        figures = self._launch(self._crms, concurrency, arguments)
        lines = (self._folder / "stdout").read_bytes().splitlines()
        records = [len(line) for line in lines if line.startswith(b'{"type":"RECORD"')]
        states = [len(line) for line in lines if line.startswith(b'{"type":"STATE"')]
        return Run(
            what=what,
            crms=len(self._crms),
            concurrency=concurrency,
            requests=len(self._cube.requests),
            in_flight=self._cube.peak_in_flight,
            seconds=figures["seconds"],
            start=start,
            latency=self._latency,
            peak_bytes=figures["peak_bytes"],
            records=sum(records),
            state=sum(states),
            states=len(states),
        )

    def _launch(
        self, crms: list[dict[str, Any]], concurrency: int, arguments: list[str]
    ) -> dict[str, Any]:
        access = {"api_url": self._cube.url, "auth_token": self._cube.token}
        config = {**access, "crms": crms, "concurrency": concurrency}
        (self._folder / "config.json").write_text(json.dumps(config))
        tap = [sys.executable, "-m", "tap_cube", "--config", "config.json", *arguments]
        with (self._folder / "stdout").open("wb") as out, (self._folder / "log").open("wb") as log:
            subprocess.run(  # noqa: S603  # this project's own program
                [sys.executable, "-I", "-S", _LAUNCH, "figures.json", *tap],
                cwd=self._folder,
                env=own_environment(),
                stdout=out,
                stderr=log,
                check=True,
            )
        figures: dict[str, Any] = json.loads((self._folder / "figures.json").read_bytes())
        assert figures["status"] == 0, (self._folder / "log").read_text()
        return figures


@click.command(context_settings={"show_default": True})
@click.option("--crms", "sizes", multiple=True, default=(200, 1000), help="Numbers of CRMs.")
@click.option("--latency", default=0.075, help="Seconds before each response.")
@click.option("--output", default=_RESULTS, type=click.Path(dir_okay=False, path_type=Path))
def main(sizes: tuple[int, ...], latency: float, output: Path) -> None:
    """Measure reading and discovery of many CRMs. The status is 1 if a bound is missed."""
    runs: list[Run] = []
    for crms in sizes:
        with (
            Sandbox(crms=crms, page_size=_PAGE_SIZE) as cube,
            TemporaryDirectory() as folder,
        ):
            bench = Bench(cube, Path(folder), latency)
            bench.make_catalog()
            for concurrency in (4, 16):
                runs.append(bench.reading(concurrency, "customers"))
                runs.append(bench.reading(concurrency))
                runs.append(bench.discovery(concurrency))
                click.echo("\n".join(run.row() for run in runs[-3:]), err=True)
    title = (
        f"Small CRMs of 50 to 500 customers, {_PAGE_SIZE} a page, {latency * 1000:g} ms for each "
        f"response, beyond start-up ({machine()})"
    )
    output.write_text(f"{title}\n\n{_HEAD}" + "".join(f"{run.row()}\n" for run in runs))
    click.echo(output.read_text())
    sys.exit(any([*run.missed()] for run in runs))


if __name__ == "__main__":
    main()
