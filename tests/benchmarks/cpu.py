"""CPU seconds of the tap by configuration: `python -m tests.benchmarks.cpu --help`.

The tap's process is measured, user and system time, and nothing else: how fast the server is has
hardly any influence. All cases run in turn, so that a change in the machine's speed meets all.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tap_cube.sandbox.account import TOKEN
from tests.benchmarks.prebuilt import DAYS
from tests.support import select, stream_of
from tests.targets import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LAUNCH = Path(__file__).parent / "launch.py"


@contextmanager
def serve(records: int, shape: str) -> Iterator[str]:
    """A server in a process of its own; its URL."""
    arguments = [sys.executable, "-m", "tests.benchmarks.prebuilt", str(records), shape]
    with subprocess.Popen(  # noqa: S603  # this project's own program
        arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


class Case(NamedTuple):
    """A configuration.

    Attributes:
        name: Names it.
        shape: The shape of the customer records.
        settings: Settings beyond those that all cases have.
        deselected: A column that is not selected.
        stream: The stream that is read.
        base: The case that it is compared with; nothing for the others.
        at_most: The most that it may need, as a multiple of that.
    """

    name: str
    shape: str = "flat"
    settings: Mapping[str, Any] = MappingProxyType({})
    deselected: str = ""
    stream: str = "customers"
    base: str = ""
    at_most: float = 1.15


_CASES = (
    Case("customers"),
    Case("snake_case", settings={"field_names": "snake_case"}, base="customers"),
    Case("a deselected column", deselected="gen info 1", base="customers"),
    Case("prefixed customers", shape="prefixed"),
    Case(
        "label",
        shape="prefixed",
        settings={"custom_field_names": "label"},
        base="prefixed customers",
    ),
    Case("call_outcomes", stream="call_outcomes", base="customers", at_most=1.6),
)


@click.command(context_settings={"show_default": True})
@click.option("--records", default=200_000, help="Customers, and call outcomes.")
@click.option("--rounds", default=3, type=click.IntRange(min=1), help="Runs of each case.")
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The root of another version of the project, which runs in turn with this one.",
)
def main(records: int, rounds: int, before: Path | None) -> None:
    """Measure all cases. The status is 1 if a bound is missed."""
    versions = {"now": ROOT, **({"before": before} if before else {})}
    seconds: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="benchmark-")))
        urls = {s: stack.enter_context(serve(records, s)) for s in ("flat", "prefixed")}
        for _ in range(rounds):
            for case in _CASES:
                for version, root in versions.items():
                    spent = _run(case, urls[case.shape], root, folder, records)
                    seconds.setdefault((version, case.name), []).append(spent)
                    click.echo(f"{version}, {case.name}: {spent:.2f} s", err=True)
    medians = {key: median(all_) for key, all_ in seconds.items()}
    is_missed = False
    click.echo("| case | version | CPU s | times | at most |\n|---|---|---|---|---|")
    for case in _CASES:
        for version in versions:
            spent, times, bound = medians[version, case.name], "", ""
            if case.base:
                ratio = spent / medians[version, case.base]
                times, bound = f"{ratio:.2f} x {case.base}", f"{case.at_most:g}"
                is_missed |= version == "now" and ratio > case.at_most
            click.echo(f"| {case.name} | {version} | {spent:.2f} | {times} | {bound} |")
    sys.exit(is_missed)


def _run(case: Case, url: str, root: Path, folder: Path, records: int) -> float:
    """Return the CPU seconds of one run, which must write all records."""
    today = dt.datetime.now(dt.timezone.utc).date()
    config = {
        "api_url": url,
        "auth_token": TOKEN,
        "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
        "start_date": str(today - dt.timedelta(days=DAYS + 1)),
        **case.settings,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TAP_", "PYTHON"))}
    environment["PYTHONPATH"] = str(root)
    command = [sys.executable, "-m", "tap_cube", "--config", "config.json"]

    def call(*arguments: str, stdout: int | Any) -> None:
        subprocess.run(  # noqa: S603  # this project's own program
            arguments,
            cwd=folder,
            env=environment,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            check=True,
        )

    with (folder / "discovered.json").open("wb") as discovered:
        call(*command, "--discover", stdout=discovered)
    catalog = select(json.loads((folder / "discovered.json").read_bytes()), case.stream)
    for entry in stream_of(catalog, case.stream)["metadata"]:
        if case.deselected and case.deselected in entry["breadcrumb"]:
            entry["metadata"]["selected"] = False
    (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    with (folder / "stdout").open("wb") as stdout:
        launch = [sys.executable, "-I", "-S", str(_LAUNCH), "figures.json"]
        call(*launch, *command, "--catalog", "catalog.json", stdout=stdout)
    figures: dict[str, Any] = json.loads((folder / "figures.json").read_bytes())
    with (folder / "stdout").open("rb") as lines:
        written = sum(line.startswith(b'{"type":"RECORD"') for line in lines)
    if figures["status"] or written != records:
        msg = f"{case.name}: status {figures['status']}, {written} of {records} records"
        raise click.ClickException(msg)
    return float(figures["cpu_seconds"])


if __name__ == "__main__":
    main()
