"""Deselected columns stay out of all that a run writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import select, stream_of

if TYPE_CHECKING:
    from tap_cube.sandbox import Sandbox
    from tests.support import Tap

DESELECTED = {"phone_1", "gen info 1"}


def test_a_second_schema_has_no_deselected_column(tap: Tap, sandbox: Sandbox) -> None:
    """Also where a value that does not fit its column, and a new field, come in mid-read."""
    sandbox.page_size = 20
    crm = {"data_owner_id": 2, "crm_type": "B2B"}
    config = {"api_url": sandbox.url, "auth_token": sandbox.token, "crms": [crm]}
    catalog = select(tap.discover(config), "customers")
    for entry in stream_of(catalog, "customers")["metadata"]:
        if DESELECTED & {*entry["breadcrumb"]}:
            entry["metadata"]["selected"] = False
    customers = sandbox.crms[2, "B2B"].customers()
    sandbox.crms[2, "B2B"].update(customers[30]["id"], birth_date="ukjent")
    sandbox.crms[2, "B2B"].update(customers[50]["id"], phone_1=12, **{"Helt nytt": "ja"})

    run = tap(config, catalog=catalog).check()
    schemas = run.of_type("SCHEMA", "customers")
    assert len(schemas) == 1, "a user who picks columns gets no others"
    for message in schemas:
        assert not DESELECTED & {*message["schema"]["properties"]}
    assert len(run.records("customers")) == 60
    for record in run.records("customers"):
        assert not {*DESELECTED, "Helt nytt"} & {*record}
