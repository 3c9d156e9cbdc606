from __future__ import annotations

import time
from datetime import date
from typing import Any

import pytest

from tap_cube.sandbox import Sandbox
from tests.sandbox.support import API, FLAT_FIELDS, TODAY, get, records


def test_definitions_name_every_extra_field_and_one_that_no_record_has(sandbox: Sandbox) -> None:
    for (owner, crm_type), crm in sandbox.crms.items():
        listed = get(sandbox, f"{API}/data_owners/{owner}/{crm_type}/crm_custom_fields/").json()
        assert listed == crm.definitions
        for row in listed:
            assert list(row) == ["id", "key", "type", "max_length", "hint", "lookup__id"]
            assert row["lookup__id"] == f"crm__custom_info__{row['id']}"
        if crm.rows():
            record = crm.customer(crm.customers()[0]["id"])
            missing = [row["key"] for row in listed if row["key"] not in record]
            assert len(missing) == 1
            extras = record.keys() - {*FLAT_FIELDS, "external_customer_id"}
            assert extras == {row["key"] for row in listed} - {*missing}


def test_campaigns(sandbox: Sandbox) -> None:
    def crms(path: str) -> set[tuple[int, str]]:
        rows = get(sandbox, f"{API}/{path}").json()
        return {(row["data_owner__id"], row["campaign__crm_type"]) for row in rows}

    everything = "campaigns?include_inactive_campaigns=True"
    assert get(sandbox, f"{API}/{everything}").json() == sandbox.campaigns
    assert crms(everything) == set(sandbox.crms)
    assert crms("campaigns") == crms("campaigns/") == set(sandbox.crms) - {(1, "B2B")}
    inactive = [c for c in sandbox.campaigns if c["campaign__is_active"] is False]
    assert all(campaign["campaign__archived_date"] for campaign in inactive)


def content(sandbox: Sandbox) -> list[Any]:
    return [
        (key, crm.customers(), crm.definitions, crm.call_outcomes(), crm.statuses())
        for key, crm in sandbox.crms.items()
    ]


def test_many_small_crms() -> None:
    sandbox = Sandbox(crms=200)
    assert list(sandbox.crms)[:3] == [(1, "B2B"), (1, "B2C"), (2, "B2B")]
    sizes = [len(crm.rows()) for crm in sandbox.crms.values()]
    assert len(sizes) == 200
    assert 50 <= min(sizes) < 80
    assert 470 < max(sizes) <= 500
    extended = [crm.definitions != [] for crm in sandbox.crms.values()]
    assert extended == [False, False, True] * 66 + [False, False]
    for crm in sandbox.crms.values():
        record = crm.customer(crm.customers()[0]["id"])
        extras = record.keys() - {*FLAT_FIELDS, "external_customer_id"}
        labels = [definition["key"] for definition in crm.definitions]
        assert len(labels) in {0, 5}
        assert extras == {*labels[:-1]}
    assert len({tuple(d["key"] for d in crm.definitions) for crm in sandbox.crms.values()}) > 50


def test_campaigns_name_all_small_crms() -> None:
    with Sandbox(crms=30) as sandbox:
        campaigns = get(sandbox, f"{API}/campaigns?include_inactive_campaigns=True").json()
        active = get(sandbox, f"{API}/campaigns").json()
    named = [(row["data_owner__id"], row["campaign__crm_type"]) for row in campaigns]
    assert named == list(sandbox.crms)
    inactive = [row["campaign__id"] for row in campaigns if row not in active]
    assert inactive == [10, 20, 30]
    assert all(campaign["campaign__archived_date"] == "" for campaign in active)


@pytest.mark.parametrize("shape", ["flat", "prefixed"])
def test_small_crms_have_all_lists(shape: Any) -> None:
    with Sandbox(crms=6, shape=shape, today=TODAY) as sandbox:
        for (owner, crm_type), crm in sandbox.crms.items():
            path = f"{API}/data_owners/{owner}/crm/{crm_type}"
            customers = path if shape == "flat" else f"{API}/data_owners/{owner}/{crm_type}"
            assert records(sandbox, f"{customers}/customers/") == crm.customers()
            outcomes = records(sandbox, f"{path}/call_outcomes/?from_date=20240101")
            assert outcomes == crm.call_outcomes(date(2024, 1, 1), TODAY)
            assert len(outcomes) == 10
            assert len(crm.product_registrations()) == 2
            assert records(sandbox, f"{path}/callflow_customers/") == crm.statuses()
            assert len(crm.statuses()) == 20
            assert crm.note_field in crm.customers()[0]
            crm.update(crm.customers()[0][crm.key_field], **{crm.note_field: "x"})
            assert crm.customers()[0][crm.note_field] == "x"


def test_a_seed_determines_the_small_crms_and_their_number_does_not() -> None:
    assert content(Sandbox(crms=9)) == content(Sandbox(crms=12))[:9]
    assert content(Sandbox(crms=9)) != content(Sandbox(crms=9, seed=1))
    assert Sandbox(crms=9).campaigns == Sandbox(crms=12).campaigns[:9]


def test_small_crms_can_be_smaller() -> None:
    crms = Sandbox(crms=5, customers=3, outcomes=7).crms.values()
    assert {len(crm.rows()) for crm in crms} == {3}
    assert {(len(crm.call_outcomes()), len(crm.statuses())) for crm in crms} == {(7, 3)}
    (crm,) = Sandbox(crms=1, customers=0).crms.values()
    assert crm.customers() == crm.call_outcomes() == crm.statuses() == []


def test_a_thousand_crms_start_fast() -> None:
    begun = time.process_time()
    with Sandbox(crms=1000) as sandbox:
        assert get(sandbox, f"{API}/campaigns").status_code == 200
    assert time.process_time() - begun < 1
