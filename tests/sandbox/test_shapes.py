from __future__ import annotations

from tap_cube.sandbox import Sandbox
from tests.sandbox.support import CUSTOMERS, PREFIXED_CUSTOMERS, TODAY, get, is_missing, records


def test_each_shape_has_its_own_paths(either_shape: Sandbox) -> None:
    crm = either_shape.crms[2, "B2B"]
    mine, other = CUSTOMERS, PREFIXED_CUSTOMERS
    if either_shape.shape == "prefixed":
        mine, other = other, mine
    assert records(either_shape, mine) == crm.customers()
    number = crm.customers()[7][crm.key_field]
    for path in (f"{mine}{number}", f"{mine}{number}/"):
        assert get(either_shape, path).json() == crm.customer(number)
    assert get(either_shape, mine[:-1]).headers["Location"] == either_shape.url + mine
    assert all(is_missing(either_shape, path) for path in (other, f"{other}{number}", f"{mine}x"))


def test_both_shapes_show_the_same_customers_and_events() -> None:
    flat, prefixed = (Sandbox(customers=200, shape=s, today=TODAY) for s in ("flat", "prefixed"))
    for key, crm in flat.crms.items():
        other = prefixed.crms[key]
        shown = [(str(row["customer_id"]), row["name"]) for row in crm.customers()]
        assert shown == [
            (row["crm__customer_id"], row["crm__standard_info__name"]) for row in other.customers()
        ]
        assert crm.call_outcomes() == other.call_outcomes()
        assert crm.product_registrations() == other.product_registrations()
        assert crm.statuses() == other.statuses()
