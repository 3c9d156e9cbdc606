from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tap_cube.sandbox import Sandbox
from tests.sandbox.support import (
    CHANGE_FIELDS,
    COMMENT,
    CRM,
    OUTCOMES,
    PREFIXED_CUSTOMERS,
    PREFIXED_FIELDS,
    STATUSES,
    detail,
    get,
    is_missing,
    records,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_changes_take_effect_between_two_pages(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    before = crm.customers()
    sandbox.page_size = 50
    first = get(sandbox, f"{CRM}/customers/").json()
    assert first["count"] == 51
    crm.delete(before[0]["id"])
    assert get(sandbox, f"{CRM}/customers/").json()["count"] == 50
    added = crm.add(name="Ærlig & Sønn", customer_id=None)
    crm.add()
    second = get(sandbox, first["next"]).json()
    assert second["count"] == 52
    assert second["results"] == crm.customers()[50:]
    assert second["results"][0] == added
    assert added["name"] == "Ærlig & Sønn"
    assert detail(get(sandbox, f"{CRM}/customers/{before[0]['id']}")) == (404, "Not found.")
    crm.resize(2)
    assert crm.customers() == before[1:3]
    with pytest.raises(ValueError, match="already"):
        crm.add(id=before[1]["id"])
    with pytest.raises(KeyError):
        crm.update(1)


def test_values_come_out_as_they_were_set(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    number = crm.customers()[0]["id"]
    values = {"Ny": 12345678901234567890123, "Dyp": {"å": [1, None, {"b": False}]}, "name": 1.5}
    crm.update(number, **values)
    crm.update(number, Pris=Decimal("3990.10"), **{"Antall år": 7})
    listed, single = get(sandbox, f"{CRM}/customers/"), get(sandbox, f"{CRM}/customers/{number}")
    assert values.items() <= listed.json()["results"][0].items()
    assert (values | {"Antall år": 7}).items() <= single.json().items()
    for answer in (listed, single):
        assert b'"Pris":3990.10,' in answer.content
        assert '"Antall år":7'.encode() in answer.content


@pytest.fixture
def prefixed() -> Iterator[Sandbox]:
    with Sandbox(customers=60, shape="prefixed") as running:
        yield running


def test_prefixed_customers_can_be_changed(prefixed: Sandbox) -> None:
    crm = prefixed.crms[2, "B2B"]
    first, second = (row["crm__customer_id"] for row in crm.customers()[:2])
    crm.delete(first)
    crm.update(second, crm__custom_info__64=7, crm__custom_info__72="x")
    added = crm.add(crm__customer_id="007")
    with pytest.raises(ValueError, match="customer 007 already"):
        crm.add(crm__customer_id="007")
    assert is_missing(prefixed, f"{PREFIXED_CUSTOMERS}{first}")
    assert get(prefixed, f"{PREFIXED_CUSTOMERS}{second}").json()["crm__custom_info__72"] == "x"
    assert crm.customer("007").items() >= added.items()
    listed = records(prefixed, PREFIXED_CUSTOMERS)
    assert (listed[0]["crm__custom_info__64"], listed[-1]) == (7, added)
    crm.resize(2)
    assert len(crm.rows()) == 2


def test_events_can_be_added_and_cleared(either_shape: Sandbox) -> None:
    crm = either_shape.crms[2, "B2B"]
    crm.clear_events()
    assert crm.call_outcomes() == crm.product_registrations() == crm.statuses() == []
    early, late = datetime(2024, 5, 1, 9, 0), datetime(2024, 5, 1, 20, 0)  # noqa: DTZ001 - Norway's
    added = [
        crm.add_outcome(late, call_outcome__comment="først", Ny={"å": [1]}),
        crm.add_outcome(early, crm__customer_id=""),
    ]
    before = crm.add_outcome(early - timedelta(1))
    assert (added[0][COMMENT], added[0]["Ny"]) == ("først", {"å": [1]})
    assert crm.call_outcomes() == [before, *added]
    assert records(either_shape, f"{OUTCOMES}?from_date=20240501") == added
    registration = crm.add_registration(late, product__code="X")
    assert crm.product_registrations(date(2024, 5, 1)) == [registration]
    statuses = [crm.add_status(callflow__callstate__name=name) for name in "ab"]
    assert records(either_shape, STATUSES) == crm.statuses() == statuses
    crm.resize(0)
    assert {crm.add_outcome(late)[field] for field in (*PREFIXED_FIELDS, *CHANGE_FIELDS)} == {""}


def test_many_customers_can_be_deleted_at_once() -> None:
    crm = Sandbox(customers=5000).crms[2, "B2B"]
    ids = [row["id"] for row in crm.customers()]
    with pytest.raises(KeyError):
        crm.delete_many([ids[0], 1])
    assert len(crm.rows()) == 5000
    crm.delete_many(ids[1:3000:2])
    assert [row["id"] for row in crm.customers()] == ids[0:3000:2] + ids[3000:]
    crm.delete_many([])
    assert len(crm.rows()) == 3500


def test_events_name_the_customers_of_the_start() -> None:
    untouched, changed = (Sandbox(customers=40).crms[2, "B2B"] for _ in range(2))
    for key in [row["id"] for row in changed.customers()]:
        changed.delete(key)
    changed.add(name="Ny AS")
    assert changed.call_outcomes() == untouched.call_outcomes() != []
    assert changed.statuses() == untouched.statuses()
