from __future__ import annotations

import json
import re
from itertools import islice

from tap_cube.sandbox import Sandbox
from tap_cube.sandbox.crm_specs import small_specs
from tap_cube.sandbox.invented_customers import invent_customers
from tests.sandbox.support import CRM, FLAT_FIELDS, PREFIXED_FIELDS, detail, get

EXTRAS = ["active products", "gen info 1", "gen info 2", "gen info 3", "gen info 5", "gen date 2"]


def test_list_records_have_the_documented_shape(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    crm.resize(3000)
    records = crm.customers()
    assert {tuple(record)[: len(FLAT_FIELDS + EXTRAS)] for record in records} == {
        (*FLAT_FIELDS, *EXTRAS)
    }
    assert any(not label.isascii() for label in records[0])
    ids = [record["id"] for record in records]
    assert ids == sorted(set(ids))
    assert ids[-1] - ids[0] > len(ids)
    assert len({record["customer_id"] for record in records}) == len(records)
    integers = {"id", "customer_id", "crm_type_id", "address_street_no"}
    for field in records[0].keys() - {"birth_date"}:
        values = {record[field] for record in records} - {None}
        assert {type(value) for value in values} == {int if field in integers else str}
    assert {None, ""} <= {record["email"] for record in records}
    assert any(record["zip_code"].startswith("0") for record in records)
    emails = {record["email"] for record in records} - {None, ""}
    assert all(re.fullmatch(r"[a-z.]+@example\.(com|net|org)", email) for email in emails)
    births = {record["birth_date"] for record in Sandbox().crms[2, "B2C"].customers()}
    assert None in births
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", birth) for birth in births - {None})


def test_the_single_record_has_more_and_lacks_the_customer_id(sandbox: Sandbox) -> None:
    listed = sandbox.crms[2, "B2B"].customers()[0]
    number = listed.pop("customer_id") and listed["id"]
    single = get(sandbox, f"{CRM}/customers/{number}").json()
    assert get(sandbox, f"{CRM}/customers/{number}/").json() == single
    assert single == sandbox.crms[2, "B2B"].customer(number)
    assert {field: single[field] for field in listed} == listed
    more = ["Oppstartsdato", "Antall år", "Pris på dagens avtale", "external_customer_id"]
    assert list(single) == [*listed, *more]
    assert type(single["external_customer_id"]) is int
    singles = [
        sandbox.crms[2, "B2B"].customer(row["id"]) for row in sandbox.crms[2, "B2B"].customers()
    ]
    assert len({row["external_customer_id"] for row in singles}) == len(singles)
    assert detail(get(sandbox, f"{CRM}/customers/1")) == (404, "Not found.")


def test_prefixed_records() -> None:
    crm = Sandbox(customers=3000, shape="prefixed").crms[2, "B2B"]
    customers = crm.customers()
    assert {tuple(record) for record in customers} == {tuple(PREFIXED_FIELDS)}
    assert len({record["crm__customer_id"] for record in customers}) == 3000
    for field in PREFIXED_FIELDS:
        kinds = {type(record[field]) for record in customers}
        assert kinds == ({int, str} if field == "crm__custom_info__64" else {str})
    assert {record["crm__custom_info__64"] for record in customers} == {"", 1, 2, 3}
    number = customers[0]["crm__customer_id"]
    single = crm.customer(number)
    assert list(single) == [*PREFIXED_FIELDS, *(f"crm__custom_info__{n}" for n in (72, 73, 74))]
    assert single.items() >= customers[0].items()


def test_extra_fields_have_as_many_combinations_of_values_as_specified() -> None:
    spec = small_specs(3, customers=500, outcomes=None, seed=0)[2]._replace(combinations=7)
    rows = [json.loads(row) for _, row in islice(invent_customers(spec, 0, "flat"), 500)]
    assert len({tuple(row[label] for label in spec.listed) for row in rows}) == 7
    assert len({row["name"] for row in rows}) > 300
