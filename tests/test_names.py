"""Columns are called as the user wants, no two alike, and no value is lost on the way."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox import Sandbox
from tap_cube.sandbox.faults import Fault, Faults
from tap_cube.schema.names import snake_case
from tests.support import OWN_FIELDS, Run, Tap, in_columns, select, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Record

TODAY = dt.date(2024, 5, 20)
LONG = "Et felt som sier hva kunden ønsker seg av oss til jul og påske, i år og helst i fj"
NASTY = (
    *("Pris", "pris", "PRIS", "Pris", "Pris (503)", "pris_503", "Pris ", " Pris", "Pris."),
    *('Han sa "hei"', "it's", "a.b", "a/b", "a\\b", "a b", "a-b", "a_b", "A  B", "a\tb\n"),
    *("😀", "😀😀", "Цена", "Ærlig talt", "aerlig talt", "ß", "ss", "SS", "!!!", "???", "_"),
    *(f"{LONG}or", f"{LONG}os", "_" * 70, "2. telefon", "42", "select", "table", "User", "field"),
    *("crm__standard_info__name", "crm__customer_id", "row_key", "data_owner_id", "crm_type"),
    *("CRM_TYPE", "crm__custom_info__501", "call_outcome__type", "TITLE", "title", "Straße"),
)
SETTINGS = {
    "labels": {"custom_field_names": "label"},
    "snake case": {"field_names": "snake_case"},
    "both": {"custom_field_names": "label", "field_names": "snake_case"},
}
STREAMS = ("customers", "customer_details", "call_outcomes", "product_registrations")


def define(cube: Sandbox, labels: tuple[str, ...], crm_key: tuple[int, str] = (2, "B2B")) -> None:
    """Give a CRM fields with these labels, and each of its customers a value of its own in each."""
    crm = cube.crms[crm_key]
    start = 500
    crm.definitions = [
        {"id": n, "key": label, "type": "text", "lookup__id": f"crm__custom_info__{n}"}
        for n, label in enumerate(labels, start)
    ]
    for customer in crm.customers():
        key = customer["crm__customer_id"]
        fields = {
            field["lookup__id"]: f"{field['id']} of {key} in {crm_key}" for field in crm.definitions
        }
        fields |= {"crm__custom_info__9001": f"undefined of {key}", "Pris": f"bare of {key}"}
        crm.update(key, **fields)
    crm.clear_events()
    crm.add_events(20)


@pytest.fixture
def cube() -> Iterator[Sandbox]:
    with Sandbox(customers=12, today=TODAY, shape="prefixed", outcomes=0) as running:
        define(running, NASTY)
        yield running


@pytest.fixture(params=SETTINGS)
def config(request: pytest.FixtureRequest, cube: Sandbox) -> dict[str, Any]:
    return settings(cube, **SETTINGS[request.param])


def settings(cube: Sandbox, **more: Any) -> dict[str, Any]:
    login = {"api_url": cube.url, "auth_token": cube.token, "max_tries": 1}
    crms = [{"data_owner_id": 2, "crm_type": "B2B"}]
    return {**login, "crms": crms, "start_date": "2024-03-22", **more}


def listed(cube: Sandbox, stream: str) -> list[Record]:
    crm = cube.crms[2, "B2B"]
    if stream == "customer_details":
        return [crm.customer(row["crm__customer_id"]) for row in crm.customers()]
    lists = {
        "customers": crm.customers,
        "call_outcomes": crm.call_outcomes,
        "product_registrations": crm.product_registrations,
    }
    return lists[stream]()


def columns_of(cube: Sandbox, run: Run, stream: str) -> dict[str, str]:
    """The column of each field, found by the values; the same one in all records."""
    found: dict[str, str] = {}
    records, rows = run.records(stream), listed(cube, stream)
    assert len(records) == len(rows) > 0
    for record, row in zip(records, rows, strict=True):
        by_value = {value: column for column, value in record.items()}
        for field, value in row.items():
            if " of " in str(value):
                assert found.setdefault(field, by_value[value]) == by_value[value]
    return found


def assert_no_value_is_lost(cube: Sandbox, run: Run, stream: str) -> None:
    added = {*OWN_FIELDS} if "customer" in stream else {*OWN_FIELDS, "row_key"}
    for record, row in zip(run.records(stream), listed(cube, stream), strict=True):
        kept = Counter(plain(value) for name, value in record.items() if name not in added)
        assert kept == Counter(map(plain, row.values()))


def plain(value: Any) -> str:
    """A value without the documented conversions."""
    return re.sub(r"([+-]\d\d):(\d\d)$", r"\1\2", "" if value is None else str(value))


def test_no_two_columns_are_alike_and_no_value_is_lost(
    tap: Tap, cube: Sandbox, config: dict[str, Any]
) -> None:
    catalog = select(tap.discover(config), *STREAMS)
    run = tap(config, catalog=catalog).check()
    for stream in STREAMS:
        names = list(run.properties(stream))
        assert len({name.casefold() for name in names}) == len(names)
        assert_no_value_is_lost(cube, run, stream)
        columns = columns_of(cube, run, stream)
        assert len(set(columns.values())) == len(columns) >= len(NASTY)
        if "field_names" in config:
            assert [n for n in names if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", n)] == []


def test_names_are_the_same_in_each_run_with_and_without_a_catalog(
    tap: Tap, cube: Sandbox, config: dict[str, Any]
) -> None:
    catalog = tap.discover(config)
    runs = [tap(config), tap(config), tap(config, catalog=catalog)]
    for stream in ("customers", "call_outcomes"):
        first, *others = [columns_of(cube, run.check(), stream) for run in runs]
        assert others == [first, first]
        found = list(stream_of(catalog, stream)["schema"]["properties"])
        assert all(list(run.properties(stream)) == found for run in runs)
        assert all(len(run.of_type("SCHEMA", stream)) == 1 for run in runs)


def test_with_a_catalog_a_field_keeps_its_column_when_another_wants_it(
    tap: Tap, cube: Sandbox, config: dict[str, Any]
) -> None:
    crm = cube.crms[2, "B2B"]
    catalog = tap.discover(config)
    before = columns_of(cube, tap(config, catalog=catalog).check(), "customers")
    rivals: list[dict[str, Any]] = [
        {"id": 1 + n, "key": label, "type": "text", "lookup__id": f"crm__custom_info__{1 + n}"}
        for n, label in enumerate(("PrIs", "a+b", "Select", "2 telefon", f"{LONG}ot"))
    ]
    crm.definitions = [*rivals, *crm.definitions]
    for customer in crm.customers():
        key = customer["crm__customer_id"]
        fields: dict[str, Any] = {f["lookup__id"]: f"rival {f['id']} of {key}" for f in rivals}
        crm.update(key, **fields, PRis=f"another of {key}")
    run = tap(config, catalog=catalog).check()
    after = columns_of(cube, run, "customers")
    assert {field: after[field] for field in before} == before
    assert len(set(after.values())) == len(after) == len(before) + 6
    assert len({name.casefold() for name in run.properties("customers")}) == len(
        run.properties("customers")
    )


def test_a_label_is_one_column_in_all_crms(tap: Tap, cube: Sandbox) -> None:
    both = [{"data_owner_id": 2, "crm_type": type_} for type_ in ("B2B", "B2C")]
    define(cube, ("Telefon", "Pris", "Bare her"))
    define(cube, ("Bare der", "Pris", "Telefon", "Telefon"), (2, "B2C"))
    run = tap(settings(cube, crms=both, custom_field_names="label")).check()
    columns = run.properties("customers")
    assert {"Telefon", "Pris", "Telefon (503)", "Bare her", "Bare der"} <= columns.keys()
    assert columns["Telefon (503)"]["title"] == "Telefon"
    values = {
        (record["crm_type"], name): value
        for record in run.rows("customers")
        for name, value in record.items()
    }
    assert values["B2B", "Telefon"].startswith("500 of ")
    assert values["B2C", "Telefon"].startswith("502 of ")
    assert values["B2C", "Telefon (503)"].startswith("503 of ")
    assert values["B2B", "Pris"].startswith("501 of ")


def test_keys_and_bookmarks_use_the_names_that_are_emitted(
    tap: Tap, cube: Sandbox, config: dict[str, Any]
) -> None:
    run = tap(config).check()
    for stream in ("customers", "call_outcomes", "product_registrations", "customer_statuses"):
        (message,) = run.of_type("SCHEMA", stream)
        keys = message["key_properties"]
        columns = message["schema"]["properties"].keys()
        assert {*keys, *message.get("bookmark_properties", ())} <= columns
        assert all({*keys} <= record.keys() for record in run.records(stream))
        for partition in run.state["bookmarks"][stream]["partitions"]:
            assert partition.get("replication_key", "crm_type") in run.properties(stream)
    ids = [record["crm__customer_id"] for record in run.rows("customers")]
    assert ids == [row["crm__customer_id"] for row in cube.crms[2, "B2B"].customers()]


def test_one_column_is_selected_by_the_name_that_is_emitted(tap: Tap, cube: Sandbox) -> None:
    config = settings(cube, **SETTINGS["both"])
    catalog = select(tap.discover(config), "customers")
    for entry in stream_of(catalog, "customers")["metadata"]:
        if entry["breadcrumb"]:
            entry["metadata"]["selected"] = entry["breadcrumb"][1] == "aerlig_talt"
    run = tap(config, catalog=catalog).check()
    wanted = {*OWN_FIELDS, "crm__customer_id", "aerlig_talt"}
    assert all(set(record) == wanted for record in run.rows("customers"))
    number = 500 + NASTY.index("Ærlig talt")
    rows = cube.crms[2, "B2B"].customers()
    found = [record["aerlig_talt"] for record in run.rows("customers")]
    assert found == [row[f"crm__custom_info__{number}"] for row in rows]


def test_by_default_fields_keep_their_names_and_labels_are_titles(tap: Tap, cube: Sandbox) -> None:
    run = tap(settings(cube)).check()
    for stream in ("customers", "call_outcomes"):
        columns = columns_of(cube, run, stream)
        assert all(field == column for field, column in columns.items())
        titles = [run.properties(stream)[f"crm__custom_info__{500 + n}"] for n in range(len(NASTY))]
        assert [column["title"] for column in titles] == [*NASTY]


@pytest.mark.parametrize("with_catalog", [False, True])
def test_labels_that_cannot_be_read_are_an_error_and_no_other_names(
    tap: Tap, cube: Sandbox, *, with_catalog: bool
) -> None:
    config = settings(cube, **SETTINGS["labels"])
    files: dict[str, Any] = {"catalog": tap.discover(config)} if with_catalog else {}
    cube.faults = Faults(Fault("500", match="crm_custom_fields"))
    run = tap(config, **files)
    assert run.status == 1
    assert "the definitions of its fields, which name columns, are missing" in run.log
    assert run.rows("customers") == run.records("call_outcomes") == []


def test_flat_records_in_snake_case(tap: Tap, sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    for customer in crm.customers():
        crm.update(customer["id"], **{"Bransje/næring": f"Sjømat på Åsøya {customer['id']} 😀"})
    run = tap(settings(sandbox, field_names="snake_case")).check()
    columns = run.properties("customers")
    assert columns["bransje_naering"]["title"] == "Bransje/næring"
    assert {"gen_info_1", "active_products", "kontaktperson_pa_mote", "zip_code"} <= set(columns)
    names = {column.get("title", name): name for name, column in columns.items()}
    rows = [{names[f]: value for f, value in row.items()} for row in crm.customers()]
    own = dict(zip(OWN_FIELDS, (2, "B2B"), strict=True))
    assert run.rows("customers") == [own | row for row in in_columns(rows, columns)]


ODD = ("", "_" * 200, "9" * 80, "é" * 64, "\u0000", "a" * 62 + "_b", "  ", "_1", "1_")


@pytest.mark.parametrize("text", sorted({*NASTY, *ODD}))
def test_snake_case_is_a_name_in_every_database(text: str) -> None:
    assert re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", snake_case(text))


@pytest.mark.parametrize(
    "field", ['Skjerm 27"', "C:\\mappe", "a\tb", "a\nb", "\x1f", "\x7f", "", "__class__", "f0"]
)
def test_any_name_is_read_like_any_other(tap: Tap, sandbox: Sandbox, field: str) -> None:
    crm = sandbox.crms[2, "B2B"]
    for position, customer in enumerate(crm.customers()):
        crm.update(customer["id"], **{field: f"value {position}"})
    sandbox.page_size = 10
    config = {
        "api_url": sandbox.url,
        "auth_token": sandbox.token,
        "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
    }
    found = tap(config).check().rows("customers")
    assert [record[field] for record in found] == [f"value {n}" for n in range(60)]
