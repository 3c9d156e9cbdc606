"""Runs whole programs against a server of its own, and measures them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from tap_cube.sandbox.account import TOKEN
from tests.benchmarks.count import count
from tests.benchmarks.environments import environment
from tests.benchmarks.programs import SCRIPTS, TAP
from tests.benchmarks.results import Figures
from tests.support import select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.benchmarks.experiments import Load
    from tests.benchmarks.programs import Program

_LAUNCH = Path(__file__).parent / "launch.py"
# What is set for the user's own runs is not for these
_FOREIGN = (
    "AIRBYTE_",
    "DESTINATION__",
    "DLT_",
    "LOGLEVEL",
    "PYTHON",
    "RUNTIME__",
    "SINGER_",
    "TAP_",
)


@contextmanager
def serve(load: Load) -> Iterator[str]:
    """A sandbox in a process of its own; its URL."""
    options = {"port": 0, **load._asdict()}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    with subprocess.Popen(  # noqa: S603  # this project's own program
        [sys.executable, "-m", "tap_cube.sandbox", "serve", *arguments],
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stderr
            ready = server.stderr.readline()
            url = re.search(r"http://\S+:\d+", ready)
            assert url, f"the sandbox did not start: {ready}"
            yield url[0]
        finally:
            server.terminate()


def run(program: Program, load: Load, url: str, environments: Path) -> Figures:
    """One run of a program, from its start to its end, in a folder of its own.

    Args:
        program: What to run.
        load: What the server has.
        url: The server's.
        environments: The folder with the environments.
    """
    tap, programs = environment(environments, TAP), environment(environments, program.requires)
    values = {"url": url, "token": TOKEN, "peers": SCRIPTS, "bin": programs, "tap": tap}
    with TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        for file, content in program.files.items():
            (folder / file).write_text(Template(content).safe_substitute(values), encoding="utf-8")
        if program.discovers:
            _discover(tap, folder, program.stream)
        command = [Template(part).safe_substitute(values) for part in program.command]
        outcome = _launch(command, folder, program.variables)
        status = outcome.pop("status")
        expected = load.customers if program.stream else 0
        records = count(program, programs, folder / "stdout") if program.stream else 0
        complete = status == 0 and records == expected
        if not complete:
            log = (folder / "stderr").read_text(encoding="utf-8", errors="replace")
            click.echo(f"Status {status}, {records} of {expected}:\n{log[-2000:]}", err=True)
        return Figures(**outcome, records=records, complete=complete)


def _discover(tap: Path, folder: Path, stream: str) -> None:
    discovered = subprocess.check_output(  # noqa: S603  # this project's own program
        [tap / "tap-cube", "--config", "config.json", "--discover"],
        cwd=folder,
        env=_variables(),
        stderr=subprocess.DEVNULL,
    )
    catalog = json.dumps(select(json.loads(discovered), stream))
    (folder / "catalog.json").write_text(catalog, encoding="utf-8")


def _launch(command: list[str], folder: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        subprocess.run(  # noqa: S603  # a program of the benchmark
            [sys.executable, "-I", "-S", _LAUNCH, "figures.json", *command],
            cwd=folder,
            env={**_variables(), **variables},
            stdout=stdout,
            stderr=stderr,
            check=True,
        )
    figures: dict[str, Any] = json.loads((folder / "figures.json").read_bytes())
    return figures


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
