"""What happens to fields that discovery did not see, and to types that the user pins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import conformed, deselect, select, values

if TYPE_CHECKING:
    from tests.support import Tap

NEW = {"first_new": "a", "second_new": 5, "third_new": {"x": 1}}


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    crm = {"data_owner_id": 2, "crm_type": "B2B"}
    return {"api_url": sandbox.url, "auth_token": sandbox.token, "crms": [crm]}


@pytest.fixture
def catalog(tap: Tap, sandbox: Sandbox, config: dict[str, Any]) -> dict[str, Any]:
    """A catalog from before three fields were added to the first customer and the last."""
    old = select(tap.discover(config), "customers")
    crm = sandbox.crms[2, "B2B"]
    for customer in (crm.customers()[0], crm.customers()[-1]):
        crm.update(customer["id"], **NEW)
    return old


def test_by_default_they_all_arrive(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    run = tap(config, catalog=catalog).check()
    assert set(NEW) <= set(run.properties("customers"))
    expected = conformed(sandbox.crms[2, "B2B"].customers())
    assert [values(record) for record in run.rows("customers")] == expected


def test_a_value_that_does_not_fit_goes_to_a_column_of_its_own(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    """The column keeps its type, and no value is lost."""
    crm = sandbox.crms[2, "B2B"]
    ids = [customer["id"] for customer in crm.customers()]
    for id_ in ids:
        crm.update(id_, visits=1, keen=True)
    catalog = select(tap.discover(config), "customers")
    crm.update(ids[3], visits="two", keen=0)
    run = tap(config, catalog=catalog).check()
    found = {row["id"]: row for row in run.rows("customers")}
    assert [(found[id_]["visits"], found[id_]["keen"]) for id_ in ids[2:5]] == [
        (1, True),
        (None, None),
        (1, True),
    ]
    assert found[ids[3]]["visits__text"] == "two"
    assert found[ids[3]]["keen__text"] == "0"
    assert run.properties("customers")["visits"]["type"] == ["integer", "null"]
    assert "two" not in run.log


def test_discard_leaves_them_out_with_a_warning_each(
    tap: Tap, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    run = tap({**config, "new_fields": "discard"}, catalog=catalog).check()
    assert not set(NEW) & set(run.properties("customers"))
    assert not any(set(NEW) & set(record) for record in run.rows("customers"))
    assert len(run.rows("customers")) == 60
    for name in NEW:
        assert run.log.count(f"`new_fields` says: {name}") == 1


def test_fail_names_them(tap: Tap, config: dict[str, Any], catalog: dict[str, Any]) -> None:
    run = tap({**config, "new_fields": "fail"}, catalog=catalog)
    assert run.status == 1
    assert "CRM 2/B2B, customers: new columns" in run.last_line
    assert "first_new, second_new, third_new" in run.last_line


def test_whoever_picks_columns_gets_no_others(
    tap: Tap, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    run = tap(config, catalog=deselect(catalog, "customers", "phone_1")).check()
    assert not {*NEW, "phone_1"} & set(run.properties("customers"))
    assert not any({*NEW, "phone_1"} & set(record) for record in run.rows("customers"))
    assert len(run.rows("customers")) == 60
    assert run.log.count("New columns are left out, as the catalog deselects some") == 1


def test_a_deselected_column_gets_no_other(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    crm = sandbox.crms[2, "B2B"]
    crm.update(crm.customers()[5]["id"], birth_date="ukjent")
    run = tap(config, catalog=deselect(catalog, "customers", "birth_date")).check()
    assert len(run.of_type("SCHEMA", "customers")) == 1


def test_pinned_types_win_over_everything(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    crm = sandbox.crms[2, "B2B"]
    for position, customer in enumerate(crm.customers()):
        number = "unknown number" if position % 30 == 7 else position
        crm.update(customer["id"], **{"Antall år": number, "zip_code": "0150"})
    pins = [
        {"field": "Antall år", "type": "integer"},
        {"field": "birth_date", "type": "string"},
    ]
    run = tap({**config, "field_types": pins}).check()
    columns = run.properties("customers")
    assert columns["Antall år"]["type"] == ["integer", "null"]
    assert "format" not in columns["birth_date"]
    rows = run.rows("customers")
    assert [row["Antall år"] for row in rows] == [None if n % 30 == 7 else n for n in range(60)]
    texts = {row["Antall år__text"] for row in rows if "Antall år__text" in row}
    assert texts == {"unknown number"}
    assert "unknown number" not in run.log


def test_a_pin_holds_for_a_field_that_appears_later(
    tap: Tap, config: dict[str, Any], catalog: dict[str, Any]
) -> None:
    pins = [{"field": "second_new", "type": "number"}]
    run = tap({**config, "field_types": pins}, catalog=catalog).check()
    assert run.properties("customers")["second_new"]["type"] == ["number", "null"]


def test_a_pin_of_an_unknown_type_is_named(tap: Tap, config: dict[str, Any]) -> None:
    run = tap({**config, "field_types": [{"field": "x", "type": "text"}]})
    assert run.status == 1
    assert "`field_types[0].type` must be string, integer," in run.last_line


def test_a_field_of_a_crm_that_joined_is_what_discovery_would_have_found(tap: Tap) -> None:
    """Else a table made from an old catalog would not fit the next one."""
    with Sandbox(customers=60, shape="prefixed") as cube:
        config = {"api_url": cube.url, "auth_token": cube.token}
        old = {**config, "crms": [{"data_owner_id": 1, "crm_type": "B2B"}]}
        catalog = select(tap.discover(old), "customers")
        evolved = tap(config, catalog=catalog).check().properties("customers")
        found = tap(config).check().properties("customers")
    assert "crm__custom_info__64" not in str(catalog)
    assert evolved["crm__custom_info__64"] == found["crm__custom_info__64"]
    assert all(found[name] == schema for name, schema in evolved.items())
