from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.support import (
    API,
    CRM,
    OUTCOMES,
    OWNER,
    REGISTRATIONS,
    STATUSES,
    TODAY,
    day_of,
    detail,
    get,
    is_missing,
    pages,
    records,
)

if TYPE_CHECKING:
    from tap_cube.sandbox import Sandbox


@pytest.mark.parametrize(
    ("customers", "lengths"),
    [(0, [0]), (1, [1]), (49, [49]), (50, [50]), (51, [50, 1]), (101, [50, 50, 1])],
)
def test_pages_hold_every_customer_once(
    sandbox: Sandbox, customers: int, lengths: list[int]
) -> None:
    crm = sandbox.crms[2, "B2B"]
    crm.resize(customers)
    read = pages(sandbox)
    assert [len(page["results"]) for page in read] == lengths
    assert {page["count"] for page in read} == {customers}
    assert [row for page in read for row in page["results"]] == crm.customers()


def test_page_links(sandbox: Sandbox) -> None:
    sandbox.page_size = 20
    url = f"{sandbox.url}{CRM}/customers/"
    links = [(page["previous"], page["next"]) for page in pages(sandbox)]
    assert links == [(None, f"{url}?page=2"), (url, f"{url}?page=3"), (f"{url}?page=2", None)]
    last = get(sandbox, f"{CRM}/customers/?page=last&a=%C3%A5").json()
    assert last["previous"] == f"{url}?a=%C3%A5&page=2"
    headers = {"Authorization": f"Token {sandbox.token}", "Host": "cube.example"}
    headers["X-Forwarded-Proto"] = "https"
    elsewhere = get(sandbox, f"{CRM}/customers/", headers=headers).json()["next"]
    assert elsewhere == f"http://cube.example{CRM}/customers/?page=2"


@pytest.mark.parametrize("page", ["0", "-1", "3", "x", "1.5"])
def test_bad_pages(sandbox: Sandbox, page: str) -> None:
    assert detail(get(sandbox, f"{CRM}/customers/?page={page}")) == (404, "Invalid page.")


def test_other_refusals(sandbox: Sandbox) -> None:
    for path in ("data_owners/3/crm/B2B/customers/", "data_owners/x/crm/B2B/customers/", "x"):
        assert detail(get(sandbox, f"{API}/{path}")) == (404, "Not found.")
    bare = get(sandbox, f"{CRM}/customers?page=2")
    assert bare.status_code == 301
    assert bare.headers["Location"].endswith(f"{CRM}/customers/?page=2")
    post = get(sandbox, f"{CRM}/customers/", method="POST")
    assert detail(post) == (405, 'Method "POST" not allowed.')
    head = get(sandbox, f"{CRM}/customers/", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("path", [OUTCOMES, REGISTRATIONS])
def test_dates_are_inclusive_and_default_to_today(either_shape: Sandbox, path: str) -> None:
    crm = either_shape.crms[2, "B2B"]
    read = crm.call_outcomes if path == OUTCOMES else crm.product_registrations
    add = crm.add_outcome if path == OUTCOMES else crm.add_registration
    for day in (1, 2, 3, 4):
        add(datetime(2024, 5, day, 0, 0))  # noqa: DTZ001 - Norway's
    first, last = date(2024, 5, 2), date(2024, 5, 3)
    found = records(either_shape, f"{path}?from_date=20240502&to_date=20240503")
    assert {day_of(record) for record in found} == {first, last}
    assert found == read(first, last) == [row for row in read() if first <= day_of(row) <= last]
    assert records(either_shape, path) == read(TODAY, TODAY) != []
    assert records(either_shape, f"{path}?from_date=20240502") == read(first, TODAY)
    assert records(either_shape, f"{path}?to_date=20240530") == read(TODAY, date(2024, 5, 30))
    assert records(either_shape, f"{path}?to_date=20240502") == []
    either_shape.today = first
    assert records(either_shape, path) == read(first, first) != []


def test_links_of_dated_lists_keep_the_dates(either_shape: Sandbox) -> None:
    either_shape.page_size = 50
    query = "from_date=20240101&to_date=20240520"
    url = f"{either_shape.url}{OUTCOMES}?{query}"
    read = pages(either_shape, f"{OUTCOMES}?{query}")
    links = [(page["count"], page["previous"], page["next"]) for page in read]
    assert links == [
        (120, None, f"{url}&page=2"),
        (120, url, f"{url}&page=3"),
        (120, f"{url}&page=2", None),
    ]
    assert [row for page in read for row in page["results"]] == (
        either_shape.crms[2, "B2B"].call_outcomes()
    )
    assert [page["next"] for page in pages(either_shape, STATUSES)] == [
        f"{either_shape.url}{STATUSES}?page=2",
        f"{either_shape.url}{STATUSES}?page=3",
        None,
    ]
    assert records(either_shape, STATUSES) == either_shape.crms[2, "B2B"].statuses()


def test_malformed_dates(either_shape: Sandbox) -> None:
    for value in ("", "2024-05-01", "20240532", "2024051", "202405011", "x", "٢٠٢٤٠٥٠١"):
        for name in ("from_date", "to_date"):
            answer = get(either_shape, f"{OUTCOMES}?{name}={value}")
            assert answer.status_code == 400
            assert answer.json() == {"detail": f"{name} must be a date such as 20240501."}


def test_no_events_of_unknown_crms(either_shape: Sandbox) -> None:
    for name in ("call_outcomes", "product_registrations", "callflow_customers"):
        assert is_missing(either_shape, f"{OWNER}/crm/B2X/{name}/")
        assert is_missing(either_shape, f"{OWNER}/B2B/{name}/")
        assert get(either_shape, f"{OWNER}/crm/B2B/{name}").status_code == 301
        assert get(either_shape, f"{API}/data_owners/1/crm/B2C/{name}/").json()["count"] == 0
