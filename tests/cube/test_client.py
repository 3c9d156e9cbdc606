"""Requests against real servers on the loopback: what is retried, and what is not."""

from __future__ import annotations

import datetime as dt
import gzip
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import format_datetime
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.cube.resources import CAMPAIGNS, CUSTOM_FIELDS, Subject
from tap_cube.errors import (
    CredentialsRejectedError,
    CubeError,
    NotFoundError,
    TapCubeError,
    UnavailableError,
)
from tests.cube.servers import Loopback, Request, close, free_port, reset, response
from tests.cube.support import (
    CRM,
    CUSTOMERS_OF_CRM,
    LINKS,
    PAGE,
    PERSON,
    SECRET,
    client_of,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    Respond = Callable[[socket.socket, Request], bytes | None]


@pytest.fixture(autouse=True)
def _nothing_leaks(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.DEBUG, "tests.cube")
    yield
    text = caplog.text
    assert PERSON not in text
    assert SECRET not in text
    assert "4711" not in text


def read(origin: str, **more: Any) -> list[Any]:
    return list(client_of(origin, **more).get_page(CUSTOMERS_OF_CRM, LINKS[:1]).records)


def error_of(respond: Respond, **more: Any) -> tuple[TapCubeError, int]:
    """The error of a request, and the number of attempts."""
    with Loopback(respond) as server, pytest.raises(TapCubeError) as failure:
        read(server.origin, **more)
    sentence = str(failure.value)
    assert PERSON not in sentence
    assert SECRET not in sentence
    error = failure.value
    assert error.__cause__ is None
    assert error.__suppress_context__ or not error.__context__, "which quotes the URL"
    return failure.value, len(server.requests)


def ends(connection: socket.socket, data: bytes = b"") -> None:
    connection.sendall(data)
    close(connection)


def resets(connection: socket.socket) -> None:
    connection.sendall(response(PAGE)[:-9])
    time.sleep(0.05)
    reset(connection)


def has_status(status: int) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(response(PAGE, status))


#: Half a response, and then something else.
BROKEN: dict[str, tuple[Callable[[socket.socket], Any], str]] = {
    "reset": (reset, "the connection was reset"),
    "closed": (close, "the connection was reset"),
    "reset in the body": (resets, "the connection was reset"),
    "cut short": (lambda c: ends(c, response(PAGE)[:-9]), "the response was cut short"),
    "a chunk cut short": (
        lambda c: ends(
            c, b"HTTP/1.1 200 -\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(PAGE) + PAGE[:9]
        ),
        "the response was cut short",
    ),
    "no last chunk": (
        lambda c: ends(
            c,
            b"HTTP/1.1 200 -\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(PAGE), PAGE),
        ),
        "the response was cut short",
    ),
    "no gzip": (
        lambda c: c.sendall(response(PAGE, Content_Encoding="gzip")),
        "the response was cut short",
    ),
    "no HTTP": (lambda c: ends(c, b"SSH-2.0-x\r\n\r\n"), "the response is not HTTP"),
    "HTML": (lambda c: c.sendall(response(b"<html>")), "not JSON, or was cut short"),
    "nothing": (lambda c: c.sendall(response()), "not JSON, or was cut short"),
    "half of the JSON": (lambda c: c.sendall(response(PAGE[:-9])), "not JSON, or was cut short"),
    **{
        str(status): (
            has_status(status),
            f"Cube answered with status {status}: trying again in 0.0 s",
        )
        for status in (408, 425, 500, 502, 503, 504, 599)
    },
    "429": (lambda c: c.sendall(response(PAGE, 429)), "Cube asks for fewer requests (429)"),
}


@pytest.mark.parametrize(("spoil", "sentence"), BROKEN.values(), ids=BROKEN)
def test_what_may_pass_is_tried_again(
    spoil: Callable[[socket.socket], Any], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    def respond(connection: socket.socket, request: Request) -> bytes | None:
        if request.number < 3:
            spoil(connection)
            return None
        return response(PAGE)

    with Loopback(respond) as server:
        assert [record["id"] for record in read(server.origin)] == [4711]
    assert len(server.requests) == 3
    assert len(caplog.records) == 2
    for position, record in enumerate(caplog.records):
        assert record.getMessage().startswith("CRM 2/B2B, customers: ")
        assert sentence in record.getMessage()
        assert record.getMessage().endswith(f" s (try {position + 2} of 3)")


@pytest.mark.parametrize("tries", [1, 2, 5])
def test_so_many_tries_and_no_more(tries: int) -> None:
    error, attempts = error_of(lambda *_: response(status=503), max_tries=tries)
    assert attempts == tries
    assert type(error) is CubeError
    assert str(error).endswith("(tried once)" if tries == 1 else f"(tried {tries} times)")


PERMANENT: dict[int, tuple[type[TapCubeError], str]] = {
    204: (CubeError, "Cube answered with status 204: check the setting `api_url`"),
    304: (CubeError, "Cube answered with status 304: check the setting `api_url`"),
    400: (CubeError, "Cube answered with status 400: check the setting `api_url`"),
    401: (CredentialsRejectedError, "the credentials were rejected (401)"),
    403: (UnavailableError, "no access (403): ask Cube to open customers"),
    404: (NotFoundError, "(404)"),
    405: (CubeError, "Cube answered with status 405: check the setting `api_url`"),
    410: (CubeError, "Cube answered with status 410"),
    431: (CubeError, "the request headers are too long (431): check the setting `auth_token`"),
}


@pytest.mark.parametrize("status", PERMANENT)
def test_what_cannot_pass_is_tried_once(status: int) -> None:
    def respond(_: socket.socket, request: Request) -> bytes:
        return response(PAGE, 200 if "campaigns" in request.target else status)

    kind, sentence = PERMANENT[status]
    error, attempts = error_of(respond)
    assert type(error) is kind
    assert sentence in str(error)
    assert "again" not in str(error)
    assert attempts == (2 if status == 404 else 1), "404: and the campaigns"


@pytest.mark.parametrize("body", [b"[]", b'{"results":[1]}', b'{"results":"Kari Nordmann"}'])
def test_another_form_is_not_tried_again(body: bytes) -> None:
    error, attempts = error_of(lambda *_: response(body))
    assert "does not have the documented form" in str(error)
    assert attempts == 1


def test_a_wrong_crm_and_a_wrong_host() -> None:
    def respond(_: socket.socket, request: Request) -> bytes:
        return response(b"[]") if "campaigns" in request.target else response(status=404)

    wrong_crm, _ = error_of(respond)
    assert str(wrong_crm).startswith("not found (404): check the setting `crms`")
    wrong_host, _ = error_of(lambda *_: response(status=404))
    assert type(wrong_host) is NotFoundError
    assert "is not Cube" in str(wrong_host)
    assert "`crms`" not in str(wrong_host)


def test_where_there_was_a_response_before_the_host_is_right() -> None:
    def respond(_: socket.socket, request: Request) -> bytes:
        return response(b"{}") if "crm_custom_fields" in request.target else response(status=404)

    with Loopback(respond) as server:
        client = client_of(server.origin)
        client.get_single(Subject(CUSTOM_FIELDS, CRM), CUSTOM_FIELDS.links(CRM))
        with pytest.raises(NotFoundError, match="check the setting `crms`"):
            client.get_page(CUSTOMERS_OF_CRM, LINKS)
    assert [request.target for request in server.requests][1:] == LINKS, "no campaigns"


def test_the_other_path_is_tried_and_remembered() -> None:
    def respond(_: socket.socket, request: Request) -> bytes:
        return response(PAGE) if request.target == LINKS[1] else response(status=404)

    with Loopback(respond) as server:
        client = client_of(server.origin)
        for _ in range(2):
            assert client.get_page(CUSTOMERS_OF_CRM, LINKS).link == LINKS[1]
    assert [request.target for request in server.requests] == [*LINKS, LINKS[1]]


def test_what_failed_before_any_response_fails_once() -> None:
    client = client_of("http://cube.invalid", max_tries=6)
    failures = []
    for _ in range(3):
        started = time.monotonic()
        with pytest.raises(CubeError, match="host not found") as failure:
            client.get_page(CUSTOMERS_OF_CRM, LINKS)
        failures.append((str(failure.value), time.monotonic() - started))
    assert {text[-17:] for text, _ in failures} == {"k (tried 2 times)"}
    assert max(seconds for _, seconds in failures[1:]) < 0.01, "not even looked up"


def test_a_refused_connection() -> None:
    with pytest.raises(CubeError) as failure:
        read(f"http://127.0.0.1:{free_port()}")
    assert ": connection refused. Check the setting `api_url` and the" in str(failure.value)
    assert str(failure.value).endswith("(tried 3 times)"), "the host may be starting"


@pytest.mark.parametrize("date", [False, True])
def test_a_pause_is_as_long_as_the_server_asks(*, date: bool) -> None:
    times = []

    def respond(_: socket.socket, request: Request) -> bytes:
        times.append(time.time())
        then = dt.datetime.fromtimestamp(int(times[0]) + 2, dt.timezone.utc)
        wait = format_datetime(then, usegmt=True) if date else "1"
        return response(status=429, Retry_After=wait) if request.number == 1 else response(PAGE)

    with Loopback(respond) as server:
        read(server.origin)
    assert times[1] >= (int(times[0]) + 2 if date else times[0] + 1)
    assert times[1] - times[0] < 5


def test_no_other_request_is_sent_meanwhile() -> None:
    """The refusal makes the others wait before it makes room for them."""
    refused = Event()
    times = []

    def respond(_: socket.socket, request: Request) -> bytes:
        times.append(time.monotonic())
        if request.number == 1:
            time.sleep(0.2)
            refused.set()
            return response(status=503, Retry_After="1")
        return response(PAGE)

    with Loopback(respond) as server:
        client = client_of(server.origin, concurrency=1)
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(client.get_page, CUSTOMERS_OF_CRM, LINKS[:1]) for _ in range(4)]
            assert all(job.result().records for job in jobs)
    assert times[1] - times[0] >= 1.2


def test_a_response_that_drips_ends() -> None:
    """Each byte comes in time, but not the whole."""

    def drip(connection: socket.socket, _: Request) -> None:
        data = response(PAGE)
        head = data.index(b"\r\n\r\n") + 4
        connection.sendall(data[:head])
        for byte in data[head:]:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    started = time.monotonic()
    error, attempts = error_of(drip, timeout=0.15, max_tries=2)
    assert 2 * 1.5 <= time.monotonic() - started < 12
    assert "the response took 10 times the setting `request_timeout` (0.15 s)" in str(error)
    assert attempts == 2


def test_silence_ends() -> None:
    error, attempts = error_of(lambda *_: time.sleep(1), timeout=0.1, max_tries=2)
    assert "no response within the setting `request_timeout` (0.1 s)" in str(error)
    assert attempts == 2


def test_silence_in_the_body_ends() -> None:
    def stop(connection: socket.socket, _: Request) -> None:
        connection.sendall(response(PAGE)[:-9])
        time.sleep(1)

    error, _ = error_of(stop, timeout=0.1, max_tries=1)
    assert "no response within the setting `request_timeout` (0.1 s)" in str(error)


def test_compressed_bodies() -> None:
    compressed = response(gzip.compress(PAGE), Content_Encoding="gzip")
    with Loopback(lambda *_: compressed) as server:
        assert read(server.origin)[0]["name"] == PERSON
        accepted = server.requests[0].headers["Accept-Encoding"]
    assert "gzip" in accepted


def test_a_page_without_credentials_in_its_links() -> None:
    """A link of the page leads to the configured origin, whatever host it names."""
    body = b'{"results":[],"next":"http://elsewhere.example/a?page=2","previous":"b"}'
    with Loopback(lambda *_: response(body)) as server:
        page = client_of(server.origin).get_page(CUSTOMERS_OF_CRM, LINKS[:1])
    assert page.next == "/a?page=2"
    assert page.previous == f"{LINKS[0]}b"
    assert page.received_at.tzinfo is not None


@pytest.mark.parametrize(
    "more", [{"authorization": "Token tøken✓"}, {"user_agent": "a\nb"}, {"user_agent": " a"}]
)
def test_a_header_that_cannot_be_sent(more: dict[str, str]) -> None:
    with Loopback(lambda *_: response(PAGE)) as server:
        client = client_of(server.origin)
        names = {"authorization": "Authorization", "user_agent": "User-Agent"}
        client._session.headers.update({names[k]: v for k, v in more.items()})  # noqa: SLF001
        with pytest.raises(CubeError) as failure:
            client.get_page(CUSTOMERS_OF_CRM, LINKS)
    assert "a header holds characters that HTTP lacks. Check the setting" in str(failure.value)
    assert server.requests == []


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..b"])
def test_an_address_that_is_none(host: str) -> None:
    with pytest.raises(CubeError) as failure:
        read(f"http://{host}")
    assert ": this is no address of a host. Check the setting `api_url`" in str(failure.value)
    assert "tried" not in str(failure.value)


def test_campaigns_need_no_crm() -> None:
    with (
        Loopback(lambda *_: response(status=404)) as server,
        pytest.raises(NotFoundError, match=r"^not found \(404\): check the setting `api_url`$"),
    ):
        client_of(server.origin).get_page(Subject(CAMPAIGNS), CAMPAIGNS.links())
