"""The experiments: which programs run on what, and what must come out."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tap_cube.compat import override
from tests.benchmarks import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.benchmarks.programs import Program
    from tests.benchmarks.results import Figures

_ONE_PAGE = ", one page"


class Load(NamedTuple):
    """What a server has to give, and how fast it answers."""

    customers: int
    page_size: int
    latency: float = 0.0

    @property
    def pages(self) -> int:
        return -(-self.customers // self.page_size)


@dataclass(frozen=True)
class Case:
    """A program on a load.

    Attributes:
        name: Names it in its experiment.
    """

    name: str
    program: Program
    load: Load


class Medians:
    """The medians of the complete runs of an experiment, by the names of its cases.

    A case without a complete run raises KeyError.
    """

    def __init__(self, figures: Mapping[str, Sequence[Figures]]) -> None:
        complete = {case: [run for run in runs if run.complete] for case, runs in figures.items()}
        self._complete = {case: runs for case, runs in complete.items() if runs}

    def __contains__(self, case: str) -> bool:
        return case in self._complete

    def seconds(self, case: str) -> float:
        return median(run.seconds for run in self._complete[case])

    def beyond_start(self, case: str, start: str) -> float:
        """The seconds that a case takes longer than another, where there is next to nothing."""
        return self.seconds(case) - self.seconds(start)

    def peak(self, case: str) -> float:
        """The peak memory, in MB."""
        return median(run.peak_bytes for run in self._complete[case]) / 1e6


@dataclass(frozen=True)
class Bound:
    """What an experiment must show.

    Attributes:
        claim: What is compared, in words.
        reached: Finds the figure.
        at_least: The least that it may be.
        at_most: The most that it may be.
    """

    claim: str
    reached: Callable[[Medians], float]
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, reached: float) -> bool:
        return (self.at_least is None or reached >= self.at_least) and (
            self.at_most is None or reached <= self.at_most
        )

    @override
    def __str__(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


@dataclass(frozen=True)
class Experiment:
    """What is measured together, each run of a case after one of each other.

    Attributes:
        name: Selects it on the command line.
        title: What it is about, in words.
        cases: What runs, in turn.
        bounds: What must come out.
        repeat: How often more each case runs, where a run is short.
    """

    name: str
    title: str
    cases: Sequence[Case]
    bounds: Sequence[Bound]
    repeat: int = 1


def experiments(scale: float) -> list[Experiment]:
    """All of them, with so large a share of their customers."""

    def load(customers: int, page_size: int, latency: float = 0.0) -> Load:
        return Load(max(2 * page_size, round(customers * scale)), page_size, latency)

    return [
        _throughput(load(500_000, 500)),
        _latency(load(10_000, 50, 0.05)),
        _workers(load(20_000, 50, 0.1)),
        _memory(load(100_000, 500), load(1_000_000, 500)),
        _startup(),
        _duckdb(load(50_000, 500)),
        _details(load(1_000, 50, 0.05)),
    ]


def _throughput(load: Load) -> Experiment:
    ours = programs.TAP_CUBE
    least = (
        (programs.TAP_REST_API_MSDK, 10),
        (programs.AIRBYTE, 7),
        (programs.DLT, 3),
        (programs.SEED_LOOP, 1.5),
        (programs.FLOOR, 0.6),
    )
    return Experiment(
        "throughput",
        f"{load.customers:,} customers, {load.page_size} a page, no latency",
        _cases(load, ours, programs.TAP_CUBE_DISCOVERING, *programs.PEERS_AND_FLOOR),
        [_faster(ours, peer, at_least) for peer, at_least in least],
    )


def _latency(load: Load) -> Experiment:
    ours, wider = programs.TAP_CUBE, programs.tap_cube(concurrency=16)
    return Experiment(
        "latency",
        f"{load.pages} pages of {load.page_size} customers, each after {load.latency * 1000:g} ms",
        _cases(load, ours, wider, *programs.PEERS_AND_FLOOR),
        [
            _faster(program, peer, at_least)
            for program, at_least in ((ours, 3.5), (wider, 8))
            for peer in programs.PEERS_AND_FLOOR
        ],
    )


def _workers(load: Load) -> Experiment:
    workers = (1, 2, 4, 8, 16)

    def bound(count: int) -> Bound:
        name = programs.tap_cube(count).name
        # Start-up, which is taken off, has waited for one page as well
        ideal = (load.pages - 1) * load.latency / count
        return Bound(
            f"share of the ideal {ideal:.4g} s beyond start-up, {name}",
            lambda medians: ideal / medians.beyond_start(name, name + _ONE_PAGE),
            at_least=0.85,
        )

    return Experiment(
        "workers",
        f"{load.pages} pages of {load.page_size} customers, each after {load.latency * 1000:g} ms",
        [case for count in workers for case in _with_start(programs.tap_cube(count), load)],
        [bound(count) for count in workers],
    )


def _memory(small: Load, large: Load) -> Experiment:
    few, many = (f"tap-cube, {load.customers:,} customers" for load in (small, large))
    start = programs.TAP_CUBE.name + _ONE_PAGE
    return Experiment(
        "memory",
        f"{small.customers:,} and {large.customers:,} customers, {large.page_size} a page",
        [
            Case(start, programs.TAP_CUBE, _one_page(small)),
            Case(few, programs.TAP_CUBE, small),
            Case(many, programs.TAP_CUBE, large),
        ],
        [
            Bound("peak memory in MB", lambda m: m.peak(many), at_most=128),
            Bound(
                f"peak memory / that for {small.customers:,}",
                lambda m: m.peak(many) / m.peak(few),
                at_most=1.15,
            ),
            Bound(
                f"time beyond start-up / that for {small.customers:,}",
                lambda m: m.beyond_start(many, start) / m.beyond_start(few, start),
                at_most=10.5,
            ),
        ],
    )


def _startup() -> Experiment:
    ours, sdk = programs.VERSION, programs.IMPORT_SDK
    return Experiment(
        "startup",
        "what comes before any work",
        _cases(Load(0, 50), ours, sdk),
        [
            Bound(
                f"time of {ours.name} / {sdk.name}",
                lambda m: m.seconds(ours.name) / m.seconds(sdk.name),
                at_most=1.3,
            )
        ],
        repeat=5,
    )


def _duckdb(load: Load) -> Experiment:
    ours, dlt = programs.TAP_CUBE_DUCKDB, programs.DLT_DUCKDB
    return Experiment(
        "duckdb",
        f"{load.customers:,} customers, {load.page_size} a page, into DuckDB "
        "(the peak is the largest process's)",
        _cases(load, ours, dlt),
        [_faster(ours, dlt, 1)],
    )


def _details(load: Load) -> Experiment:
    program = programs.tap_cube(concurrency=16, stream="customer_details")
    # Start-up, which is taken off, has waited for a page and a customer as well
    ideal = (load.pages - 1 + load.customers - 1) * load.latency / 16
    start = program.name + ", one customer"
    return Experiment(
        "details",
        f"customer_details of {load.customers:,} customers, each after {load.latency * 1000:g} ms",
        [
            Case(program.name, program, load),
            Case(start, program, load._replace(customers=1)),
        ],
        [
            Bound(
                f"time beyond start-up / the ideal {ideal:.4g} s",
                lambda m: m.beyond_start(program.name, start) / ideal,
                at_most=1.25,
            )
        ],
    )


def _faster(program: Program, other: Program, at_least: float) -> Bound:
    return Bound(
        f"{program.name}: times as fast as {other.name}",
        lambda medians: medians.seconds(other.name) / medians.seconds(program.name),
        at_least=at_least,
    )


def _cases(load: Load, *running: Program) -> list[Case]:
    return [Case(program.name, program, load) for program in running]


def _with_start(program: Program, load: Load) -> list[Case]:
    return [
        Case(program.name, program, load),
        Case(program.name + _ONE_PAGE, program, _one_page(load)),
    ]


def _one_page(load: Load) -> Load:
    return load._replace(customers=load.page_size)
