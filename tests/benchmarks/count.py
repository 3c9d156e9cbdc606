"""How many different customers a program has written."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import msgspec

from tests.benchmarks.programs import SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.programs import Program


class _Customer(msgspec.Struct):
    id: int | None = None


class _Record(_Customer):
    """A Singer record is the customer; in an Airbyte record, the customer is its data."""

    data: _Customer | None = None


class _Line(msgspec.Struct):
    """A Singer or an Airbyte message, a customer alone, or the number of all."""

    stream: str = ""
    record: _Record | None = None
    id: int | None = None
    count: int = 0


def count(program: Program, programs: Path, stdout: Path) -> int:
    """The different customers in stdout, or in the database beside it.

    Args:
        program: What ran.
        programs: The folder with the programs of its environment.
        stdout: The file with what it wrote.
    """
    if not program.table:
        return _count_lines(stdout, program.stream)
    script = (programs / "python", SCRIPTS / "count_duckdb.py")
    return int(
        subprocess.check_output(  # noqa: S603  # this project's own program
            [*script, "cube.duckdb", program.table], cwd=stdout.parent
        )
    )


def _count_lines(file: Path, stream: str) -> int:
    decode = msgspec.json.Decoder(_Line).decode
    numbers = set()
    with file.open("rb") as lines:
        for line in map(decode, lines):
            if line.count:
                return line.count
            if line.stream in ("", stream):
                holder = line.record or line
                customer = getattr(holder, "data", None) or holder
                numbers.add(customer.id)
    return len(numbers - {None})
