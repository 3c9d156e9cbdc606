"""Accounts with many small CRMs: `tap-cube --crms`, the requests of a run, and its order."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tap_cube.readers import days
from tap_cube.sandbox import Sandbox
from tap_cube.sandbox.faults import Fault, Faults
from tests.support import Meltano, program, select, stream_of
from tests.targets import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Run, Tap


@pytest.fixture(scope="module")
def many() -> Iterator[Sandbox]:
    """An account of 40 CRMs with few customers. The campaign of every tenth CRM is inactive."""
    with Sandbox(crms=40, customers=30) as running:
        yield running


@pytest.fixture
def config(many: Sandbox) -> dict[str, Any]:
    many.requests.clear()
    many.peak_in_flight = 0
    return {"api_url": many.url, "auth_token": many.token}


def crms_of(run: Run) -> list[dict[str, Any]]:
    """The CRMs that `tap-cube --crms` prints."""
    assert run.status == 0, run.log
    (line,) = run.stdout.splitlines()
    return list(json.loads(line))


# tap-cube --crms


def test_the_crms_are_those_of_the_campaigns(
    tap: Tap, many: Sandbox, config: dict[str, Any]
) -> None:
    expected = [{"data_owner_id": o, "crm_type": t} for o, t in sorted(many.crms)]
    assert crms_of(tap(config, "--crms")) == expected
    assert many.requests == [("GET", "/api/v1/campaigns?include_inactive_campaigns=True")]


def test_inactive_campaigns_count_only_if_they_are_wanted(
    tap: Tap, many: Sandbox, config: dict[str, Any]
) -> None:
    active = crms_of(tap({**config, "include_inactive_campaigns": False}, "--crms"))
    assert len(active) == 36
    assert many.requests == [("GET", "/api/v1/campaigns")]


def test_the_setting_is_printed_without_a_request(
    tap: Tap, many: Sandbox, config: dict[str, Any]
) -> None:
    chosen = [
        {"data_owner_id": 7, "crm_type": "Næring/øst"},
        {"data_owner_id": 2, "crm_type": "B2B"},
    ]
    assert crms_of(tap({**config, "crms": [*chosen, chosen[0]]}, "--crms")) == chosen
    assert many.requests == []


def test_the_printed_crms_are_those_that_a_run_reads(
    tap: Tap, many: Sandbox, config: dict[str, Any]
) -> None:
    """What is printed is a value of the setting `crms`, also of its environment variable."""
    listed = tap(config, "--crms").stdout.decode()
    many.requests.clear()
    variables = {
        "TAP_CUBE_API_URL": many.url,
        "TAP_CUBE_AUTH_TOKEN": many.token,
        "TAP_CUBE_CRMS": json.dumps(json.loads(listed)[5:8]),
    }
    assert crms_of(tap(None, "--config", "ENV", "--crms", env=variables)) == json.loads(listed)[5:8]
    assert many.requests == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"auth_token": "wrong"}, "the credentials were rejected (401): check the setting"),
        ({"api_url": "http://127.0.0.1:9", "max_tries": 1}, "connection refused"),
        ({"crms": []}, "Setting `crms` is an empty array: remove it to read every CRM"),
    ],
)
def test_a_failure_is_one_sentence_and_prints_nothing(
    tap: Tap, config: dict[str, Any], change: dict[str, Any], sentence: str
) -> None:
    run = tap({**config, **change}, "--crms")
    assert (run.status, run.stdout) == (1, b"")
    assert sentence in run.last_line
    assert "Unexpected" not in run.log
    assert "Traceback" not in run.log


# Requests and order

#: Of each CRM, discovery reads one page of each list, and the definitions.
LISTS = ("customers", "crm_custom_fields", "call_outcomes", "product_registrations")
STATUSES = "callflow_customers"


def kinds_of(requests: list[tuple[str, str]]) -> Counter[str]:
    """How many requests there were for each kind of list."""
    return Counter(
        target.partition("?")[0].rstrip("/").rpartition("/")[2] for _, target in requests
    )


def test_discovery_makes_five_requests_for_each_crm(
    tap: Tap, many: Sandbox, config: dict[str, Any]
) -> None:
    catalog = tap.discover(config)
    assert "customer_details" in {stream["tap_stream_id"] for stream in catalog["streams"]}
    expected = dict.fromkeys((*LISTS, STATUSES), len(many.crms))
    assert kinds_of(many.requests) == {**expected, "campaigns": 1}


@pytest.fixture
def slow(many: Sandbox) -> Iterator[Sandbox]:
    """The same account, so slow that all workers wait for it at the same time."""
    many.latency = 0.02
    yield many
    many.latency = 0.0


def messages(run: Run) -> list[bytes]:
    """SCHEMAs and RECORDs without their times."""
    assert run.status == 0, run.log
    lines = [line for line in run.stdout.splitlines() if not line.startswith(b'{"type":"STATE"')]
    return [re.sub(rb',"time_extracted":"[^"]*"', b"", line) for line in lines]


def without_columns(catalog: dict[str, Any], stream: str, pattern: str) -> dict[str, Any]:
    """The catalog as it was before some columns appeared."""
    entry = stream_of(catalog, stream)
    gone = {name for name in entry["schema"]["properties"] if re.search(pattern, name)}
    assert len(gone) > 1
    for name in gone:
        del entry["schema"]["properties"][name]
    entry["metadata"] = [m for m in entry["metadata"] if not gone & {*m["breadcrumb"]}]
    for metadata in entry["metadata"]:
        metadata["metadata"].pop("columns", None)
    return catalog


def test_the_output_does_not_depend_on_concurrency_or_chance(
    tap: Tap, slow: Sandbox, config: dict[str, Any]
) -> None:
    """CRM after CRM in the order of `crms`, whatever arrives first, and however strings hash."""
    order = [{"data_owner_id": o, "crm_type": t} for o, t in reversed([*slow.crms][:12])]
    catalog = without_columns(tap.discover(config), "call_outcomes", "^call_outcome__extra__")
    tap.program = ("-c", program(state_interval=3600))
    outputs = []
    for concurrency, seed in ((1, "1"), (16, "2"), (16, "3")):
        slow.peak_in_flight = 0
        slow.requests.clear()
        run = tap(
            {**config, "crms": order, "concurrency": concurrency},
            catalog=catalog,
            env={"PYTHONHASHSEED": seed},
        )
        outputs.append(messages(run))
        # How many more than one depends on the machine's speed: the benchmark measures that
        assert (slow.peak_in_flight > 1) is (concurrency > 1)
        assert slow.peak_in_flight <= concurrency
        assert kinds_of(slow.requests)["crm_custom_fields"] == len(order)
        assert kinds_of(slow.requests)["customers"] == len(order)
        states = [message for message in run.messages if message["type"] == "STATE"]
        assert len(states) <= 2 * len(catalog["streams"]), "not one for each CRM"
        for stream in ("customers", "call_outcomes", "customer_statuses"):
            crms = [(r["data_owner_id"], r["crm_type"]) for r in run.records(stream)]
            runs = [crm for n, crm in enumerate(crms) if n == 0 or crms[n - 1] != crm]
            assert runs == [(crm["data_owner_id"], crm["crm_type"]) for crm in order], stream
    assert outputs[0] == outputs[1] == outputs[2]


def test_while_one_crm_waits_the_next_ones_are_read(
    tap: Tap, many: Sandbox, config: dict[str, Any]
) -> None:
    """All pages of small CRMs, and all windows of days: not just the first request of each."""
    many.page_size = 10
    first, *others = [*many.crms][:8]
    crms = [{"data_owner_id": o, "crm_type": t} for o, t in (first, *others)]
    catalog = select(tap.discover({**config, "crms": crms}), "customers", "call_outcomes")
    first_day = days.shifted(days.today(dt.datetime.now(dt.timezone.utc)), -30)
    for list_, query, number in (
        ("customers", "", 3),
        ("call_outcomes", rf"\?from_date={first_day:%Y%m%d}", 6),
    ):
        many.requests.clear()
        path = f"/data_owners/{first[0]}/crm/{first[1]}/{list_}/"
        many.faults = Faults(Fault("slow=1.5", match=path + query, first=1))
        run = tap({**config, "crms": crms}, catalog=select(catalog, list_))
        assert run.status == 0, run.log
        asked = [target for _, target in many.requests]
        # What the first CRM asks for once its first page has arrived, after the others are done
        later = max(n for n, target in enumerate(asked) if path in target)
        before = Counter(target.partition("?")[0] for target in asked[:later])
        for owner, crm_type in others:
            assert before[f"/api/v1/data_owners/{owner}/crm/{crm_type}/{list_}/"] >= number
    many.faults = None
    many.page_size = 50


# With Meltano


@pytest.mark.e2e
def test_meltano_reads_batches(
    tmp_path_factory: pytest.TempPathFactory, tap: Tap, many: Sandbox, config: dict[str, Any]
) -> None:
    """By the suffix of the state, and by the schedule of the documentation."""
    meltano = Meltano(tmp_path_factory)
    docs = (ROOT / "docs" / "many-crms.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", docs, re.MULTILINE | re.DOTALL)
    meltano.project |= yaml.safe_load(block.replace("target-postgres", "target-jsonl"))
    meltano.write()
    catalog = select(tap.discover(config), "customers", "call_outcomes")
    (meltano.folder / "catalog.json").write_text(json.dumps(catalog))
    access = {"TAP_CUBE_API_URL": many.url, "TAP_CUBE_AUTH_TOKEN": many.token}
    batch = [{"data_owner_id": 5, "crm_type": "B2C"}, {"data_owner_id": 6, "crm_type": "B2B"}]
    meltano("install", "extractor", "tap-cube", **access)
    meltano("install", "loader", "target-jsonl", **access)
    many.requests.clear()
    found, _ = meltano.load(
        "--state-id-suffix=batch-0",
        "tap-cube",
        "target-jsonl",
        TAP_CUBE_CRMS=json.dumps(batch),
        TAP_CUBE__CATALOG="catalog.json",
        **access,
    )
    assert {(r["data_owner_id"], r["crm_type"]) for r in found["customers"]} == {
        (crm["data_owner_id"], crm["crm_type"]) for crm in batch
    }
    meltano("schedule", "run", "cube-north", **access)
    asked = {target.partition("/data_owners/")[2][:1] for _, target in many.requests}
    assert asked == {"5", "6", "2"}
    states = [line.split()[-1] for line in meltano("state", "list").stdout.decode().splitlines()]
    batch_0, north = sorted(state for state in states if "tap-cube" in state)
    assert batch_0.endswith(":batch-0")
    assert north.endswith(":north")
    for state, owners in ((batch_0, {5, 6}), (north, {2})):
        bookmarks = json.loads(meltano("state", "get", state).stdout)["singer_state"]["bookmarks"]
        parts = bookmarks["call_outcomes"]["partitions"]
        assert {part["context"]["data_owner_id"] for part in parts} == owners
