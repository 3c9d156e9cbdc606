"""The tap as its users run it: a process that reads files and writes messages and a log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

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
        for option, content in files.items():
            path = self._folder / f"{option}.json"
            path.write_text(json.dumps(content))
            arguments = (*arguments, f"--{option}", str(path))
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TAP_CUBE_")}
        process = subprocess.run(  # noqa: S603  # this project's own program
            [sys.executable, "-m", "tap_cube", *arguments],
            env={**clean, **(env or {})},
            capture_output=True,
            check=False,
            timeout=120,
        )
        return Run(process.returncode, process.stdout, process.stderr.decode())

    def discover(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The catalog that the tap finds."""
        run = self(config, "--discover")
        assert run.status == 0, run.log
        return dict(json.loads(run.stdout))


def select(catalog: dict[str, Any], *streams: str) -> dict[str, Any]:
    """The catalog with just these streams selected."""
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in streams
    return catalog


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
