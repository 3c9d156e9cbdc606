"""Targets learn what is gone after a complete read, and never otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import select

if TYPE_CHECKING:
    from tap_cube.sandbox import Sandbox
    from tests.support import Message, Tap

B2B = {"data_owner_id": 2, "crm_type": "B2B"}
MISSING = {"data_owner_id": 9, "crm_type": "B2B"}


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "api_url": sandbox.url,
        "auth_token": sandbox.token,
        "crms": [B2B, {"data_owner_id": 1, "crm_type": "B2B"}],
        "emit_activate_version_messages": True,
    }


def positions(messages: list[Message], type_: str) -> list[int]:
    return [
        position
        for position, message in enumerate(messages)
        if message["type"] == type_ and message["stream"] == "customers"
    ]


@pytest.mark.parametrize("stream_maps", [None, {"customers": {"email": None}}], ids=str)
def test_once_after_all_crms_were_read(
    tap: Tap, config: dict[str, Any], stream_maps: dict[str, Any] | None
) -> None:
    run = tap({**config, "stream_maps": stream_maps or {}}).check()
    (activation,) = positions(run.messages, "ACTIVATE_VERSION")
    assert activation > max(positions(run.messages, "RECORD"))
    versions = {run.messages[position]["version"] for position in positions(run.messages, "RECORD")}
    assert versions == {run.messages[activation]["version"]}
    assert 1_700_000_000 < versions.pop() < 2**31, "epoch seconds fit an integer column"


def test_none_if_a_crm_failed(tap: Tap, config: dict[str, Any]) -> None:
    catalog = select(tap.discover(config), "customers", "campaigns")
    run = tap({**config, "crms": [B2B, MISSING]}, catalog=catalog)
    assert run.status == 1
    assert positions(run.messages, "RECORD")
    assert positions(run.messages, "ACTIVATE_VERSION") == []
    assert len(run.of_type("ACTIVATE_VERSION", "campaigns")) == 1, "another stream was complete"
    assert "Nothing is deleted in targets: the read was not complete" in run.log


def test_none_if_customers_are_missing_from_the_list(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    """A list whose order is not stable shows one customer twice and another not at all."""
    crm = sandbox.crms[2, "B2B"]
    first, second = (customer["id"] for customer in crm.customers()[:2])
    crm.update(second, id=first)
    run = tap({**config, "crms": [B2B]}, catalog=select(tap.discover(config), "customers")).check()
    assert run.log.count("Cube counts 60 records, but lists 59 different ones") == 1
    assert len(run.rows("customers")) == 59
    assert positions(run.messages, "ACTIVATE_VERSION") == []


def test_none_unless_asked_for(tap: Tap, config: dict[str, Any]) -> None:
    run = tap({**config, "emit_activate_version_messages": False}).check()
    assert positions(run.messages, "ACTIVATE_VERSION") == []
    assert not any("version" in message for message in run.messages)


@pytest.mark.parametrize("left", [{}, {"version": 1_700_000_001}], ids=["without", "with"])
def test_a_read_goes_on_only_if_its_records_have_a_version(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any], left: dict[str, int]
) -> None:
    """Otherwise an activation would delete the rows that the interrupted read wrote."""
    sandbox.page_size = 10
    catalog = select(tap.discover(config), "customers")
    mark = {"page": 2, "size": 10, **left}
    state = {"bookmarks": {"customers": {"partitions": [{"context": B2B, "reading": mark}]}}}
    run = tap(config, catalog=catalog, state=state).check()
    records = run.of_type("RECORD", "customers")
    amount = sum(message["record"]["data_owner_id"] == 2 for message in records)
    assert amount == (20 if left else 60)
    (activation,) = run.of_type("ACTIVATE_VERSION", "customers")
    assert {message["version"] for message in records} == {activation["version"]}
