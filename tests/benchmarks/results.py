"""What was measured, as it is kept, and the table that is made of it."""

from __future__ import annotations

import os
import platform
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from tests.benchmarks.experiments import Experiment, Medians, experiments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a program took, and whether it wrote all that there was."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    records: int
    complete: bool


class Result(msgspec.Struct, kw_only=True):
    """The runs of an experiment, by the names of its cases, and how they were made."""

    runs: int
    scale: float
    machine: str
    figures: dict[str, list[Figures]]

    @property
    def complete(self) -> bool:
        return all(run.complete for runs in self.figures.values() for run in runs)


Results = dict[str, Result]


def machine() -> str:
    """The machine, as far as it matters here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    return (
        f"{cores} cores, {system}, {platform.python_implementation()} {platform.python_version()}"
    )


def report(results: Results) -> str:
    """The results in Markdown."""
    sections = [
        _section(experiment, result)
        for name, result in results.items()
        for experiment in experiments(result.scale)
        if experiment.name == name
    ]
    return "\n\n".join(sections) + "\n"


def _section(experiment: Experiment, result: Result) -> str:
    scaled = f" **Scaled by {result.scale:g}: for trying out only.**" if result.scale != 1 else ""
    runs = result.runs * experiment.repeat
    made = f"medians of {runs} whole runs in turn" if runs > 1 else "one whole run each"
    return "\n\n".join(
        (
            f"### {experiment.name}",
            f"{experiment.title}: {made}; {result.machine}.{scaled}",
            "\n".join(_runs(experiment, result.figures)),
            "\n".join(_verdicts(experiment, result.figures)),
        )
    )


def _runs(experiment: Experiment, figures: Mapping[str, Sequence[Figures]]) -> Iterator[str]:
    yield "| program | seconds | least | CPU seconds | peak MB | records/s |"
    yield "|---|--:|--:|--:|--:|--:|"
    for case in experiment.cases:
        made = figures.get(case.name, ())
        runs = [run for run in made if run.complete]
        missing = len(made) - len(runs)
        name = case.name + (f" ({missing} incomplete: not counted)" if missing else "")
        if not runs:
            yield f"| {name} | | | | | |"
            continue
        seconds = median(run.seconds for run in runs)
        cpu = median(run.cpu_seconds for run in runs)
        peak = median(run.peak_bytes for run in runs) / 1e6
        rate = f"{runs[0].records / seconds:,.0f}" if runs[0].records else ""
        least = min(run.seconds for run in runs)
        yield f"| {name} | {seconds:.2f} | {least:.2f} | {cpu:.2f} | {peak:.0f} | {rate} |"


def _verdicts(experiment: Experiment, figures: Mapping[str, Sequence[Figures]]) -> Iterator[str]:
    yield "| ratio of the medians | bound | reached | |"
    yield "|---|--:|--:|---|"
    medians = Medians(figures)
    for bound in experiment.bounds:
        try:
            reached = bound.reached(medians)
        except KeyError:
            yield f"| {bound.claim} | {bound} | | not measured |"
        else:
            verdict = "holds" if bound.holds(reached) else "**missed**"
            yield f"| {bound.claim} | {bound} | {reached:.3g} | {verdict} |"
