"""The README's first commands, word for word, in a clean clone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import conformed
from tests.targets import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

SECONDS = 600
PYTHON = ".meltano/loaders/target-duckdb/venv/bin/python"
QUERY = """
import duckdb, json
table = duckdb.connect("cube.duckdb", read_only=True).sql('''
    from customers where data_owner_id = 2 and crm_type = 'B2B' order by id''')
print(json.dumps([dict(zip(table.columns, row)) for row in table.fetchall()], default=str))
"""


@dataclass
class Demo:
    """A clean clone, and a user in it who has set up nothing."""

    clone: Path
    home: Path

    def run(self, *command: str) -> str:
        """What a command prints."""
        foreign = ("TAP_CUBE_", "MELTANO_", "VIRTUAL_ENV")
        env = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        with subprocess.Popen(  # noqa: S603  # the README's own commands
            command,
            cwd=self.clone,
            env={**env, "HOME": str(self.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGTERM)
                raise
        assert process.returncode == 0, output
        return output

    def block(self, content: str) -> tuple[str, str]:
        """The README's shell command that contains this, and the text block after it, if any."""
        readme = (self.clone / "README.md").read_text(encoding="utf-8")
        blocks = re.findall(
            r"^```sh\n(.*?)^```$(?:\n\n```\n(.*?)^```$)?", readme, re.MULTILINE | re.DOTALL
        )
        ((command, shown),) = (block for block in blocks if content in block[0])
        return command, shown


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    (home := folder / "home").mkdir()
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)  # noqa: S603, S607
    demo = Demo(clone, home)
    command, _ = demo.block("cube-sandbox exec --")
    assert command.startswith("python3 -m venv ")
    demo.run("sh", "-c", command)
    return demo


def test_the_query_prints_what_the_readme_shows(demo: Demo) -> None:
    command, shown = demo.block("duckdb.connect")
    assert demo.run("sh", "-c", command).split() == shown.split()


def test_the_table_is_the_list(demo: Demo) -> None:
    """All values of all columns, æøå and the CRM's own fields included.

    With two differences, which are the target's: column names are lower-cased, and `""` is null.
    """
    rows: list[dict[str, Any]] = json.loads(demo.run(PYTHON, "-c", QUERY))
    assert len({row["id"] for row in rows}) == len(rows) == 5000
    crm = Sandbox(customers=5000).crms[2, "B2B"]
    expected = [
        {name.lower(): None if value == "" else value for name, value in customer.items()}
        for customer in conformed(crm.customers())
    ]
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    # Those that only the CRM's definitions name are columns too
    assert {row["key"].lower() for row in crm.definitions} <= set(rows[0])
    assert "bransje/næring" in rows[0]
    assert {row["kontaktperson på møte"] for row in rows} >= {"Bjørn", "Åse", "Pål Ærlig"}


def test_nothing_is_left_but_what_git_ignores(demo: Demo) -> None:
    assert demo.run("git", "status", "--porcelain") == ""
