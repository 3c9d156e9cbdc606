"""A run that is broken off leaves a true STATE, and the next one goes on from there."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import Run, program, select

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Tap

PAGES = 200
PAGE_SIZE = 10


@pytest.fixture(scope="module")
def cube() -> Iterator[Sandbox]:
    with Sandbox(customers=PAGES * PAGE_SIZE, page_size=PAGE_SIZE, latency=0.02) as running:
        yield running


@pytest.fixture(scope="module")
def config(cube: Sandbox) -> dict[str, Any]:
    return {
        "api_url": cube.url,
        "auth_token": cube.token,
        "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
    }


# STATE is written every few seconds: here after each page, so that each kill finds a new one
PROGRAM = program(state_interval=0)


@dataclass
class Process:
    """A run of the tap under way, writing to a file as fast as it can."""

    popen: subprocess.Popen[bytes]
    stdout: Path
    log: Path

    def end(self) -> Run:
        status = self.popen.wait(timeout=60)
        whole, _, _ = self.stdout.read_bytes().rpartition(b"\n")
        return Run(status, whole, self.log.read_text())

    def break_off(self, after: float, signum: int) -> Run:
        """Let it write for so many seconds, and end it by a signal."""
        while not self.stdout.stat().st_size and self.popen.poll() is None:
            time.sleep(0.005)
        time.sleep(after)
        self.popen.send_signal(signum)
        return self.end()


def start(folder: Path, **files: Any) -> Process:
    arguments = []
    for option, content in files.items():
        path = folder / f"{option}.json"
        path.write_text(json.dumps(content))
        arguments += [f"--{option}", str(path)]
    stdout, log = folder / "stdout", folder / "log"
    with stdout.open("wb") as out, log.open("wb") as err:
        popen = subprocess.Popen(  # noqa: S603  # this project's own program
            [sys.executable, "-c", PROGRAM, *arguments], stdout=out, stderr=err
        )
    return Process(popen, stdout, log)


@pytest.fixture(scope="module")
def catalog(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from tests.support import Tap  # noqa: PLC0415  # a fixture of this scope cannot use `tap`

    return select(Tap(tmp_path_factory.mktemp("discovery")).discover(config), "customers")


def last_state(run: Run) -> dict[str, Any] | None:
    return next((m["value"] for m in reversed(run.messages) if m["type"] == "STATE"), None)


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_signals_end_a_run_with_its_state(
    tmp_path: Path,
    config: dict[str, Any],
    catalog: dict[str, Any],
    signum: int,
    status: int,
) -> None:
    run = start(tmp_path, config=config, catalog=catalog).break_off(0.3, signum)
    assert run.status == status
    assert run.messages[-1]["type"] == "STATE"
    assert "Traceback" not in run.log
    assert f"Ended by signal {signum:d}: the next run continues from here" in run.log


@pytest.mark.e2e
@pytest.mark.parametrize("stream", ["customers", "customer_details"])
@pytest.mark.parametrize("mode", ["RECORD", "BATCH"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_nobody_is_missed_however_often_it_is_killed(  # noqa: PLR0913, PLR0917  # fixtures
    tmp_path: Path,
    cube: Sandbox,
    config: dict[str, Any],
    catalog: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    stream: str,
    mode: str,
    signum: int,
) -> None:
    """25 kills at random moments, customers deleted meanwhile; then a run that may finish.

    A record counts if a STATE follows it, since targets may drop the others.
    """
    chance = random.Random(f"{signum} {stream} {mode}")  # noqa: S311  # not for secrets
    crm = cube.crms[2, "B2B"]
    crm.resize(PAGES * PAGE_SIZE)
    if stream == "customer_details":
        monkeypatch.setattr(cube, "page_size", 2)  # a kill costs up to three of them
    cube.requests.clear()
    files: dict[str, Any] = {
        "config": {**config, "emit_activate_version_messages": mode == "RECORD"},
        "catalog": select(deepcopy(catalog), stream),
    }
    if mode == "BATCH":
        files["config"]["batch_config"] = {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": tmp_path.as_uri(), "prefix": "batch-"},
            "batch_size": 2,
        }
    read: set[tuple[int | None, int]] = set()
    kills = resumed = different = 0
    while kills < 25 or state_of_reading(files.get("state"), stream):
        process = start(tmp_path, **files)
        if kills < 25:
            run = process.break_off(chance.uniform(0, 1.0), signum)
            kills += 1
        else:
            monkeypatch.setattr(cube, "latency", 0)  # nothing is to happen in its middle
            run = process.end().check()
        assert run.status in {0, -signum, 128 + signum}, run.log
        resumed += "going on from page" in run.log
        read.update(ids_of(before_last_state(run)))
        state = last_state(run)
        customers = {customer["id"] for customer in crm.customers()}
        if state and "records of 1 CRM" in run.log and not state_of_reading(state, stream):
            versions = {m["version"] for m in run.messages if m["type"] == "ACTIVATE_VERSION"}
            assert customers <= {id_ for version, id_ in read if version in (versions or {None})}
            different += len(read)
            read.clear()
        files["state"] = state or files.get("state", {})
        crm.delete(chance.choice(sorted(customers)))
    assert resumed >= 5
    assert not state_of_reading(files["state"], stream), "the bookkeeping is gone at the end"
    if stream == "customer_details":
        singles = sum(target.rpartition("/")[2].isdigit() for _, target in cube.requests)
        assert (different + len(read)) * 1.1 >= singles, "at most a tenth is read twice"


def before_last_state(run: Run) -> list[dict[str, Any]]:
    """The messages that STATE covers."""
    states = [n for n, message in enumerate(run.messages) if message["type"] == "STATE"]
    return run.messages[: states[-1]] if states else []


def ids_of(messages: list[dict[str, Any]]) -> Iterator[tuple[int | None, int]]:
    """The customers in messages, each with the version of its record; none in a file."""
    for message in messages:
        if message["type"] == "RECORD":
            yield message["version"], message["record"]["id"]
        for file in message.get("manifest", ()):
            with gzip.open(unquote(urlsplit(file).path)) as lines:
                yield from ((None, json.loads(line)["id"]) for line in lines)


def state_of_reading(
    state: dict[str, Any] | None, stream: str = "customers"
) -> dict[str, Any] | None:
    partitions = (state or {}).get("bookmarks", {}).get(stream, {}).get("partitions", [])
    return next((p["reading"] for p in partitions if "reading" in p), None)


def test_a_place_behind_the_end_means_reading_all_that_is_there(
    tap: Tap, cube: Sandbox, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    crm = {"data_owner_id": 2, "crm_type": "B2B"}
    mark = {"page": 9999, "size": 10, "version": 1}
    state = {"bookmarks": {"customers": {"partitions": [{"context": crm, "reading": mark}]}}}
    run = tap(config, catalog=catalog, state=state).check()
    expected = [customer["id"] for customer in cube.crms[2, "B2B"].customers()]
    assert [record["id"] for record in run.rows("customers")] == expected
    assert not state_of_reading(run.state)


@pytest.mark.parametrize(
    "mark",
    [
        *(None, 5, {}, {"page": 3}),
        *({"page": value, "size": 10} for value in ("x", -1, True)),
    ],
)
def test_a_state_that_was_damaged_means_reading_from_the_start(
    tap: Tap, config: dict[str, Any], catalog: dict[str, Any], mark: Any
) -> None:
    crm = {"data_owner_id": 2, "crm_type": "B2B"}
    state = {"bookmarks": {"customers": {"partitions": [{"context": crm, "reading": mark}]}}}
    run = tap(config, catalog=catalog, state=state).check()
    assert len(run.rows("customers")) > PAGES
