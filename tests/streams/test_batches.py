"""BATCH messages: no record is in STATE before its file is complete."""

from __future__ import annotations

import gzip
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.streams import batches
from tests.support import Tap, select

if TYPE_CHECKING:
    from subprocess import Popen

    from tap_cube.sandbox import Sandbox

CUSTOMERS = 60


class Files:
    """Files of JSON lines in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.config = {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": f"file://{folder}", "prefix": "batch-"},
        }

    def records(self) -> list[dict[str, Any]]:
        texts = [gzip.decompress(path.read_bytes()) for path in self._folder.glob("batch-*")]
        return [json.loads(line) for text in texts for line in text.splitlines()]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    sandbox.page_size = 4
    return {
        "api_url": sandbox.url,
        "auth_token": sandbox.token,
        "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
        "concurrency": 1,
    }


@pytest.fixture
def catalog(tap: Tap, config: dict[str, Any]) -> dict[str, Any]:
    return select(tap.discover(config), "customers")


def test_rejected_credentials_lose_no_record(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any], catalog: dict[str, Any], files: Files
) -> None:
    token = sandbox.token

    def reject(_number: int, target: str) -> None:
        if "page=8" in target:
            sandbox.token = "another one"  # noqa: S105  # of the sandbox

    sandbox.before_request = reject
    broken = tap({**config, "batch_config": files.config}, catalog=catalog)
    assert broken.status == 1
    assert "rejected (401)" in broken.last_line
    first = {record["id"] for record in files.records()}
    assert 0 < len(first) < CUSTOMERS
    sandbox.before_request, sandbox.token = None, token
    second = tap(config, catalog=catalog, state=broken.state).check()
    rest = {record["id"] for record in second.records("customers")}
    assert first | rest == {customer["id"] for customer in sandbox.crms[2, "B2B"].customers()}
    assert len(rest) < CUSTOMERS, "the second run went on where the first one stood"


@pytest.mark.parametrize("size", [10, 1000])
def test_a_signal_loses_no_record(  # noqa: PLR0913, PLR0917  # fixtures
    tap: Tap,
    sandbox: Sandbox,
    config: dict[str, Any],
    catalog: dict[str, Any],
    files: Files,
    size: int,
) -> None:
    process: Popen[bytes] | None = None

    def end(_number: int, target: str) -> None:
        if "page=5" in target and process:
            process.send_signal(signal.SIGTERM)

    sandbox.before_request = end
    settings = {**files.config, "batch_size": size}
    process = tap.start(config={**config, "batch_config": settings}, catalog=catalog)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, stderr.decode()
    messages = [json.loads(line) for line in stdout.splitlines()]
    assert messages[-1]["type"] == "STATE"
    handed_over = [message for message in messages if message["type"] == "BATCH"]
    assert bool(handed_over) == (size < CUSTOMERS), "only whole files are handed over"
    first = {record["id"] for record in files.records()} if handed_over else set()
    sandbox.before_request = None
    second = tap(config, catalog=catalog, state=messages[-1]["value"]).check()
    rest = {record["id"] for record in second.records("customers")}
    assert first | rest == {customer["id"] for customer in sandbox.crms[2, "B2B"].customers()}


def test_the_first_record_of_each_parquet_file_has_all_columns_of_the_file() -> None:
    """The SDK's Parquet files have no other columns."""
    records = [{"id": n, f"field {n}": n} for n in range(5)]
    padded = list(batches.with_all_columns(records, 2))
    for start in range(0, 5, 2):
        chunk = padded[start : start + 2]
        assert chunk[0].keys() == {name for record in chunk for name in record}
    assert [
        {name: value for name, value in record.items() if value is not None} for record in padded
    ] == records


def test_a_folder_may_be_a_path(
    tap: Tap, config: dict[str, Any], catalog: dict[str, Any], tmp_path: Path
) -> None:
    """Targets open the files by the names in the messages, without unescaping them."""
    folder = tmp_path / "a=b c"
    folder.mkdir()
    batch_config = {
        "encoding": {"format": "jsonl", "compression": "none"},
        "storage": {"root": str(folder), "prefix": "batch-"},
    }
    run = tap({**config, "batch_config": batch_config}, catalog=catalog).check()
    (message,) = run.of_type("BATCH", "customers")
    assert message["manifest"]
    for name in message["manifest"]:
        assert Path(name.removeprefix("file://")).is_file()
