"""Lists whose `count` does not agree with their records: a warning, and nothing is activated."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, cast

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import select, stream_of

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

    from tests.support import Run, Tap

CRM = {"data_owner_id": 2, "crm_type": "B2B"}
PATHS = {"customer_statuses": "callflow_customers", "call_outcomes": "call_outcomes"}
MISSING = {
    "customer_statuses": (
        "the list could not be confirmed in 3 reads: the server listed 2 records and counted 3"
    ),
    "call_outcomes": r"[-\d]{10}( to [-\d]{10})?: the server counts 3 records, but lists 2",
}
WHEN = "call_outcome__report_as__submitted_when"


def read(tap: Tap, server: HTTPServer, stream: str, count: int) -> Run:
    """A full-table read of a list of two records that claims to have `count`."""
    server.no_handler_status_code = 404
    today = str(dt.datetime.now(dt.timezone.utc).date())
    records = [
        {"crm__customer_id": id_, "campaign__name": "Vår", WHEN: f"{today} 10:0{id_}"}
        for id_ in "12"
    ]
    page = {"count": count, "next": None, "previous": None, "results": records}
    crm = "/api/v1/data_owners/2/crm/B2B"
    server.expect_request(f"{crm}/{PATHS[stream]}/").respond_with_json(page)
    server.expect_request(f"{crm}/customers/").respond_with_json({**page, "results": []})
    config = {
        "api_url": server.url_for("").rstrip("/"),
        "auth_token": "t0ken",
        "crms": [CRM],
        "max_tries": 1,
        "start_date": today,
        "emit_activate_version_messages": True,
    }
    catalog = select(tap.discover(config), stream)
    stream_of(catalog, stream)["replication_method"] = "FULL_TABLE"
    return tap(config, catalog=catalog).check()


@pytest.mark.parametrize("stream", PATHS)
def test_calls_that_the_list_lacks(tap: Tap, httpserver: HTTPServer, stream: str) -> None:
    run = read(tap, httpserver, stream, count=3)
    assert re.search(rf"CRM 2/B2B, {stream}: {MISSING[stream]}", run.log)
    assert {record["crm__customer_id"] for record in run.records(stream)} == {"1", "2"}
    assert run.of_type("ACTIVATE_VERSION", stream) == []
    assert "Nothing is deleted in targets" in run.log


@pytest.mark.parametrize("stream", PATHS)
def test_calls_that_are_all_there(tap: Tap, httpserver: HTTPServer, stream: str) -> None:
    run = read(tap, httpserver, stream, count=2)
    assert "the server count" not in run.log
    assert "could not be confirmed" not in run.log
    assert len(run.of_type("ACTIVATE_VERSION", stream)) == 1


@pytest.mark.parametrize("wavering", [True, False])
def test_a_count_that_wavers_throughout(tap: Tap, *, wavering: bool) -> None:
    """A customer comes and goes with each request, in a list that is not in order of `id`."""
    with Sandbox(customers=8, page_size=2, shape="prefixed") as cube:
        crm = cube.crms[2, "B2B"]
        lasting = {customer["crm__customer_id"] for customer in crm.customers()}
        config = {
            "api_url": cube.url,
            "auth_token": cube.token,
            "crms": [CRM],
            "concurrency": 1,
            "emit_activate_version_messages": True,
        }
        catalog = select(tap.discover(config), "customers")
        added: list[Any] = []

        def waver(_number: int, target: str) -> None:
            if "/customers" not in target:
                return
            if added:
                crm.delete(added.pop())
            else:
                added.append(crm.add()["crm__customer_id"])

        cube.before_request = waver if wavering else None
        run = tap(config, catalog=catalog).check()
    found = {cast("str", record["crm__customer_id"]) for record in run.records("customers")}
    assert lasting <= found
    assert len(run.of_type("ACTIVATE_VERSION", "customers")) == (not wavering)
    assert ("Nothing is deleted in targets" in run.log) == wavering


def test_lists_that_are_empty_and_tell_no_length(tap: Tap, httpserver: HTTPServer) -> None:
    """A server in trouble may answer so: no table may be emptied for it."""
    page = {"count": None, "next": None, "previous": None, "results": None}
    httpserver.expect_request(re.compile("/api/.*")).respond_with_json(page)
    config = {
        "api_url": httpserver.url_for("").rstrip("/"),
        "auth_token": "t0ken",
        "crms": [CRM],
        "emit_activate_version_messages": True,
    }
    streams = ("campaigns", "custom_fields", "customers", "customer_statuses")
    run = tap(config, catalog=select(tap.discover(config), *streams)).check()
    assert not any(message["type"] == "ACTIVATE_VERSION" for message in run.messages)
    assert run.log.count("Nothing is deleted in targets") == len(streams)
