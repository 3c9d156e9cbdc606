"""A CRM whose records have another shape than the table fails, by one error that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.nights.cube import Crm, Cube
from tests.support import select

if TYPE_CHECKING:
    from tests.support import Record, Run, Tap

FLAT, PREFIXED = (1, "B2B"), (2, "B2B")
KEYS = {FLAT: "id", PREFIXED: "crm__customer_id"}
ACTIVATE: dict[str, Any] = {"emit_activate_version_messages": True}
STREAMS = ("customers", "customer_details")


def flat(amount: int = 5) -> Crm:
    """A CRM of the flat shape."""
    fields: list[Record] = [
        {"id": n, "email": f"{n}@example.com", "Pris": n} for n in range(1, 1 + amount)
    ]
    return Crm(customers=fields)


def prefixed(amount: int = 5) -> Crm:
    """A CRM of the prefixed shape. Two of its customers are anonymised, and have no key."""
    fields: list[Record] = [
        {"crm__customer_id": f"x{n}", "crm__custom_info__5": str(n)} for n in range(1, 1 + amount)
    ]
    fields += [{"crm__customer_id": "", "crm__custom_info__5": ""}, {"crm__custom_info__5": ""}]
    return Crm(customers=fields)


def assert_fails(run: Run, stream: str, crm: tuple[int, str], *, others: int = 0) -> None:
    """One error says what is wrong with a CRM, and what to do; nothing else happens."""
    found, expected = KEYS[crm], KEYS[PREFIXED if crm == FLAT else FLAT]
    subject = f"CRM {crm[0]}/B2B, {stream}"
    errors = [line for line in run.log.splitlines() if "| ERROR" in line and subject in line]
    assert len(errors) >= 1
    assert all(f"have the key `{found}`, but the table has `{expected}`" in e for e in errors)
    assert all("Discover again without STATE, and load into a new table" in e for e in errors)
    assert run.status == 1
    assert len(run.records(stream)) == others
    assert not run.of_type("ACTIVATE_VERSION", stream)
    assert "anonymised" not in run.log or others


@pytest.mark.parametrize("before", [FLAT, PREFIXED], ids=["flat", "prefixed"])
def test_a_crm_that_changed_its_shape_fails_and_nothing_is_deleted(
    tap: Tap, before: tuple[int, str]
) -> None:
    """With a kept catalog, and with fresh discovery as far as STATE tells."""
    makes = {FLAT: flat, PREFIXED: prefixed}
    after = PREFIXED if before == FLAT else FLAT
    with Cube() as cube:
        cube.crms = {after: makes[before]()}
        config = cube.settings(**ACTIVATE)
        catalog = select(tap.discover(config), *STREAMS)
        first = tap(config, catalog=catalog).check()
        assert len(first.records("customers")) == 5
        assert first.of_type("ACTIVATE_VERSION", "customers")
        cube.crms = {after: makes[after]()}
        for run in (
            tap(config, catalog=catalog, state=first.state),
            tap(config, state=first.state),
        ):
            for stream in STREAMS:
                if run.of_type("SCHEMA", stream):
                    assert_fails(run, stream, after)
        # Back to what it was, nothing is lost
        cube.crms = {after: makes[before]()}
        run = tap(config, catalog=catalog, state=run.state).check()
        assert run.rows("customers") == first.rows("customers")
        assert run.of_type("ACTIVATE_VERSION", "customers")


@pytest.mark.parametrize("down", [FLAT, PREFIXED], ids=["flat", "prefixed"])
def test_an_account_with_both_shapes_reads_one_of_them(tap: Tap, down: tuple[int, str]) -> None:
    """The CRM that fails during discovery does not decide on the shape."""
    up = PREFIXED if down == FLAT else FLAT
    with Cube() as cube:
        crms = {FLAT: flat(), PREFIXED: prefixed()}
        cube.crms = {**crms, down: Crm(customers=500)}
        config = cube.settings(**ACTIVATE)
        catalog = select(tap.discover(config), "customers")
        # It is still down; then it is back
        run = tap(config)
        assert run.status == 1
        assert "Cube answered with status 500" in run.last_line
        assert {row["data_owner_id"] for row in run.records("customers")} == {up[0]}
        assert not run.of_type("ACTIVATE_VERSION", "customers")
        cube.crms = crms
        run = tap(config, catalog=catalog, state=run.state)
        assert_fails(run, "customers", down, others=5)
        assert {row["data_owner_id"] for row in run.records("customers")} == {up[0]}
        # As the error says: by a run of its own
        own = [{"data_owner_id": down[0], "crm_type": down[1]}]
        assert len(tap({**config, "crms": own}).check().records("customers")) == 5


def test_both_shapes_from_the_start(tap: Tap) -> None:
    with Cube() as cube:
        cube.crms = {FLAT: flat(), PREFIXED: prefixed()}
        run = tap(cube.settings(**ACTIVATE))
        assert_fails(run, "customers", PREFIXED, others=5)
        assert "anonymised" not in run.log
        assert {row["data_owner_id"] for row in run.records("customers")} == {FLAT[0]}


def test_anonymised_customers_are_left_out_and_counted(tap: Tap) -> None:
    with Cube() as cube:
        cube.crms = {PREFIXED: prefixed()}
        run = tap(cube.settings(**ACTIVATE)).check()
        assert len(run.records("customers")) == 5
        assert "2 records have no `crm__customer_id`, as anonymised customers" in run.log
        assert run.of_type("ACTIVATE_VERSION", "customers")


def test_a_column_called_id_does_not_change_the_shape(tap: Tap) -> None:
    """It is of a field with this label, in prefixed records."""
    with Cube() as cube:
        cube.crms = {
            PREFIXED: Crm(
                customers=[{"crm__customer_id": "x1", "crm__custom_info__5": "1"}],
                definitions=[{"id": 5, "key": "ID", "type": "text"}],
            )
        }
        naming = {"field_names": "snake_case", "custom_field_names": "label"}
        config = cube.settings(**naming)
        catalog = select(tap.discover(config), "customers")
        first = tap(config, catalog=catalog).check()
        for run in (first, tap(config, catalog=catalog, state=first.state).check()):
            (schema,) = run.of_type("SCHEMA", "customers")
            assert schema["key_properties"][-1] == "crm__customer_id"
            assert [row["id"] for row in run.records("customers")] == ["1"]
