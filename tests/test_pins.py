"""The setting `field_types`: what is pinned is converted, kept as text, or refused at once."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox import Sandbox
from tests.schema.test_pins import ORDER, TABLE
from tests.support import select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Run, Tap

B2B = {"data_owner_id": 2, "crm_type": "B2B"}
KINDS = (*ORDER, "string")
EMPTY = (None, "")


@pytest.fixture
def cube() -> Iterator[Sandbox]:
    with Sandbox(customers=len(TABLE) + len(EMPTY), page_size=25) as running:
        yield running


def settings(cube: Sandbox, *pins: tuple[str, str], **more: Any) -> dict[str, Any]:
    login = {"api_url": cube.url, "auth_token": cube.token, "crms": [B2B]}
    return {**login, "field_types": [{"field": f, "type": t} for f, t in pins], **more}


def is_same(one: Any, other: Any) -> bool:
    """Equal, with the same digits and of the same type."""
    return repr(one) == repr(other)


def check_cell(row: dict[str, Any], kind: str, value: Any, converted: dict[str, Any]) -> None:
    column, text = f"As {kind}", row.get(f"As {kind}__text")
    if kind == "string":
        assert row[column] == value if value in EMPTY else says(row[column], value)
        assert text is None
    elif value in EMPTY or kind in converted:
        expected = None if value in EMPTY else converted[kind]
        if isinstance(expected, Decimal) and "." not in str(expected):
            expected = int(expected)  # JSON does not tell them apart
        assert is_same(row[column], expected)
        assert text is None
    else:
        assert row[column] is None
        assert says(text, value)


def says(text: Any, value: Any) -> bool:
    """Whether a text holds all of a value."""
    if isinstance(value, str):
        return bool(text == value.replace("\0", "\ufffd"))
    assert isinstance(text, str)
    return is_same(json.loads(text, parse_float=Decimal), value)


def check_table(run: Run) -> None:
    for kind in ORDER:
        schema = run.properties("customers")[f"As {kind}"]
        assert kind in {schema["type"][0], schema.get("format")}
        assert run.properties("customers")[f"As {kind}__text"]["type"] == ["string", "null"]
    rows = run.rows("customers")
    for row, (value, converted) in zip(rows, TABLE.values(), strict=False):
        for kind in KINDS:
            check_cell(row, kind, value, converted)
    for row, value in zip(rows[len(TABLE) :], EMPTY, strict=True):
        for kind in KINDS:
            check_cell(row, kind, value, {})


def test_each_value_in_each_kind_is_converted_or_kept_as_text(tap: Tap, cube: Sandbox) -> None:
    crm = cube.crms[2, "B2B"]
    values = [*(value for value, _ in TABLE.values()), *EMPTY]
    for customer, value in zip(crm.customers(), values, strict=True):
        crm.update(customer["id"], **{f"As {kind}": value for kind in KINDS})
    pins = [(f"As {kind}", kind) for kind in KINDS]
    # Pinned from the start, with a catalog from before the pins, and in another night
    unpinned = tap(settings(cube)).check()
    assert unpinned.properties("customers")["As date"]["type"] == ["string", "null"]
    check_table(first := tap(settings(cube, *pins)).check())
    catalog = select(tap.discover(settings(cube)), "customers")
    check_table(tap(settings(cube, *pins), catalog=catalog, state=unpinned.state).check())
    # The kinds stay when the pins go, but conversion does not
    later = tap(settings(cube), state=first.state).check()
    column = later.properties("customers")["As integer"]
    assert column["type"] == ["integer", "null"]
    number = [*TABLE].index("leading zeros")
    row = later.rows("customers")[number]
    assert (row["As integer"], row["As integer__text"]) == (None, "007")
    logs = first.log + later.log
    assert not any(str(value) in logs for value in values if len(str(value)) > 8)


def test_pins_on_keys_are_an_error_before_anything_is_read(tap: Tap, sandbox: Sandbox) -> None:
    keys = ("id", "data_owner_id", "crm_type", "row_key", "campaign__id")
    run = tap(settings(sandbox, *((name, "string") for name in keys)))
    assert run.status == 1
    names = ", ".join(f"`{name}`" for name in keys)
    assert f"`field_types` pins {names}: the types of keys" in run.last_line
    assert run.stdout == b""


def test_a_pin_on_a_key_is_an_error_in_each_mode(tap: Tap, sandbox: Sandbox) -> None:
    config = settings(sandbox, ("id", "string"))
    catalog = select(tap.discover(settings(sandbox)), "campaigns")
    for run in (tap(config, "--discover"), tap(config, "--test"), tap(config, catalog=catalog)):
        assert run.status == 1
        assert "pins `id`: the types of keys" in run.last_line
        assert run.stdout == b""
    # `crm__customer_id` is a key of prefixed records only
    catalog = select(catalog, "call_outcomes")
    run = tap(settings(sandbox, ("crm__customer_id", "integer")), catalog=catalog).check()
    assert run.properties("call_outcomes")["crm__customer_id"]["type"] == ["integer", "null"]


def test_a_pin_on_a_column_that_may_still_appear_is_a_warning(tap: Tap, sandbox: Sandbox) -> None:
    pins = (("Antal år", "integer"), ("zip_code", "integer"), ("campaign__name", "string"))
    config = settings(sandbox, *pins)
    warning = "`field_types` pins `Antal år`, but no stream has such a column so far"
    run = tap(config, "--discover")
    assert run.status == 0
    assert run.log.count(warning) == 1
    catalog = select(tap.discover(settings(sandbox)), "customers")
    run = tap(config, catalog=catalog).check()
    assert run.log.count(warning) == 1
    crm = sandbox.crms[2, "B2B"]
    crm.update(crm.customers()[-1]["id"], **{"Antal år": "007"})
    run = tap(config, catalog=catalog).check()
    assert warning not in run.log
    assert run.rows("customers")[-1]["Antal år"] == 7


def test_a_pin_on_a_column_that_cannot_appear_is_an_error(tap: Tap, sandbox: Sandbox) -> None:
    catalog = select(tap.discover(settings(sandbox)), "campaigns")
    run = tap(settings(sandbox, ("campaign__nam", "string")), catalog=catalog)
    assert run.status == 1
    assert "pins `campaign__nam`, but no stream has such a column" in run.last_line
    assert run.stdout == b""
    # Of a stream that is not selected, as one configuration may serve several runs
    tap(settings(sandbox, ("birth_date", "string")), catalog=catalog).check()
