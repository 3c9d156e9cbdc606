"""Nothing leaks: whatever happens, at whatever log level, no secret and no customer is logged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Tap

MARK = "Zq7Marker"
B2B = {"data_owner_id": 2, "crm_type": "B2B"}
#: Ids by which a customer would be recognised wherever they turned up.
FIRST_ID = 918273645000


@pytest.fixture(scope="module")
def cube() -> Iterator[Sandbox]:
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
    "a server that is not there": {"api_url": "http://127.0.0.1:9", "max_tries": 2},
}


@pytest.mark.parametrize("change", SCENARIOS.values(), ids=SCENARIOS)
def test_nothing_leaks(
    tap: Tap, cube: Sandbox, catalog: dict[str, Any], change: dict[str, Any]
) -> None:
    good = {"api_url": cube.url, "auth_token": cube.token, "crms": [B2B]}
    config = {name: value for name, value in {**good, **change}.items() if value is not None}
    run = tap(config, catalog=catalog, env={"LOGLEVEL": "DEBUG"})
    states = [json.dumps(m) for m in run.messages if m["type"] == "STATE"]
    for text in (run.log, *states):
        assert MARK not in text
        assert str(FIRST_ID)[:9] not in text
    assert "DEBUG" in run.log, "the level that would show it was on"
    if run.status == 0:
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
    return select(old, "customers", "customer_details", "campaigns", "custom_fields")


def test_discovery_does_not_leak(tap: Tap, cube: Sandbox) -> None:
    config = {"api_url": cube.url, "auth_token": cube.token, "crms": [B2B]}
    run = tap(config, "--discover", env={"LOGLEVEL": "DEBUG"})
    assert run.status == 0
    assert MARK not in run.log + run.stdout.decode()
    assert str(FIRST_ID)[:9] not in run.log + run.stdout.decode()
