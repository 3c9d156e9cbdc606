"""What the tap sends to Cube: headers, number of requests, and pauses that a server asks for."""

from __future__ import annotations

import re
from collections import Counter
from importlib.metadata import version
from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Request, Response
from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect

from tap_cube.sandbox import Fault, Faults, Sandbox
from tests.support import select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_httpserver import HTTPServer

    from tests.support import Tap

CRMS = [{"data_owner_id": 2, "crm_type": "B2B"}, {"data_owner_id": 2, "crm_type": "B2C"}]
CRM = "/api/v1/data_owners/2/crm/B2B"
AGENT = "night/1.0 (data@example.org)"


def answer(request: Request) -> Response:
    """Two customers on a page each, a redirect for one of them, and nothing else."""
    json = Response(content_type="application/json")
    match request.path.removeprefix(CRM):
        case "/customers/" if request.args.get("page") != "2":
            json.set_data(b'{"count":2,"next":"?page=2","results":[{"id":1,"name":"A"}]}')
        case "/customers/":
            json.set_data(b'{"count":2,"next":null,"results":[{"id":2,"name":"B"}]}')
        case "/customers/1":
            return redirect(f"{CRM}/customers/1/", 308)
        case "/customers/1/" | "/customers/2":
            json.set_data(b'{"id":%b,"name":"A"}' % request.path.strip("/")[-1:].encode())
        case "/call_outcomes/" | "/product_registrations/" | "/callflow_customers/":
            json.set_data(b'{"count":0,"next":null,"results":[]}')
        case "/api/v1/campaigns" | "/api/v1/data_owners/2/B2B/crm_custom_fields/":
            json.set_data(b"[]")
        case _:
            raise NotFound
    return json


@pytest.mark.parametrize(
    ("settings", "agent"),
    [({}, f"tap-cube/{version('tap-cube')}"), ({"user_agent": AGENT}, AGENT)],
    ids=["default", "set"],
)
def test_every_request_has_the_headers(
    tap: Tap, httpserver: HTTPServer, settings: dict[str, Any], agent: str
) -> None:
    """Lists, later pages, single customers, definitions, campaigns, and redirects."""
    httpserver.expect_request(re.compile(".*")).respond_with_handler(answer)
    config = {
        "api_url": httpserver.url_for("").rstrip("/"),
        "auth_token": "t0ken",
        "crms": CRMS[:1],
        **settings,
    }
    streams = ("customers", "customer_details", "campaigns", "custom_fields", "call_outcomes")
    run = tap(config, catalog=select(tap.discover(config), *streams)).check()
    assert [record["id"] for record in run.rows("customer_details")] == [1, 2]
    paths = {request.path for request, _ in httpserver.log}
    assert len(paths) == 9, "each resource, and the redirect"
    expected = {"User-Agent": agent, "Accept": "application/json"}
    expected |= {"Content-Type": "application/json", "Authorization": "Token t0ken"}
    for request, _ in httpserver.log:
        assert {name: request.headers.get(name) for name in expected} == expected, request.path


@pytest.fixture
def large() -> Iterator[Sandbox]:
    """Two CRMs of 120 customers each."""
    with Sandbox(customers=120) as running:
        running.crms[2, "B2C"].resize(120)
        yield running


@pytest.mark.parametrize("settings", [{}, {"sample_size": 7}], ids=str)
def test_discovery_requests_no_single_customer(
    tap: Tap, large: Sandbox, settings: dict[str, Any]
) -> None:
    """Each of them would be a request."""
    ids = [customer["id"] for customer in large.crms[2, "B2B"].customers()]
    config = {"api_url": large.url, "auth_token": large.token, "crms": CRMS, **settings}
    tap.discover({**config, "customer_ids": ids})
    found = [re.search(r"/crm/(B2.)/customers/\d+$", target) for _, target in large.requests]
    assert Counter(match[1] for match in found if match) == {}


@pytest.mark.parametrize("fault", ["429=86400", "503=date+86400"])
def test_no_pause_of_a_day_because_a_server_asks_for_it(
    tap: Tap, sandbox: Sandbox, fault: str
) -> None:
    """The maximum is 300 s, to which the tap adds a random half at most."""
    sandbox.faults = Faults(Fault(fault, match="customers/$"))
    config = {"api_url": sandbox.url, "auth_token": sandbox.token, "crms": CRMS[:1]}
    with tap.start("--discover", config=config) as process:
        timer = Timer(60, process.kill)
        timer.start()
        assert process.stderr
        pauses = (
            float(match[1])
            for line in process.stderr
            if (match := re.search(rb"trying again in ([\d.]+) s", line))
        )
        pause = next(pauses, None)
        process.kill()
        timer.cancel()
    assert pause is not None, "the tap did not announce a pause"
    assert 300 <= pause <= 450
