from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from tap_cube.sandbox import Fault, Faults, Sandbox
from tests.sandbox.support import API, CUSTOMERS, detail, get, pages

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=9, page_size=3) as running:
        yield running


def test_credentials(sandbox: Sandbox) -> None:
    def answer(authorization: str | None) -> requests.Response:
        return get(sandbox, f"{API}/campaigns", headers={"Authorization": authorization})

    user = (sandbox.username.encode(), sandbox.password.encode())
    assert ":" in sandbox.password
    assert not sandbox.password.isascii()
    assert get(sandbox, f"{API}/campaigns", headers={}, auth=user).status_code == 200
    assert answer(f"Token {sandbox.token}").status_code == 200
    nothing = (401, "Authentication credentials were not provided.")
    assert detail(answer(None)) == detail(answer(f"Bearer {sandbox.token}")) == nothing
    assert detail(answer("Token x")) == (401, "Invalid token.")
    assert detail(answer("Basic eDp4")) == (401, "Invalid username/password.")
    assert answer(None).headers["WWW-Authenticate"]


def test_requests_are_noted_and_announced(sandbox: Sandbox) -> None:
    seen: list[tuple[int, str]] = []
    crm = sandbox.crms[2, "B2B"]
    before = [row["id"] for row in crm.customers()]

    def delete_one(number: int, target: str) -> None:
        seen.append((number, target))
        if number == 2:
            crm.delete(before[0])
            crm.update(before[4], Nytt=1)

    sandbox.before_request = delete_one
    read = pages(sandbox)
    assert [page["count"] for page in read] == [9, 8, 8]
    # Customer 3 has moved to the first page after it was read.
    assert [row["id"] for page in read for row in page["results"]] == before[:3] + before[4:]
    assert read[1]["results"][0]["Nytt"] == 1
    assert seen == [(1, CUSTOMERS), (2, f"{CUSTOMERS}?page=2"), (3, f"{CUSTOMERS}?page=3")]
    assert sandbox.requests == [("GET", target) for _, target in seen]
    sandbox.requests.clear()
    requests.head(sandbox.url + "/å?x=%C3%A5", timeout=10)
    assert sandbox.requests == [("HEAD", "/%C3%A5?x=%C3%A5")]
    assert seen[3][0] == 4


def test_requests_beyond_the_quota_are_rejected(sandbox: Sandbox) -> None:
    sandbox.quota = 3
    answers = [get(sandbox) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert "throttled" in answers[-1].json()["detail"]
    # Requests without credentials do not use up the quota.
    assert get(sandbox, headers={}).status_code == 401
    time.sleep(1)
    assert get(sandbox).status_code == 200
    sandbox.quota = 0.2
    assert get(sandbox).headers["Retry-After"] == "5"
    sandbox.quota = None
    assert get(sandbox).status_code == 200


def tries_until_success(sandbox: Sandbox) -> int:
    for tries in range(1, 20):
        answer = get(sandbox)
        if answer.status_code == 200:
            return tries
        time.sleep(int(answer.headers["Retry-After"]))
    return 0


def test_clients_that_obey_the_quota_succeed(sandbox: Sandbox) -> None:
    sandbox.quota = 10
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as workers:
        tries = list(workers.map(tries_until_success, [sandbox] * 25))
    assert time.monotonic() - begun > 2
    assert all(tries)
    assert max(tries) > 1


def test_a_quota_must_be_positive() -> None:
    with pytest.raises(ValueError, match="more than 0 requests per second, not 0"):
        Sandbox(quota=0)


def fetch_together(sandbox: Sandbox, count: int) -> list[list[int]]:
    """Request the first page by several clients at once; the ids of each response."""
    with ThreadPoolExecutor(count) as workers:
        answers = list(workers.map(get, [sandbox] * count))
    return sorted([row["id"] for row in answer.json()["results"]] for answer in answers)


def test_changes_between_two_responses_to_requests_in_flight(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    ids = [row["id"] for row in crm.customers()]
    seen: list[tuple[int, str, int]] = []

    def delete_three(number: int, target: str) -> None:
        seen.append((number, target, len(sandbox.requests)))
        if number == 2:
            crm.delete_many(ids[:3])

    sandbox.latency = 0.5
    sandbox.before_response = delete_three
    assert fetch_together(sandbox, 3) == [ids[:3], ids[3:6], ids[3:6]]
    assert seen == [(number, CUSTOMERS, 3) for number in (1, 2, 3)]
    assert get(sandbox, headers={}).status_code == 401
    assert len(seen) == 3


def test_the_peak_of_requests_in_flight(sandbox: Sandbox) -> None:
    assert sandbox.peak_in_flight == 0
    sandbox.latency = 0.3
    fetch_together(sandbox, 4)
    assert sandbox.peak_in_flight == 4
    sandbox.peak_in_flight = 0
    get(sandbox)
    get(sandbox)
    assert sandbox.peak_in_flight == 1


def test_requests_that_end_early_are_not_in_flight(sandbox: Sandbox) -> None:
    responses: list[int] = []
    sandbox.before_response = lambda number, _: responses.append(number)
    sandbox.faults = Faults(Fault("reset", first=1))
    with pytest.raises(requests.ConnectionError):
        get(sandbox)
    assert responses == []
    sandbox.latency = 5
    with pytest.raises(requests.ReadTimeout):
        requests.get(sandbox.url, timeout=0.1)
    sandbox.latency = 0
    sandbox.peak_in_flight = 0
    time.sleep(0.1)
    get(sandbox)
    assert sandbox.peak_in_flight == 1
