"""`customers` is the server's own list, value for value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import OWN_FIELDS, Tap, conformed, select, values

if TYPE_CHECKING:
    from collections.abc import Iterator

B2B = {"data_owner_id": 2, "crm_type": "B2B"}


@pytest.fixture(scope="module")
def cube() -> Iterator[Sandbox]:
    with Sandbox(customers=3909) as running:
        yield running


LISTS = [
    *((count, size) for count in (0, 1, 49, 50, 51) for size in (1, 50, 500)),
    *((3909, size) for size in (50, 500)),
    pytest.param(3909, 1, marks=pytest.mark.e2e),  # 3,909 requests
]


@pytest.mark.parametrize(("count", "page_size"), LISTS)
def test_records_equal_the_list(tap: Tap, cube: Sandbox, count: int, page_size: int) -> None:
    crm = cube.crms[2, "B2B"]
    crm.resize(count)
    cube.page_size = page_size
    config = {"api_url": cube.url, "auth_token": cube.token, "crms": [B2B], "sample_size": 100}
    run = tap(config).check()

    records = run.rows("customers")
    assert [values(record) for record in records] == conformed(crm.customers())
    assert len(run.records("customers")) == count, "none twice"
    assert all([record[name] for name in OWN_FIELDS] == [2, "B2B"] for record in records)
    assert len(run.of_type("SCHEMA", "customers")) == 1


def test_all_crms_that_the_campaigns_name_are_one_table(tap: Tap, sandbox: Sandbox) -> None:
    run = tap({"api_url": sandbox.url, "auth_token": sandbox.token}).check()
    found: dict[tuple[int, str], list[dict[str, object]]] = {crm: [] for crm in sandbox.crms}
    for record in run.rows("customers"):
        found[record["data_owner_id"], record["crm_type"]].append(values(record))
    assert found == {crm: conformed(data.customers()) for crm, data in sandbox.crms.items()}
    assert len(run.of_type("SCHEMA", "customers")) == 1
    assert run.of_type("SCHEMA", "customers")[0]["key_properties"] == [*OWN_FIELDS, "id"]


def test_inactive_campaigns_can_be_left_out(tap: Tap, sandbox: Sandbox) -> None:
    config = {"api_url": sandbox.url, "auth_token": sandbox.token}
    active = tap({**config, "include_inactive_campaigns": False}).check()
    every = tap(config).check()
    assert len(active.records("campaigns")) < len(every.records("campaigns"))
    assert len(every.records("campaigns")) == len(sandbox.campaigns)


def test_values_of_every_type_survive(tap: Tap, sandbox: Sandbox) -> None:
    """Numbers keep each digit, strings each character; an extra field may hold anything."""
    crm = sandbox.crms[2, "B2B"]
    first = crm.customers()[0]["id"]
    last = crm.customers()[-1]["id"]
    nasty = ' \t"\\ /\u2028æøå 😀 \r\n '
    crm.update(first, name=nasty, note="0150", tags=["a", {"b": None}], more={"c": {"d": 1}})
    crm.update(last, balance=1234567890123456789, zip_code="0150")
    run = tap({"api_url": sandbox.url, "auth_token": sandbox.token, "crms": [B2B]}).check()
    assert [values(r) for r in run.rows("customers")] == conformed(crm.customers())


def test_a_catalog_selects_streams_and_columns(tap: Tap, sandbox: Sandbox) -> None:
    config = {"api_url": sandbox.url, "auth_token": sandbox.token, "crms": [B2B]}
    catalog = select(tap.discover(config), "customers")
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == ["properties", "phone_1"]:
                entry["metadata"]["selected"] = False
    run = tap(config, catalog=catalog).check()
    expected = crm_without(sandbox, "phone_1")
    assert [values(record) for record in run.rows("customers")] == expected
    assert "phone_1" not in run.properties("customers")
    assert {m["stream"] for m in run.messages if m["type"] == "RECORD"} == {"customers"}


def crm_without(sandbox: Sandbox, name: str) -> list[dict[str, object]]:
    return [
        {key: value for key, value in customer.items() if key != name}
        for customer in conformed(sandbox.crms[2, "B2B"].customers())
    ]


def test_state_is_kept_for_each_crm_and_can_be_handed_back(tap: Tap, sandbox: Sandbox) -> None:
    config = {"api_url": sandbox.url, "auth_token": sandbox.token}
    state = tap(config).check().state
    contexts = [p["context"] for p in state["bookmarks"]["customers"]["partitions"]]
    assert [(c["data_owner_id"], c["crm_type"]) for c in contexts] == sorted(sandbox.crms)
    again = tap(config, state=state).check()
    assert len(again.rows("customers")) == sum(len(c.customers()) for c in sandbox.crms.values())
    assert again.state == state


def test_test_mode_reads_one_record_of_each_stream(tap: Tap, sandbox: Sandbox) -> None:
    run = tap(
        {"api_url": sandbox.url, "auth_token": sandbox.token, "crms": [B2B]}, "--test"
    ).check()
    for stream in ("customers", "customer_details", "custom_fields", "campaigns"):
        assert len(run.records(stream)) == 1, stream


def test_a_failing_crm_does_not_stop_the_others(tap: Tap, sandbox: Sandbox) -> None:
    missing = {"data_owner_id": 9, "crm_type": "B2B"}
    config = {"api_url": sandbox.url, "auth_token": sandbox.token, "crms": [missing, B2B]}
    run = tap(config)
    assert run.status == 1
    assert "CRM 9/B2B, c" in run.last_line
    assert "check the setting `crms`" in run.last_line
    assert [values(r) for r in run.rows("customers")] == conformed(
        sandbox.crms[2, "B2B"].customers()
    )
