"""The command line: `python -m tests.benchmarks`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from tests.benchmarks.experiments import Experiment, experiments
from tests.benchmarks.measure import run, serve
from tests.benchmarks.plot import plot
from tests.benchmarks.results import Figures, Result, Results, machine, report

_FOLDER = Path(__file__).parent
_NAMES = [experiment.name for experiment in experiments(1)]


@click.command(context_settings={"show_default": True})
@click.argument("names", nargs=-1, type=click.Choice(_NAMES), metavar="[EXPERIMENT]...")
@click.option("--runs", default=3, type=click.IntRange(min=1), help="Runs of each program.")
@click.option(
    "--scale",
    default=1.0,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the customers, for trying out.",
)
@click.option(
    "--output",
    default=_FOLDER / "results",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the results go. Those of other experiments that it has already are kept.",
)
@click.option(
    "--environments",
    default=_FOLDER.parent.parent / ".benchmarks",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the peers' environments are kept.",
)
def main(names: tuple[str, ...], runs: int, scale: float, output: Path, environments: Path) -> None:
    """Run the tap and its peers side by side on the sandbox, as whole processes.

    Without EXPERIMENT, all are run. The status is 1 if a run did not write all the records.
    """
    output.mkdir(parents=True, exist_ok=True)
    kept = output / "results.json"
    results = msgspec.json.decode(kept.read_bytes(), type=Results) if kept.exists() else {}
    chosen = [e for e in experiments(scale) if e.name in (names or _NAMES)]
    for experiment in chosen:
        figures = _measure(experiment, runs * experiment.repeat, environments.resolve())
        results[experiment.name] = Result(
            runs=runs, scale=scale, machine=machine(), figures=figures
        )
        results = {name: results[name] for name in _NAMES if name in results}
        kept.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
        (output / "results.md").write_text(report(results), encoding="utf-8")
        plot(results, output / "plot.svg")
    click.echo(report({experiment.name: results[experiment.name] for experiment in chosen}))
    sys.exit(not all(results[experiment.name].complete for experiment in chosen))


def _measure(experiment: Experiment, runs: int, environments: Path) -> dict[str, list[Figures]]:
    click.echo(f"{experiment.name}: {experiment.title}", err=True)
    figures: dict[str, list[Figures]] = {case.name: [] for case in experiment.cases}
    with ExitStack() as stack:
        loads = {case.load for case in experiment.cases}
        urls = {load: stack.enter_context(serve(load)) for load in loads}
        for number in range(1, runs + 1):
            for case in experiment.cases:
                click.echo(f"  {number}/{runs} {case.name}", err=True, nl=False)
                done = run(case.program, case.load, urls[case.load], environments)
                click.echo(f": {done.seconds:.2f} s", err=True)
                figures[case.name].append(done)
    return figures


if __name__ == "__main__":
    main()
