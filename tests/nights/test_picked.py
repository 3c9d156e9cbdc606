"""Who picks columns picks fields: a catalog that was made without STATE may call them otherwise."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from tests.nights.cube import Crm, Cube
from tests.support import deselect, select, stream_of

if TYPE_CHECKING:
    from tests.support import Run, Tap

KEY = (2, "B2B")


def crm(labels: dict[int, str]) -> Crm:
    """A CRM with one customer, whose values of defined fields are their ids."""
    definitions = [{"id": id_, "key": label, "type": "text"} for id_, label in labels.items()]
    return Crm(definitions, [{"id": 1, **{label: f"{id_}" for id_, label in labels.items()}}])


def held(run: Run) -> dict[str, Any]:
    (row,) = run.records("customers")
    return {name: value for name, value in row.items() if str(value).isdigit() and name != "id"}


@pytest.mark.parametrize(
    ("later", "unwanted", "expected"),
    [
        ({501: "Price"}, "phone_1", {"Pris": "501"}),
        ({501: "Price"}, "Price", {}),
        ({501: "Price", 777: "Pris"}, "phone_1", {"Pris": "501", "Pris (777)": "777"}),
        ({501: "Price", 777: "Pris"}, "Price", {"Pris (777)": "777"}),
        ({501: "Price", 777: "Pris"}, "Pris", {"Pris": "501"}),
    ],
)
def test_fields_that_were_renamed(
    tap: Tap, later: dict[int, str], unwanted: str, expected: dict[str, str]
) -> None:
    with Cube() as cube:
        cube.crms = {KEY: crm({501: "Pris"})}
        config = cube.settings()
        state = tap(config).check().state
        cube.crms = {KEY: crm(later)}
        catalog = deselect(select(tap.discover(config), "customers"), "customers", unwanted)
        for settings in ({}, {"stream_maps": {"customers": {"copy": "record.get('email')"}}}):
            run = tap({**config, **settings}, catalog=catalog, state=state).check()
            row = {k: v for k, v in held(run).items() if k != "data_owner_id"}
            assert row == expected
            assert expected.keys() <= run.properties("customers").keys()


def test_labels_that_were_swapped(tap: Tap) -> None:
    with Cube() as cube:
        cube.crms = {KEY: crm({501: "Antall", 502: "Pris"})}
        config = cube.settings()
        state = tap(config).check().state
        cube.crms = {KEY: crm({501: "Pris", 502: "Antall"})}
        catalog = deselect(select(tap.discover(config), "customers"), "customers", "Pris")
        run = tap(config, catalog=catalog, state=state).check()
        assert held(run) == {"data_owner_id": 2, "Pris": "502"}
        assert "Antall" not in run.properties("customers")


def test_misfits_of_a_column_still_go_where_they_went(tap: Tap) -> None:
    with Cube() as cube:
        customers: list[dict[str, Any]] = [{"id": 1, "n": 5}, {"id": 2, "n": 6}]
        cube.crms = {KEY: Crm([], customers)}
        config = cube.settings()
        state = tap(config).check().state
        customers[1]["n"] = "ca. 30"
        run = tap(config, state=state).check()
        assert run.rows("customers")[1]["n__text"] == "ca. 30"
        catalog = select(tap.discover(config), "customers")
        assert "n__text" not in stream_of(catalog, "customers")["schema"]["properties"]
        picked = deselect(catalog, "customers", "email")
        again = tap(config, catalog=picked, state=run.state).check()
        assert again.rows("customers")[1]["n__text"] == "ca. 30"
        unpicked = deselect(catalog, "customers", "n")
        again = tap(config, catalog=unpicked, state=run.state).check()
        assert not {"n", "n__text"} & again.properties("customers").keys()


@pytest.mark.parametrize("setting", ["fail", "discard"])
def test_new_fields_are_kept_out_without_a_catalog_too(tap: Tap, setting: str) -> None:
    """A field is new if discovery, which looks at a sample, did not see it."""
    with Cube() as cube:
        customers = [{"id": id_} for id_ in range(1, 200)]
        cube.crms = {KEY: Crm([], [*customers, {"id": 200, "Ny": "x"}])}
        config = cube.settings(sample_size=1, new_fields=setting)
        run = tap(config)
        assert not any("Ny" in row for row in run.records("customers"))
        assert run.status == (setting == "fail")
        assert "Ny" in (run.last_line if setting == "fail" else run.log)
        dataclasses.replace(run, status=0).check()


def test_a_documented_column_keeps_its_type_whatever_a_catalog_says(tap: Tap) -> None:
    with Cube() as cube:
        cube.crms = {KEY: Crm([], [{"id": 1, "birth_date": "1990-01-31"}])}
        config = cube.settings()
        catalog = select(tap.discover(config), "customers")
        first = tap(config, catalog=catalog).check()
        columns = stream_of(catalog, "customers")["schema"]["properties"]
        before, columns["birth_date"] = columns["birth_date"], {"type": ["integer", "null"]}
        again = tap(config, catalog=catalog, state=first.state).check()
        now = again.properties("customers")["birth_date"]
        assert (now["type"], now["format"]) == (before["type"], before["format"])
        assert again.records("customers") == first.records("customers")


def test_a_defined_field_is_not_taken_for_one_of_the_same_name(tap: Tap) -> None:
    """Each of them arrives, or not, as its own column of the catalog says."""
    with Cube() as cube:
        customer = {"crm__customer_id": "c1", "Antall": "1"}
        cube.crms = {KEY: Crm([], [customer])}
        config = cube.settings(custom_field_names="label")
        state = tap(config).check().state
        state = tap(config, state=state).check().state
        customer["crm__custom_info__503"] = "503"
        cube.crms = {KEY: Crm([{"id": 503, "key": "Antall", "type": "text"}], [customer])}
        catalog = select(tap.discover(config), "customers")
        columns = stream_of(catalog, "customers")["schema"]["properties"]
        defined, bare = (name for name in columns if name.startswith("Antall"))
        for unwanted, expected in ((defined, {"Antall": "1"}), (bare, {"Antall (503)": "503"})):
            picked = deselect(copy.deepcopy(catalog), "customers", unwanted)
            run = tap(config, catalog=picked, state=state).check()
            assert held(run) == {"data_owner_id": 2, **expected}


@pytest.mark.parametrize("unwanted", ["email", "x__text", "x"])
def test_a_field_that_is_called_like_a_column_for_misfits(tap: Tap, unwanted: str) -> None:
    with Cube() as cube:
        customers: list[dict[str, Any]] = [{"id": 1, "x": 5}]
        cube.crms = {KEY: Crm([], customers)}
        config = cube.settings()
        state = tap(config).check().state
        customers[0]["x"] = "ca. 5"
        state = tap(config, state=state).check().state
        customers[0]["x__text"] = "real"
        catalog = deselect(select(tap.discover(config), "customers"), "customers", unwanted)
        (row,) = tap(config, catalog=catalog, state=state).check().records("customers")
        assert (row.get("x__text") == "ca. 5") == (unwanted != "x")
        assert ("real" in row.values()) == (unwanted != "x__text")


def test_a_catalog_of_a_night_without_customers(tap: Tap) -> None:
    """It has the key of the other form. The table keeps its own, and loses nothing."""
    with Cube() as cube:
        customers = [{"crm__customer_id": "c1", "crm__custom_info__64": "64"}]
        cube.crms = {KEY: Crm([], customers)}
        config = cube.settings()
        first = tap(config).check()
        cube.crms = {KEY: Crm([], [])}
        catalog = select(tap.discover(config), "customers")
        cube.crms = {KEY: Crm([], customers)}
        again = tap(config, catalog=catalog, state=first.state).check()
        assert again.records("customers") == first.records("customers")
        assert again.properties("customers")["id"]["type"] == ["integer", "null"]
