"""A CRM that fails, for whatever reason, leaves the others as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import program, select

if TYPE_CHECKING:
    from tap_cube.sandbox import Sandbox
    from tests.support import Tap

# A defect of the tap itself: its text quotes a customer
DEFECT = """
from tap_cube.schema.table import Table
admit = Table.admit
def broken(table, page, crm):
    if crm.crm_type == "B2C":
        raise ValueError("Kari Eksempel")
    return admit(table, page, crm)
Table.admit = broken
"""


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    crms = [{"data_owner_id": 2, "crm_type": type_} for type_ in ("B2C", "B2B")]
    return {"api_url": sandbox.url, "auth_token": sandbox.token, "crms": crms}


def test_a_defect_in_one_crm_spares_the_others(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    catalog = select(tap.discover(config), "customers")
    tap.program = ("-c", program(DEFECT))
    settings = {**config, "emit_activate_version_messages": True}
    run = tap(settings, catalog=catalog, env={"LOGLEVEL": "DEBUG"})
    assert run.status == 1
    assert "CRM 2/B2C, customers: Unexpected ValueError: LOGLEVEL=DEBUG shows" in run.last_line
    assert "Where it came from" in run.log
    assert "Kari Eksempel" not in run.log
    read = {record["id"] for record in run.records("customers")}
    assert read == {customer["id"] for customer in sandbox.crms[2, "B2B"].customers()}
    assert run.of_type("ACTIVATE_VERSION", "customers") == []
