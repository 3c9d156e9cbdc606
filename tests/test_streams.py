"""Each stream is Cube's own list, value for value, in both forms that its records have."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tap_cube.sandbox import Sandbox
from tap_cube.sandbox.faults import Fault, Faults
from tests.support import OWN_FIELDS, Run, Tap, in_columns, select, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Record

    Shape = Literal["flat", "prefixed"]

TODAY = dt.date(2024, 5, 20)
CRM = (2, "B2B")
SHAPES: tuple[Shape, ...] = ("flat", "prefixed")
KEYS = {"flat": "id", "prefixed": "crm__customer_id"}
DATED = ("call_outcomes", "product_registrations")
KEYED = (*DATED, "customer_statuses")
#: The streams of each CRM.
STREAMS = ("customers", "customer_details", "custom_fields", *KEYED)
ATTEMPTS = "callflow__attempts_status__attempts"
STAMP = "call_outcome__report_as__submitted_when_timestamp"


@pytest.fixture(params=SHAPES)
def cube(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Some of everything; what is documented to be empty or odd in some records is there."""
    with Sandbox(customers=60, today=TODAY, shape=request.param, page_size=25) as running:
        yield running


@pytest.fixture
def prefixed() -> Iterator[Sandbox]:
    with Sandbox(customers=30, today=TODAY, shape="prefixed", page_size=8) as running:
        yield running


def settings(cube: Sandbox, **more: Any) -> dict[str, Any]:
    login = {"api_url": cube.url, "auth_token": cube.token, "max_tries": 1}
    return {**login, "start_date": "2024-03-22", **more}


B2B = [{"data_owner_id": 2, "crm_type": "B2B"}]


def listed(cube: Sandbox, stream: str) -> list[Record]:
    """What Cube has of a stream in all CRMs, in their order, with the CRM's own two columns."""
    return [
        dict(zip(OWN_FIELDS, key, strict=True)) | record
        for key in sorted(cube.crms)
        for record in listed_in(cube, key, stream)
    ]


def listed_in(cube: Sandbox, key: tuple[int, str], stream: str) -> list[Record]:
    crm = cube.crms[key]
    customers = crm.customers()
    if stream == "customer_details":
        return [crm.customer(customer[crm.key_field]) for customer in customers]
    lists = {
        "customers": customers,
        "custom_fields": crm.definitions,
        "call_outcomes": crm.call_outcomes(),
        "product_registrations": crm.product_registrations(),
        "customer_statuses": crm.statuses(),
    }
    return lists[stream]


def found(run: Run, stream: str) -> list[Record]:
    records = run.rows(stream) if stream.startswith("customer_d") else run.records(stream)
    records = run.rows(stream) if stream == "customers" else records
    if stream in KEYED:
        assert len({record.pop("row_key") for record in records}) == len(records)
    return records


def assert_all_is_there(cube: Sandbox, run: Run) -> None:
    for stream in STREAMS:
        expected = in_columns(listed(cube, stream), run.properties(stream))
        assert found(run, stream) == expected, stream
        assert len(run.of_type("SCHEMA", stream)) == 1
    campaigns = in_columns(cube.campaigns, run.properties("campaigns"))
    assert found(run, "campaigns") == campaigns


def test_every_stream_equals_the_list_of_every_crm(tap: Tap, cube: Sandbox) -> None:
    catalog = select(tap.discover(settings(cube)), *STREAMS, "campaigns")
    cube.requests.clear()
    assert_all_is_there(cube, tap(settings(cube), catalog=catalog).check())

    key = KEYS[cube.shape]
    assert stream_of(catalog, "customers")["key_properties"] == [*OWN_FIELDS, key]
    assert stream_of(catalog, "customer_details")["key_properties"] == [*OWN_FIELDS, key]
    for stream in KEYED:
        assert stream_of(catalog, stream)["key_properties"] == ["row_key"]


def test_without_a_catalog_all_but_the_single_customers_come(tap: Tap, cube: Sandbox) -> None:
    run = tap(settings(cube)).check()
    assert not run.of_type("SCHEMA", "customer_details")
    for stream in {*STREAMS} - {"customer_details"}:
        expected = in_columns(listed(cube, stream), run.properties(stream))
        assert found(run, stream) == expected, stream


@pytest.mark.parametrize("shape", SHAPES)
def test_with_a_catalog_nothing_is_asked_twice(tap: Tap, shape: Shape) -> None:
    with Sandbox(customers=30, today=TODAY, shape=shape, page_size=500) as cube:
        config = settings(cube, crms=B2B, start_date="2024-05-18")
        catalog = tap.discover(config)
        cube.requests.clear()
        tap(config, catalog=select(catalog, "customers", "customer_statuses")).check()
        owner = "/api/v1/data_owners/2/"
        paths = [target.removeprefix(owner) for _, target in cube.requests]
    flat, later = "crm/B2B/customers/", "B2B/customers/"
    lists = [flat] if shape == "flat" else [flat, later]
    definitions = "B2B/crm_custom_fields/"
    assert sorted(paths) == sorted([*lists, definitions, "crm/B2B/callflow_customers/"])


def test_no_single_customer_is_lost_while_their_path_is_found_out(
    tap: Tap, prefixed: Sandbox
) -> None:
    prefixed.latency = 0.02
    config = settings(prefixed, crms=B2B, concurrency=16)
    catalog = select(tap.discover(config), "customer_details")
    run = tap(config, catalog=catalog).check()
    ids = [record["crm__customer_id"] for record in run.records("customer_details")]
    assert ids == [row["crm__customer_id"] for row in prefixed.crms[CRM].customers()]


@pytest.mark.parametrize("status", ["403", "404"])
@pytest.mark.parametrize("path", ["call_outcomes", "product_registrations", "callflow_customers"])
def test_what_an_account_lacks_is_left_out_with_one_warning(
    tap: Tap, prefixed: Sandbox, path: str, status: str
) -> None:
    stream = {"callflow_customers": "customer_statuses"}.get(path, path)
    prefixed.faults = Faults(Fault(status, match=f"/{path}/"))
    run = tap(settings(prefixed), "--discover")
    assert run.status == 0
    catalog = json.loads(run.stdout)
    names = {entry["tap_stream_id"] for entry in catalog["streams"]}
    assert names == {*STREAMS, "campaigns"} - {stream}
    warnings = [line for line in run.log.splitlines() if "WARNING" in line]
    assert len(warnings) == 1
    assert f"{stream}: " in warnings[0]
    assert f"({status})" in warnings[0]
    assert warnings[0].endswith("The stream is left out")


def test_two_streams_that_are_lacking_are_left_out_of_a_run_that_succeeds(
    tap: Tap, prefixed: Sandbox
) -> None:
    faults = (Fault("404", match="/call_outcomes/"), Fault("403", match="/callflow_customers/"))
    prefixed.faults = Faults(*faults)
    run = tap(settings(prefixed)).check()
    assert run.log.count("The stream is left out") == 2
    assert found(run, "customers")
    assert found(run, "product_registrations")
    for stream in ("call_outcomes", "customer_statuses"):
        assert not run.of_type("SCHEMA", stream)


@pytest.mark.parametrize("status", ["403", "404"])
def test_a_selected_stream_that_then_fails_is_an_error(
    tap: Tap, prefixed: Sandbox, status: str
) -> None:
    config = settings(prefixed, crms=B2B)
    catalog = select(tap.discover(config), "customers", "customer_statuses")
    prefixed.faults = Faults(Fault(status, match="/callflow_customers/"))
    run = tap(config, catalog=catalog)
    assert run.status == 1
    assert "CRM 2/B2B, customer_statuses: " in run.last_line
    assert f"({status})" in run.last_line
    assert len(run.rows("customers")) == 30


def test_anonymised_customers_are_left_out_of_the_list_with_their_number(
    tap: Tap, prefixed: Sandbox
) -> None:
    crm = prefixed.crms[CRM]
    kept = crm.customers()
    for position in (0, 7, 8, 29):
        crm.update(kept[position]["crm__customer_id"], crm__customer_id="")
    expected = [row for row in crm.customers() if row["crm__customer_id"]]
    run = tap(settings(prefixed, crms=B2B, emit_activate_version_messages=True)).check()
    names = [record["crm__standard_info__name"] for record in run.rows("customers")]
    assert names == [row["crm__standard_info__name"] for row in expected]
    # On Python 3.10 one of Python's own says that the SDK will soon no longer support it
    warnings = [
        line for line in run.log.splitlines() if "WARNING" in line and "py.warnings" not in line
    ]
    assert len(warnings) == 1
    assert "CRM 2/B2B, customers: 4 records have no `crm__customer_id`" in warnings[0]
    assert run.of_type("ACTIVATE_VERSION", "customers"), "nobody else is missing"


def test_documented_types_hold_what_is_documented(tap: Tap, prefixed: Sandbox) -> None:
    crm = prefixed.crms[CRM]
    moment = dt.datetime(2024, 2, 12, 10, 27, 6, 477_000)  # noqa: DTZ001  # Norway's
    crm.add_outcome(moment)
    crm.add_status(**{ATTEMPTS: ""})
    crm.add_status(**{ATTEMPTS: 7})
    run = tap(settings(prefixed, crms=B2B, start_date="2024-02-12")).check()

    assert run.properties("customer_statuses")[ATTEMPTS]["type"] == ["integer", "null"]
    attempts = [record[ATTEMPTS] for record in run.records("customer_statuses")]
    assert attempts[-2:] == [None, 7]
    archived = run.properties("campaigns")["campaign__archived_date"]
    assert (archived["type"], archived["format"]) == (["string", "null"], "date")
    dates = {record["campaign__archived_date"] for record in run.records("campaigns")}
    assert dates == {None, "2022-12-15", "2023-12-31"}
    first = run.records("call_outcomes")[0]
    assert first[STAMP] == "2024-02-12T10:27:06.477+01:00"
    assert run.properties("call_outcomes")[STAMP]["format"] == "date-time"
    assert run.properties("product_registrations")["product__price"]["type"] == ["number", "null"]


def test_a_price_keeps_every_digit(tap: Tap, prefixed: Sandbox) -> None:
    run = tap(settings(prefixed, crms=B2B)).check()
    prices = [row["product__price"] for row in prefixed.crms[CRM].product_registrations()]
    lines = [
        line
        for line in run.stdout.splitlines()
        if line.startswith(b'{"type":"RECORD","stream":"product_registrations"')
    ]
    for price, line in zip(prices, lines, strict=True):
        assert b'"product__price":%b,' % str(price).encode() in line
    assert "1234567890.123456789" in map(str, prices)
    assert "599.90" in map(str, prices)


def test_a_postal_code_keeps_its_zeros(tap: Tap, sandbox: Sandbox) -> None:
    crm = sandbox.crms[CRM]
    for position, customer in enumerate(crm.customers()):
        crm.update(customer["id"], zip_code=f"{position:04}")
    run = tap(settings(sandbox, crms=B2B)).check()
    codes = [record["zip_code"] for record in run.rows("customers")]
    assert codes == [f"{position:04}" for position in range(60)]


def test_what_does_not_fit_a_pinned_type_is_null_and_counted(tap: Tap, prefixed: Sandbox) -> None:
    crm = prefixed.crms[CRM]
    field = "crm__custom_info__64"
    for position, customer in enumerate(crm.customers()):
        value = "hemmelig tekst" if position % 10 == 3 else position
        crm.update(customer["crm__customer_id"], **{field: value})
    pins = [{"field": field, "type": "integer"}]
    run = tap(settings(prefixed, crms=B2B, field_types=pins)).check()
    assert run.properties("customers")[field]["type"] == ["integer", "null"]
    values = [record[field] for record in run.rows("customers")]
    assert values == [None if n % 10 == 3 else n for n in range(30)]
    texts = [record.get(f"{field}__text") for record in run.rows("customers")]
    assert texts == ["hemmelig tekst" if n % 10 == 3 else None for n in range(30)]
    assert "hemmelig" not in run.log


@pytest.mark.parametrize("field_names", ["source", "snake_case"])
def test_a_field_that_is_called_as_a_column_of_the_tap_keeps_its_value(
    tap: Tap, sandbox: Sandbox, field_names: str
) -> None:
    crm = sandbox.crms[2, "B2B"]
    crm.update(crm.customers()[7]["id"], crm_type="egen verdi", data_owner_id="9")
    config = {"api_url": sandbox.url, "auth_token": sandbox.token, "field_names": field_names}
    run = tap({**config, "crms": [{"data_owner_id": 2, "crm_type": "B2B"}]}).check()
    record = run.rows("customers")[7]
    assert (record["data_owner_id"], record["crm_type"]) == (2, "B2B")
    assert (record["data_owner_id_in_cube"], record["crm_type_in_cube"]) == ("9", "egen verdi")
