"""Nothing leaks: whatever happens, at whatever log level, no secret and no customer is logged."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox import Fault, Faults, Sandbox
from tests.support import program, select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Run, Tap

MARK = "Zq7Marker"
B2B = {"data_owner_id": 2, "crm_type": "B2B"}
CALL = {
    name: f"{MARK}-{name}"
    for name in (
        "crm__customer_id",
        "crm__standard_info__name",
        "crm__standard_info__phone_1",
        "crm__standard_info__email",
        "call_outcome__comment",
        "call_outcome__report_as__submitted_by",
    )
}
#: Ids by which a customer would be recognised wherever they turned up.
FIRST_ID = 918273645000


@contextmanager
def marked_cube() -> Iterator[Sandbox]:
    """A Cube in which every value of every customer is a marker."""
    with Sandbox(customers=0, token=f"{MARK}-token", page_size=10) as running:
        crm = running.crms[2, "B2B"]
        for position in range(40):
            customer = crm.add(id=FIRST_ID + position)
            marked = {
                name: f"{MARK}-{position}-{name}"
                for name in customer
                if name not in {"id", "customer_id", "crm_type_id"}
            }
            crm.update(customer["id"], **marked, customer_id=FIRST_ID + 500 + position)
        for hours in range(0, 20 * 24, 12):
            when = dt.datetime.now(dt.timezone.utc) - dt.timedelta(hours=hours)
            crm.add_outcome(when, **CALL)
            crm.add_registration(when, **CALL, product__title=f"{MARK}-product")
            crm.add_status(**CALL, callflow__last_change__comment=f"{MARK}-change")
        yield running


@pytest.fixture(scope="module")
def cube() -> Iterator[Sandbox]:
    with marked_cube() as running:
        yield running


SCENARIOS: dict[str, dict[str, Any]] = {
    "a good run": {},
    "a wrong token": {"auth_token": f"{MARK}-wrong"},
    "a wrong password": {"auth_token": None, "username": f"{MARK}-me", "password": f"{MARK}-no"},
    "two ways to authenticate": {"basic_auth": f"{MARK}-basic"},
    "a secret of a wrong type": {"auth_token": [f"{MARK}-list"]},
    "a secret in the wrong setting": {"max_tries": f"{MARK}-secret"},
    "a secret in the URL": {"api_url": f"https://{MARK}:{MARK}@example.com"},
    "an unknown CRM": {"crms": [B2B, {"data_owner_id": 9, "crm_type": "B2B"}]},
    "an unknown customer": {"customer_ids": [FIRST_ID, FIRST_ID + 999]},
    "types that do not fit": {"field_types": [{"field": "name", "type": "integer"}]},
    "new fields refused": {"new_fields": "fail"},
    "new fields discarded": {"new_fields": "discard"},
    "a stream map that fails": {"stream_maps": {"customers": {"x": "int(record['name'])"}}},
    "a setting that there is not": {"auth_tokn": f"{MARK}-token", "start_date": "2026-01-01"},
    "a start that is no date": {"start_date": f"{MARK}-date"},
    "credentials that are no base64": {"auth_token": None, "basic_auth": f"{MARK}:{MARK}"},
    "names for people": {"field_names": "snake_case", "custom_field_names": "label"},
    "calls with types that do not fit": {
        "field_types": [{"field": "crm__standard_info__name", "type": "date"}]
    },
    "a server that is not there": {"api_url": "http://127.0.0.1:9", "max_tries": 2},
}


@pytest.fixture(autouse=True)
def short_pauses(tap: Tap) -> None:
    tap.program = ("-c", program(first_delay=0.1))


@pytest.mark.parametrize("change", SCENARIOS.values(), ids=SCENARIOS)
def test_nothing_leaks(
    tap: Tap, cube: Sandbox, catalog: dict[str, Any], change: dict[str, Any]
) -> None:
    good = {"api_url": cube.url, "auth_token": cube.token, "crms": [B2B]}
    config = {name: value for name, value in {**good, **change}.items() if value is not None}
    run = tap(config, catalog=catalog, env={"LOGLEVEL": "DEBUG"})
    assert_nothing_leaked(run)
    if run.status == 0:
        assert MARK.encode() in run.stdout


def assert_nothing_leaked(run: Run) -> None:
    states = [json.dumps(m) for m in run.messages if m["type"] == "STATE"]
    for text in (run.log, *states):
        assert MARK not in text
        assert str(FIRST_ID)[:9] not in text
    assert "DEBUG" in run.log, "the level that would show it was on"


def test_a_list_that_moves_does_not_leak(tap: Tap, catalog: dict[str, Any]) -> None:
    """Calls are added before each request, all of them alike, and customers go."""
    now = dt.datetime.now(dt.timezone.utc)
    with marked_cube() as cube:
        crm = cube.crms[2, "B2B"]

        def change(number: int, _target: str) -> None:
            crm.add_outcome(now, **CALL, call_outcome__type="Møte")
            if number % 10 == 9:
                customer = crm.customers()[0]
                crm.delete(customer["id"])
                crm.add(**customer)

        cube.before_request = change
        cube.page_size = 3
        config = {"api_url": cube.url, "auth_token": cube.token, "crms": [B2B]}
        run = tap(config, catalog=catalog, env={"LOGLEVEL": "DEBUG"})
    assert_nothing_leaked(run)
    assert run.status == 0
    assert "could not be confirmed" in run.log


FAULTS = {
    "429=1": "(429): set `requests_per_second` (tried 2 times)",
    "500": "status 500: try again later (tried 2 times)",
    "403": "no access (403)",
    "404": "the list links to a page that is not there",
    "cut": "the response was cut short",
    "reset": "the connection ",
    "html": "the response is not JSON, or was cut short",
    "slow=9": "no response within the setting `request_timeout` (1 s)",
    "self-link": "leads back to a page already read",
    "cycle": "leads back to a page already read",
}


@pytest.mark.parametrize("what", FAULTS)
def test_no_fault_makes_it_leak(
    tap: Tap,
    cube: Sandbox,
    catalog: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    """A page that is read late fails, and a single customer does: bodies quote customers.

    The list is read downwards, along the links `previous`: a wrong link `next` matters on its last
    page only.
    """
    single = FIRST_ID + 3
    page = 20 if what in {"self-link", "cycle"} else 2
    late = rf"/customers/\?page={page}$|/callflow_customers/\?page=16$"
    faults = Faults(Fault(what, match=rf"{late}|/customers/{single}/?$"))
    monkeypatch.setattr(cube, "faults", faults)
    monkeypatch.setattr(cube, "page_size", 2)
    config = {
        "api_url": cube.url,
        "auth_token": cube.token,
        "crms": [B2B],
        "customer_ids": [FIRST_ID, single],
        "max_tries": 2,
        "concurrency": 2,
        "request_timeout": 1,
    }
    run = tap(config, catalog=catalog, env={"LOGLEVEL": "DEBUG"})
    assert run.status == 1
    assert_nothing_leaked(run)
    assert "CRM 2/B2B, customers: " in run.log
    assert FAULTS[what] in run.log
    assert '"reading"' in json.dumps(run.state), "where the list was left"
    assert "METRIC" in run.log
    assert len(run.records("customers")) >= 30
    assert faults.struck[what] > 1 or what in {"self-link", "cycle"}, "a single customer failed too"
    assert MARK.encode() in run.stdout


@pytest.fixture(scope="module")
def catalog(cube: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A catalog from before the customers got a field."""
    from tests.support import Tap  # noqa: PLC0415  # a fixture of this scope cannot use `tap`

    config = {"api_url": cube.url, "auth_token": cube.token, "crms": [B2B]}
    old = Tap(tmp_path_factory.mktemp("discovery")).discover(config)
    crm = cube.crms[2, "B2B"]
    for customer in crm.customers():
        crm.update(customer["id"], appeared=f"{MARK}-new")
    return select(old, *(stream["tap_stream_id"] for stream in old["streams"]))


def test_discovery_does_not_leak(tap: Tap, cube: Sandbox) -> None:
    config = {"api_url": cube.url, "auth_token": cube.token, "crms": [B2B]}
    run = tap(config, "--discover", env={"LOGLEVEL": "DEBUG"})
    assert run.status == 0
    assert MARK not in run.log + run.stdout.decode()
    assert str(FIRST_ID)[:9] not in run.log + run.stdout.decode()
