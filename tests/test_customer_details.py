"""`customer_details` is the record of each customer, for some or for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import conformed, select, values

if TYPE_CHECKING:
    from tap_cube.sandbox import Sandbox
    from tests.support import Run, Tap

B2B = {"data_owner_id": 2, "crm_type": "B2B"}


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_url": sandbox.url, "auth_token": sandbox.token, "crms": [B2B]}


def details(tap: Tap, config: dict[str, Any]) -> Run:
    return tap(config, catalog=select(tap.discover(config), "customer_details"))


def test_all_customers(tap: Tap, sandbox: Sandbox, config: dict[str, Any]) -> None:
    run = details(tap, config).check()
    crm = sandbox.crms[2, "B2B"]
    expected = [crm.customer(customer["id"]) for customer in crm.customers()]
    assert [values(r) for r in run.records("customer_details")] == conformed(expected)
    assert {r["crm_type"] for r in run.records("customer_details")} == {"B2B"}


def test_some_customers(tap: Tap, sandbox: Sandbox, config: dict[str, Any]) -> None:
    crm = sandbox.crms[2, "B2B"]
    ids = [customer["id"] for customer in crm.customers()]
    chosen = [ids[3], str(ids[40])]
    run = details(tap, {**config, "customer_ids": chosen}).check()
    expected = [crm.customer(ids[3]), crm.customer(ids[40])]
    assert [values(r) for r in run.records("customer_details")] == conformed(expected)


def test_fields_that_only_the_single_record_has(tap: Tap, config: dict[str, Any]) -> None:
    catalog = tap.discover(config)
    columns = {
        stream["tap_stream_id"]: set(stream["schema"]["properties"])
        for stream in catalog["streams"]
    }
    assert {"external_customer_id", "Antall år"} <= columns["customer_details"]
    assert "external_customer_id" not in columns["customers"]
    assert "customer_id" not in columns["customer_details"]


def test_the_field_that_identifies_a_customer_can_be_another(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    crm = sandbox.crms[2, "B2B"]
    for customer in crm.customers():
        crm.update(customer["id"], number=customer["id"])
    run = details(tap, {**config, "customer_id_field": "number"}).check()
    assert len(run.records("customer_details")) == 60


def test_a_field_that_identifies_nobody_is_named(tap: Tap, config: dict[str, Any]) -> None:
    catalog = select(tap.discover(config), "customer_details")
    run = tap({**config, "customer_id_field": "phone_9"}, catalog=catalog)
    assert run.status == 1
    assert "a customer has no `phone_9`, which the setting `customer_id_field`" in run.last_line


def test_an_id_is_looked_for_in_every_crm(tap: Tap, sandbox: Sandbox) -> None:
    ids = [sandbox.crms[crm].customers()[0]["id"] for crm in [(2, "B2B"), (1, "B2B")]]
    config = {"api_url": sandbox.url, "auth_token": sandbox.token, "customer_ids": ids}
    run = details(tap, config).check()
    assert {r["id"] for r in run.records("customer_details")} == set(ids)


def test_an_unknown_id_fails_the_run_but_not_the_others(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    """It is named by its position: the id itself tells who somebody's customer is."""
    known = sandbox.crms[2, "B2B"].customers()[0]["id"]
    run = details(tap, {**config, "customer_ids": [known, 987654321]})
    assert run.status == 1
    assert "`customer_ids` names customers that no CRM read here has: entry 2 of 2" in run.last_line
    assert "987654321" not in run.log
    assert [r["id"] for r in run.records("customer_details")] == [known]
