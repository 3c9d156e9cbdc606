"""Discovery finds every field, wherever it hides."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import select

if TYPE_CHECKING:
    from tap_cube.sandbox import Sandbox
    from tests.support import Tap

B2B = {"data_owner_id": 2, "crm_type": "B2B"}


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_url": sandbox.url, "auth_token": sandbox.token, "crms": [B2B]}


def properties(catalog: dict[str, Any], stream: str) -> dict[str, Any]:
    entry = next(s for s in catalog["streams"] if s["tap_stream_id"] == stream)
    return dict(entry["schema"]["properties"])


def test_a_field_that_only_the_last_customer_has(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    sandbox.page_size = 7
    crm = sandbox.crms[2, "B2B"]
    crm.update(crm.customers()[-1]["id"], **{"Siste ord": "ja"})
    found = properties(tap.discover({**config, "sample_size": 10}), "customers")
    assert found["Siste ord"] == {"type": ["string", "null"]}


def test_a_field_that_nobody_has_yet(tap: Tap, sandbox: Sandbox, config: dict[str, Any]) -> None:
    crm = sandbox.crms[2, "B2B"]
    crm.definitions.append({"id": 9999, "key": "Ønsket dag", "type": "text", "max_length": 9})
    catalog = tap.discover(config)
    for stream in ("customers", "customer_details"):
        expected = {"type": ["string", "null"], "title": "Ønsket dag"}
        assert properties(catalog, stream)["Ønsket dag"] == expected


def test_lists_without_pages_are_requested_once_and_looked_at(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    """Campaigns and definitions are arrays, and other streams need them, too."""
    sandbox.crms[2, "B2B"].definitions.append(
        {"id": 9999, "key": "Ønsket dag", "type": "text", "max_length": 9, "sort order": 3}
    )
    del config["crms"]
    run = tap(config, "--discover")
    assert run.status == 0
    found = properties(json.loads(run.stdout), "custom_fields")
    assert found["sort order"] == {"type": ["integer", "null"]}
    assert "ERROR" not in run.log
    assert "WARNING" not in run.log
    paths = [target for _, target in sandbox.requests]
    assert len([path for path in paths if "/campaigns" in path]) == 1
    definitions = [path for path in paths if path.endswith("/crm_custom_fields/")]
    assert len(definitions) == len({*definitions}) == len(sandbox.crms)


def test_the_sample_is_spread_and_bounded(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    """Of 60 customers in pages of one, ten are looked at: the tenth of a spread of ten."""
    sandbox.page_size = 1
    crm = sandbox.crms[2, "B2B"]
    for position, customer in enumerate(crm.customers()):
        crm.update(customer["id"], **{f"only {position}": "x"})
    found = properties(tap.discover({**config, "sample_size": 10}), "customers")
    seen = sorted(int(name.split()[1]) for name in found if name.startswith("only "))
    assert len(seen) == 10
    assert (seen[0], seen[-1]) == (0, 59)
    assert max(b - a for a, b in pairwise(seen)) <= 7


def test_documented_fields_have_their_documented_types(tap: Tap, config: dict[str, Any]) -> None:
    catalog = tap.discover(config)
    found = properties(catalog, "customers")
    types = {name: (p["type"], p.get("format")) for name, p in found.items()}
    assert types["id"] == (["integer"], None)
    assert types["data_owner_id"] == (["integer"], None)
    assert types["crm_type"] == (["string"], None)
    assert types["birth_date"] == (["string", "null"], "date")
    assert types["address_street_no"] == (["integer", "null"], None)
    assert types["zip_code"] == (["string", "null"], None)
    assert all(found[name]["description"] for name in ("id", "zip_code", "birth_date"))
    campaign = properties(catalog, "campaigns")
    assert campaign["campaign__archived_date"]["format"] == "date"
    assert campaign["campaign__is_active"]["type"] == ["boolean", "null"]


def test_an_empty_crm_has_the_documented_and_the_defined_columns(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    crm = {"data_owner_id": 1, "crm_type": "B2C"}
    found = properties(tap.discover({**config, "crms": [crm]}), "customers")
    defined = {d["key"] for d in sandbox.crms[1, "B2C"].definitions}
    assert {"id", "name", "email", *defined} <= set(found)


def test_a_documented_type_stays_and_the_text_of_what_does_not_fit_has_a_column(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    """A table keeps its types; the sample already announces the columns for what does not fit."""
    crm = sandbox.crms[2, "B2B"]
    crm.update(crm.customers()[0]["id"], address_street_no="21B", birth_date="ukjent")
    found = properties(tap.discover(config), "customers")
    assert found["address_street_no"]["type"] == ["integer", "null"]
    assert found["birth_date"]["format"] == "date"
    for name in ("address_street_no", "birth_date"):
        assert found[f"{name}__text"]["type"] == ["string", "null"]


def test_what_is_selected_by_default(tap: Tap, config: dict[str, Any]) -> None:
    roots = {
        stream["tap_stream_id"]: next(
            e["metadata"] for e in stream["metadata"] if not e["breadcrumb"]
        )
        for stream in tap.discover(config)["streams"]
    }
    assert {name for name, root in roots.items() if not root["selected-by-default"]} == {
        "customer_details"
    }


def test_a_catalog_that_is_older_than_a_field_loses_nothing(
    tap: Tap, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    """Three new fields on different pages, and a value that its column cannot hold."""
    sandbox.page_size = 20
    catalog = select(tap.discover(config), "customers")
    crm = sandbox.crms[2, "B2B"]
    ids = [customer["id"] for customer in crm.customers()]
    crm.update(ids[5], first_new="a", second_new=5)
    crm.update(ids[45], third_new={"x": 1}, birth_date="ukjent")
    run = tap(config, catalog=catalog).check()
    schemas = run.of_type("SCHEMA", "customers")
    assert len(schemas) == 3, "one more for each page that brought something"
    found = run.properties("customers")
    assert found["first_new"] == {"type": ["string", "null"]}
    assert found["second_new"] == {"type": ["integer", "null"]}
    assert found["third_new"] == {"type": ["object", "null"]}
    assert found["birth_date"]["format"] == "date"
    records = {r["id"]: r for r in run.rows("customers")}
    assert records[ids[5]]["second_new"] == 5
    assert records[ids[45]]["third_new"] == {"x": 1}
    assert records[ids[45]]["birth_date"] is None
    assert records[ids[45]]["birth_date__text"] == "ukjent"
    assert "New columns: first_new (string), second_new (integer)" in run.log
    for id_, columns in ((ids[5], {"first_new"}), (ids[45], {"third_new", "birth_date__text"})):
        position = next(
            n for n, m in enumerate(run.messages) if m.get("record", {}).get("id") == id_
        )
        earlier = [m for m in run.messages[:position] if m["type"] == "SCHEMA"]
        assert columns <= set(earlier[-1]["schema"]["properties"]), "before the records of its page"
