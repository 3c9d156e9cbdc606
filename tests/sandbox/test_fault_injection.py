from __future__ import annotations

import socket
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import requests

from tap_cube.sandbox import Fault, Faults, Sandbox
from tests.sandbox.support import CAMPAIGNS, CUSTOMERS, get, pages

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=9, page_size=3) as running:
        yield running


def received(sandbox: Sandbox, target: str = CUSTOMERS) -> tuple[bytes, bytes]:
    """All bytes that come until the server closes the connection: the head and the body."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
        lines = (
            f"GET {target} HTTP/1.1",
            f"Host: {host}:{port}",
            f"Authorization: Token {sandbox.token}",
        )
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        with connection.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize("status", [200, 403, 429, 500, 503, 599])
def test_a_status_comes_with_a_customer_of_the_page_in_its_body(
    sandbox: Sandbox, status: int
) -> None:
    sandbox.faults = Faults(Fault(str(status)))
    answer = get(sandbox, f"{CUSTOMERS}?page=2")
    assert answer.status_code == status
    assert answer.json()["customer"] == sandbox.crms[2, "B2B"].customers()[3]
    assert "Retry-After" not in answer.headers
    assert get(sandbox, CAMPAIGNS).json()["customer"] == sandbox.crms[2, "B2B"].customers()[0]
    sandbox.faults = None
    assert get(sandbox).json()["count"] == 9


@pytest.mark.parametrize("status", ["204", "304"])
def test_a_status_without_a_body_leaves_the_connection_usable(
    sandbox: Sandbox, status: str
) -> None:
    sandbox.faults = Faults(Fault(status, first=1))
    with requests.Session() as session:
        session.headers["Authorization"] = f"Token {sandbox.token}"
        answers = [session.get(sandbox.url + CUSTOMERS, timeout=10) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [int(status), 200]


def test_retry_after_in_both_of_its_forms(sandbox: Sandbox) -> None:
    sandbox.faults = Faults(Fault("429=7", first=1), Fault("503=date+120"))
    assert get(sandbox).headers["Retry-After"] == "7"
    date = get(sandbox).headers["Retry-After"]
    assert date.endswith(" GMT")
    assert 118 <= parsedate_to_datetime(date).timestamp() - time.time() <= 121


def test_a_reset_ends_the_connection_without_an_answer(sandbox: Sandbox) -> None:
    sandbox.faults = Faults(Fault("reset", first=1))
    with pytest.raises(ConnectionResetError):
        received(sandbox)
    assert get(sandbox).status_code == 200


def test_a_cut_leaves_part_of_the_page_behind_a_head_that_promises_all(sandbox: Sandbox) -> None:
    whole = get(sandbox)
    sandbox.faults = Faults(Fault("cut"))
    head, body = received(sandbox)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"content-length: {len(whole.content)}".encode() in head.lower()
    assert body == whole.content[: len(whole.content) // 2]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(sandbox)


def test_slow_answers_are_whole(sandbox: Sandbox) -> None:
    sandbox.faults = Faults(Fault("slow=0.3", first=1))
    begun = time.monotonic()
    assert get(sandbox).json()["count"] == 9
    assert time.monotonic() - begun >= 0.3


def test_a_web_page_in_place_of_json(sandbox: Sandbox) -> None:
    sandbox.faults = Faults(Fault("html"))
    answer = get(sandbox)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!DOCTYPE html>")
    assert str(sandbox.crms[2, "B2B"].customers()[0]["id"]) in answer.text


def test_links_that_lead_nowhere_new(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}{CUSTOMERS}"
    real = get(sandbox, f"{CUSTOMERS}?page=3").json()
    for what, link in (
        ("self-link", f"{url}?page=3"),
        ("cycle", url),
        ("cycle=2", f"{url}?page=2"),
    ):
        sandbox.faults = Faults(Fault(what))
        assert get(sandbox, f"{CUSTOMERS}?page=3").json() == real | {"next": link}
        assert isinstance(get(sandbox, CAMPAIGNS).json(), list)
        assert get(sandbox, f"{CUSTOMERS}?page=4").json() == {"detail": "Invalid page."}


def test_empty_pages_come_before_those_with_the_customers(sandbox: Sandbox) -> None:
    real = pages(sandbox)
    sandbox.faults = Faults(Fault("empty"))
    read = pages(sandbox)
    assert [len(page["results"]) for page in read] == [0, 3, 0, 3, 0, 3]
    assert read[1::2] == real
    assert read[2] == real[1] | {"results": [], "next": f"{sandbox.url}{CUSTOMERS}?page=2&part=2"}
    sandbox.faults = Faults(Fault("empty", match=r"page=2$"))
    assert [len(page["results"]) for page in pages(sandbox)] == [3, 0, 3, 3]


def test_credentials_come_first(sandbox: Sandbox) -> None:
    sandbox.faults = Faults(Fault("html"))
    assert requests.get(sandbox.url + CUSTOMERS, timeout=10).status_code == 401
