"""The tap as its users run it: a process that reads files and writes messages and a log.

Or else as a plugin of Meltano, which is installed into an environment of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker

from tests.targets import ROOT, install, programs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

Message = dict[str, Any]
Record = dict[str, Any]

OWN_FIELDS = ("data_owner_id", "crm_type")


@dataclass
class Run:
    """What a run of the tap left behind."""

    status: int
    stdout: bytes
    log: str

    @cached_property
    def messages(self) -> list[Message]:
        return [json.loads(line, parse_float=Decimal) for line in self.stdout.splitlines()]

    @property
    def last_line(self) -> str:
        """The last line of the log, without its date, level and logger."""
        return self.log.rstrip().rpartition("\n")[2].split(" | ", 3)[-1]

    def of_type(self, type_: str, stream: str) -> list[Message]:
        return [m for m in self.messages if m["type"] == type_ and m["stream"] == stream]

    def records(self, stream: str) -> list[Record]:
        return [m["record"] for m in self.of_type("RECORD", stream)]

    def rows(self, stream: str) -> list[Record]:
        """The records as a table holds them: the last of each key, by CRM and by `id`."""
        keys = self.of_type("SCHEMA", stream)[-1]["key_properties"]
        rows = {tuple(record.get(key) for key in keys): record for record in self.records(stream)}
        return sorted(
            rows.values(),
            key=lambda row: (
                row.get("data_owner_id", 0),
                row.get("crm_type", ""),
                row.get("id", 0),
            ),
        )

    def properties(self, stream: str) -> dict[str, Any]:
        """The columns of a stream by its last SCHEMA."""
        return dict(self.of_type("SCHEMA", stream)[-1]["schema"]["properties"])

    @property
    def state(self) -> Message:
        return next(m["value"] for m in reversed(self.messages) if m["type"] == "STATE")

    def check(self) -> Run:
        """The run succeeded, and each record is valid by the last SCHEMA before it."""
        assert self.status == 0, self.log
        validators: dict[str, Draft202012Validator] = {}
        for message in self.messages:
            if message["type"] == "SCHEMA":
                Draft202012Validator.check_schema(message["schema"])
                validators[message["stream"]] = Draft202012Validator(
                    message["schema"], format_checker=FormatChecker()
                )
            elif message["type"] == "RECORD":
                validators[message["stream"]].validate(message["record"])
        return self


class Tap:
    """Runs the tap, each time in a process of its own.

    Args:
        folder: Where the files go that it reads.

    Attributes:
        program: What Python runs; a test may change something before the tap starts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.program: tuple[str, ...] = ("-m", "tap_cube")

    def __call__(
        self,
        config: Mapping[str, Any] | None,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        **files: Any,
    ) -> Run:
        """Run it to its end.

        Args:
            config: The settings; none at all if `None`.
            arguments: Further arguments.
            env: Further environment variables.
            files: Contents of the files to hand over, such as `catalog` and `state`.
        """
        if config is not None:
            files = {"config": config, **files}
        process = self.start(*arguments, env=env, **files)
        stdout, stderr = process.communicate(timeout=120)
        return Run(process.returncode, stdout, stderr.decode())

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, **files: Any
    ) -> subprocess.Popen[bytes]:
        """Let it run, with arguments and files as in a call."""
        for option, content in files.items():
            path = self._folder / f"{option}.json"
            path.write_text(json.dumps(content))
            arguments = (*arguments, f"--{option}", str(path))
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TAP_CUBE_")}
        return subprocess.Popen(  # noqa: S603  # this project's own program
            [sys.executable, *self.program, *arguments],
            env={**clean, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def discover(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The catalog that the tap finds."""
        run = self(config, "--discover")
        assert run.status == 0, run.log
        return dict(json.loads(run.stdout))


def own_environment(**variables: str) -> dict[str, str]:
    """The environment of these tests, without what would configure the tap or Meltano."""
    foreign = ("TAP_CUBE_", "TARGET_", "MELTANO_", "VIRTUAL_ENV")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**clean, **variables}


class Meltano:
    """A project of Meltano with the plugins of this one, but with the tap from a wheel.

    The tap of this repository's project is editable, and Meltano never caches such a tap's catalog.

    Args:
        factory: Makes the folders. Meltano and the wheel are made once in each process of pytest.
    """

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self.folder = factory.mktemp("project")
        self._home = factory.mktemp("home")
        environment = factory.getbasetemp() / "meltano"
        wheels = factory.getbasetemp() / "wheels"
        self.programs = programs(environment)
        if not wheels.exists():
            install(environment, "meltano")
            pip = [str(self.programs / "python"), "-m", "pip"]
            build = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)]
            subprocess.run(build, check=True)  # noqa: S603  # this project
        (self._wheel,) = wheels.iterdir()
        self.project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
        self.extractor["pip_url"] = str(self._wheel)

    @property
    def extractor(self) -> dict[str, Any]:
        """The extractor in `project`."""
        extractor: dict[str, Any] = self.project["plugins"]["extractors"][0]
        return extractor

    def write(self) -> None:
        """Write `project` into the project's file."""
        text = yaml.safe_dump(self.project, allow_unicode=True, sort_keys=False)
        (self.folder / "meltano.yml").write_text(text, encoding="utf-8")

    def read(self) -> None:
        """Let `project` be what the project's file says, where commands of Meltano changed it."""
        self.project = yaml.safe_load((self.folder / "meltano.yml").read_text(encoding="utf-8"))

    def __call__(self, *arguments: str, **variables: str) -> Run:
        """Run it to its end.

        Args:
            arguments: Its arguments.
            variables: Further environment variables.
        """
        process = subprocess.run(  # noqa: S603  # Meltano
            [self.programs / "meltano", *arguments],
            cwd=self.folder,
            env=own_environment(HOME=str(self._home), NO_COLOR="1", **variables),
            capture_output=True,
            check=False,
            timeout=300,
        )
        run = Run(process.returncode, process.stdout, process.stderr.decode())
        assert run.status == 0, run.log
        return run

    def load(self, *arguments: str, **variables: str) -> tuple[dict[str, list[Record]], str]:
        """Run `meltano run`, and return what `target-jsonl` got, by stream, and the log."""
        output = self.folder / "output"
        output.mkdir(exist_ok=True)
        for old in output.iterdir():
            old.unlink()
        run = self("run", *arguments, **variables)
        found: dict[str, list[Record]] = {}
        for path in output.iterdir():
            lines = path.read_text(encoding="utf-8").splitlines()
            found.setdefault(path.name.split("-")[0], []).extend(map(json.loads, lines))
        return found, run.log


def select(catalog: dict[str, Any], *streams: str) -> dict[str, Any]:
    """The catalog with just these streams selected."""
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in streams
    return catalog


def deselect(catalog: dict[str, Any], stream: str, *columns: str) -> dict[str, Any]:
    """The catalog without these columns of a stream, as far as it has them."""
    for entry in stream_of(catalog, stream)["metadata"]:
        if entry["breadcrumb"][-1:] and entry["breadcrumb"][-1] in columns:
            entry["metadata"]["selected"] = False
    return catalog


def stream_of(catalog: dict[str, Any], name: str) -> dict[str, Any]:
    """The entry of a stream, to be changed in place."""
    found: dict[str, Any] = next(s for s in catalog["streams"] if s["tap_stream_id"] == name)
    return found


def values(record: Record) -> Record:
    """A record as Cube has it: without the fields that the tap adds."""
    return {name: value for name, value in record.items() if name not in OWN_FIELDS}


def conformed(customers: list[Record]) -> list[Record]:
    """Customers as the tap writes them: an empty date or number is null, and no more is changed."""
    empty = {"birth_date", "address_street_no"}
    return [
        {name: None if name in empty and value == "" else value for name, value in record.items()}
        for record in customers
    ]


def in_columns(records: list[Record], properties: Mapping[str, Any]) -> list[Record]:
    """Records of Cube as columns hold them: by the documented conversions, and nothing else."""
    return [
        {name: _in_column(value, properties[name]) for name, value in record.items()}
        for record in records
    ]


def _in_column(value: Any, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("format") or next(type_ for type_ in schema["type"] if type_ != "null")
    if kind == "string":
        return value if value is None or isinstance(value, str) else json.dumps(value)
    if value == "":
        return None
    return re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", value) if kind == "date-time" else value


def program(mutation: str = "", **runtime: Any) -> str:
    """A program that runs the tap with another clock, or with other intervals.

    Args:
        mutation: A statement that breaks the tap, to see that a test notices it.
        runtime: Arguments of `Runtime`, as source code.
    """
    arguments = ", ".join(f"{name}={value}" for name, value in runtime.items())
    return f"""
from datetime import datetime, timezone
from functools import partial
from tap_cube.__main__ import main
from tap_cube.streams.services import Runtime
from tap_cube.tap import TapCube

class Tap(TapCube):
    runtime = partial(Runtime, {arguments})

{mutation}
main(Tap)
"""


def on_a_day(mutation: str = "", **runtime: Any) -> str:
    """The tap on a day of the past. Then 2024-05-18 is the last day that is over everywhere."""
    return program(mutation, now="datetime(2024, 5, 20, 8, tzinfo=timezone.utc)", **runtime)


ON_A_DAY = on_a_day()
