"""A first user's path: each command of the README, word for word, in a clean clone."""

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
from tests.support import conformed, own_environment
from tests.targets import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

SECONDS = 600
README = (ROOT / "README.md").read_text(encoding="utf-8")

# The README's shell commands, in its order, by something that is in them. All are run here, but for
# the one that runs all tests, as .ci/run does, and for a recipe, which `test_recipes` follows.
FIRST = "cube-sandbox exec --"
TESTS = "--group test"
LOOK = "duckdb.connect"
PROJECT = "meltano config set"
REFRESH = "--refresh-catalog"
ALONE = "--discover > catalog.json"
NIGHTLY = "#!/bin/bash"
KNOWN = (FIRST, TESTS, LOOK, PROJECT, REFRESH, ALONE, NIGHTLY)
# What a user puts in place of what the README has there: all else is as it is in the README
OWN = {
    "tap-cube account acme ": "tap-cube api_url {url} ",
    '"account": "acme"': '"api_url": "{url}"',
    '"..."': '"{token}"',
}

PYTHON = ".meltano/loaders/target-duckdb/venv/bin/python"
QUERY = """
import duckdb, json
cube = duckdb.connect("cube.duckdb", read_only=True)
table = cube.sql('''
    from customers where data_owner_id = 2 and crm_type = 'B2B' order by id''')
print(json.dumps([dict(zip(table.columns, row)) for row in table.fetchall()], default=str))
"""


def blocks() -> list[tuple[str, str]]:
    """Each shell command of the README, and the text block after it, if any."""
    return re.findall(
        r"^```sh\n(.*?)^```$(?:\n\n```\n(.*?)^```$)?",
        README,
        re.MULTILINE | re.DOTALL,
    )


def block(content: str) -> tuple[str, str]:
    """The one of `blocks` that contains this."""
    (found,) = (found for found in blocks() if content in found[0])
    return found


def commands(content: str, cube: Sandbox) -> str:
    """A block as a user pastes it, with what is the user's own."""
    text, _ = block(content)
    for theirs, own in OWN.items():
        text = text.replace(theirs, own.format(url=cube.url, token=cube.token))
    return text


@dataclass
class User:
    """Somebody in a clean clone, who has set up nothing."""

    clone: Path
    home: Path

    def run(self, *command: str, folder: Path | None = None, path: str | None = None) -> str:
        """What a command prints."""
        with subprocess.Popen(  # noqa: S603  # the README's own commands
            command,
            cwd=folder or self.clone,
            env=own_environment(HOME=str(self.home), PATH=path or os.environ["PATH"]),
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

    def shell(self, script: str, folder: Path | None = None) -> str:
        """Paste commands into a shell that knows the programs, and that stops at what fails."""
        known = (".venv/bin", ".meltano/loaders/target-jsonl/venv/bin")
        path = os.pathsep.join([*(str(self.clone / one) for one in known), os.environ["PATH"]])
        return self.run("bash", "-c", f"set -eo pipefail\n{script}", folder=folder, path=path)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    """Somebody who has run the first command."""
    folder = tmp_path_factory.mktemp("user")
    (home := folder / "home").mkdir()
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)  # noqa: S603, S607
    user = User(clone, home)
    command, _ = block(FIRST)
    assert command.startswith("python3 -m venv ")
    user.run("sh", "-c", command)
    return user


@pytest.fixture(scope="module")
def cube() -> Iterator[Sandbox]:
    """The user's own Cube."""
    with Sandbox(customers=200) as running:
        yield running


def loaded(user: User) -> list[dict[str, Any]]:
    """The customers of a CRM that are in the warehouse."""
    return list(json.loads(user.run(PYTHON, "-c", QUERY)))


# In order: each test goes on where the one before it left the clone


def test_each_command_is_known() -> None:
    """A command that is new in the README must be run here too."""
    assert set(re.findall(r"^ *```(\S+)", README, re.MULTILINE)) == {"sh", "json", "yaml"}
    texts = [text for text, _ in blocks()]
    assert [[name for name in KNOWN if name in text] for text in texts] == [
        [name] for name in KNOWN
    ]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert block(TESTS)[0] in ci
    recipes = (ROOT / "tests" / "test_recipes.py").read_text(encoding="utf-8")
    assert '"Every night, without Meltano", "sh"' in recipes


def test_the_query_prints_what_the_readme_shows(user: User) -> None:
    command, shown = block(LOOK)
    assert user.run("sh", "-c", command).split() == shown.split()


def test_the_table_is_the_list(user: User) -> None:
    """All values of all columns, æøå and the CRM's own fields included.

    With two differences, which are the target's: column names are lower-cased, and `""` is null.
    """
    rows = loaded(user)
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


def test_nothing_is_left_but_what_git_ignores(user: User) -> None:
    assert user.run("git", "status", "--porcelain") == ""


def test_an_account_of_ones_own_in_meltano(user: User, cube: Sandbox) -> None:
    """Into the warehouse that the first command left, which shows who is new."""
    crm = cube.crms[2, "B2B"]
    new = crm.add(name="En ny kunde")
    user.shell(commands(PROJECT, cube))
    assert "En ny kunde" in {row["name"] for row in loaded(user) if row["id"] == new["id"]}
    assert cube.token in (user.clone / ".env").read_text(encoding="utf-8")
    assert cube.token not in (user.clone / "meltano.yml").read_text(encoding="utf-8")
    # The second run, with a new catalog
    newer = crm.add(name="Enda en", **{"Nytt felt": "nytt"})
    user.shell(commands(REFRESH, cube))
    (row,) = (row for row in loaded(user) if row["id"] == newer["id"])
    assert row["nytt felt"] == "nytt"


def test_alone(user: User, cube: Sandbox, tmp_path: Path) -> None:
    """In a folder of its own: configuration, discovery, a run, and a second one."""
    user.shell("meltano install --plugin-type=loader target-jsonl")  # or by pip
    user.shell(commands(ALONE, cube), tmp_path)
    catalog = json.loads((tmp_path / "catalog.json").read_text(encoding="utf-8"))
    assert "customers" in {stream["tap_stream_id"] for stream in catalog["streams"]}
    written = sorted(path.name.split("-")[0] for path in tmp_path.glob("*.jsonl"))
    assert written == sorted(
        [
            *("call_outcomes", "campaigns", "custom_fields", "customer_statuses", "customers"),
            *("product_registrations", "states.jsonl"),
        ]
    )
    (customers,) = tmp_path.glob("customers-*.jsonl")
    total = sum(len(crm.customers()) for crm in cube.crms.values())
    assert len(customers.read_text(encoding="utf-8").splitlines()) == total
    # As its last comment says
    text, _ = block(ALONE)
    (option,) = re.findall(r"by (--state state\.json)", text)
    (run,) = (line for line in text.splitlines() if " | target-jsonl " in line)
    cube.requests.clear()
    user.shell(run.replace(" |", f" {option} |"), tmp_path)
    state = json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))
    days = re.findall(r"call_outcomes/\?from_date=(\d+)", str(cube.requests))
    marks = state["bookmarks"]["call_outcomes"]["partitions"]
    first = min(mark["replication_key_value"] for mark in marks)
    assert min(days) == first.replace("-", ""), "the last day is read again, and not the 30 before"
