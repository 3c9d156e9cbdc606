from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.support import API, FLAT_FIELDS, get

if TYPE_CHECKING:
    from tap_cube.sandbox import Sandbox


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
