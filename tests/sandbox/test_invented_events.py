from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from tap_cube.sandbox import Sandbox
from tests.sandbox.support import (
    CHANGE_FIELDS,
    COMMENT,
    PREFIXED_FIELDS,
    REGISTRATIONS,
    SUBMITTED,
    TODAY,
    day_of,
    get,
)

OUTCOME = [
    COMMENT,
    f"{SUBMITTED}by",
    f"{SUBMITTED}in_team",
    "call_outcome__type",
    "call_outcome__subtype",
    f"{SUBMITTED}when",
    f"{SUBMITTED}when_timestamp",
]


WHERE = ["campaign__name", "campaign__crm_type", "data_owner__name", "segment__name"]


def test_records_of_events_have_all_documented_fields(either_shape: Sandbox) -> None:
    crm = either_shape.crms[2, "B2B"]
    extra = [f"call_outcome__extra__{x}" for x in ("Ønsket møtedag", "Nåværende leverandør")]
    outcome = [*PREFIXED_FIELDS, *CHANGE_FIELDS, *OUTCOME, *extra, *WHERE]
    product = [f"product__{field}" for field in ("code", "title", "price")]
    labels = [f"product__extra__{x}" for x in ("Bindingstid (måneder)", "Montørbesøk")]
    change = ("user", "when", "cause", "alternative", "comment")
    status = [
        *(*PREFIXED_FIELDS, *CHANGE_FIELDS),
        "callflow__attempts_status__attempts",
        "callflow__callstate__name",
        *(f"callflow__last_change__{field}" for field in change),
        *WHERE,
        *(f"product__{code}" for code in ("FIBER500", "FIBER1000", "STRØM-SPOT")),
    ]
    assert {tuple(record) for record in crm.call_outcomes()} == {tuple(outcome)}
    registrations = crm.product_registrations()
    assert {tuple(record) for record in registrations} == {(*outcome, *product, *labels)}
    assert {tuple(record) for record in crm.statuses()} == {tuple(status)}
    attempts = {record["callflow__attempts_status__attempts"] for record in crm.statuses()}
    assert attempts == {"", 0, 1, 2, 3, 5}
    campaigns = {"Vårkampanje bredbånd", "Høstkampanje"}
    for found in (crm.call_outcomes(), registrations, crm.statuses()):
        assert {record["campaign__name"] for record in found} == campaigns


def test_events_are_of_the_customers(either_shape: Sandbox) -> None:
    crm = either_shape.crms[2, "B2B"]
    names = [row.get("name", row.get(PREFIXED_FIELDS[1])) for row in crm.customers()]
    assert [row[PREFIXED_FIELDS[1]] for row in crm.statuses()] == names
    assert {row[PREFIXED_FIELDS[1]] for row in crm.call_outcomes()} <= {*names}
    assert all(row["crm__customer_id"] != "" for row in crm.call_outcomes())
    anonymised = [row for row in crm.product_registrations() if row["crm__customer_id"] == ""]
    assert 0 < len(anonymised) < len(crm.product_registrations())
    for row in anonymised:
        assert {row[field] for field in (*PREFIXED_FIELDS, *CHANGE_FIELDS)} == {""}
        assert row["campaign__name"]


def test_events_fill_the_days_up_to_today(either_shape: Sandbox) -> None:
    crm = either_shape.crms[2, "B2B"]
    days = [day_of(record) for record in crm.call_outcomes()]
    assert days == sorted(days)
    assert (days[0], days[-1]) == (TODAY - timedelta(59), TODAY)
    assert day_of(crm.product_registrations()[-1]) == TODAY


def test_some_events_look_alike_and_some_but_for_the_comment() -> None:
    crm = Sandbox(customers=60, today=TODAY).crms[2, "B2B"]
    for found in (crm.call_outcomes(), crm.product_registrations()):
        whole = Counter(tuple(record.items()) for record in found)
        assert max(whole.values()) == 2
        rest = Counter(tuple(item for item in record if item[0] != COMMENT) for record in whole)
        assert max(rest.values()) == 2


def test_every_digit_of_a_price_is_kept(either_shape: Sandbox) -> None:
    crm = either_shape.crms[2, "B2B"]
    long = Decimal("1234567890.123456789")
    prices = {row["product__price"] for row in crm.product_registrations()}
    assert long in prices
    assert all(round(price, 2) == price for price in prices - {long})
    assert {type(price) for price in prices} == {int, Decimal}
    assert b'"product__price":1234567890.123456789,' in get(either_shape, REGISTRATIONS).content
    added = crm.add_registration(datetime(2024, 5, 20, 9, 0), product__price=Decimal("0.10"))  # noqa: DTZ001 - Norway's
    assert str(added["product__price"]) == "0.10"
    assert b'"product__price":0.10,' in get(either_shape, REGISTRATIONS).content


def test_times_are_norways() -> None:
    crm = Sandbox(customers=1, today=TODAY).crms[2, "B2B"]
    summer = crm.add_outcome(datetime(2024, 5, 1, 23, 30, tzinfo=timezone.utc))
    assert summer[f"{SUBMITTED}when"] == "2024-05-02 01:30"
    assert summer[f"{SUBMITTED}when_timestamp"] == "2024-05-02T01:30:00.000+0200"
    assert crm.call_outcomes(date(2024, 5, 2), date(2024, 5, 2)) == [summer]
    winter = crm.add_outcome(datetime(2020, 2, 12, 10, 27, 6, 477_000))  # noqa: DTZ001 - Norway's
    assert winter[f"{SUBMITTED}when"] == "2020-02-12 10:27"
    assert winter[f"{SUBMITTED}when_timestamp"] == "2020-02-12T10:27:06.477+0100"
