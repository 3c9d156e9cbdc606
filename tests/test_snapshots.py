"""The tap's complete output for a small sandbox: catalog, first run, second run, `--about`.

The expected output is in `tests/snapshots/`. To write it again after an intended change, run

    UPDATE_SNAPSHOTS=1 pytest tests/test_snapshots.py

and review the diff. Both runs use the catalog of `--discover` with every stream selected. The
second run starts from the first run's STATE, after customers, calls and statuses have changed.

Placeholders replace what differs between any two runs (times, versions, bookmarks), and a schema
that is the one shown last for its stream, in the catalog or in a SCHEMA. STATE messages within a
stream depend on timing and are left out; the last one of each stream is kept. All records are of
May 2024, so that no value depends on the current day.
"""

from __future__ import annotations

import datetime as dt
import os
from decimal import Decimal
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest

from tap_cube.sandbox import Sandbox
from tests.support import Tap, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support import Message

    Shape = Literal["flat", "prefixed"]

SNAPSHOTS = Path(__file__).parent / "snapshots"
SHAPES: tuple[Shape, ...] = ("flat", "prefixed")
MAIN, OTHER = (2, "B2B"), (2, "B2C")
LAST_DAY = dt.date(2024, 5, 20)
START = "2024-05-06"
WIDTH = 140
ENCODER = msgspec.json.Encoder(decimal_format="number")

#: Invented here, since the sandbox's own names change with the version of Faker.
COMMON = {
    "gender": "",
    "birth_date": None,
    "care_of_name": None,
    "zone_name": "",
    "address_entrance": "",
    "municipality": None,
    "county": "Trøndelag",
    "country": "Norge",
    "phone_2": None,
    "phone_3": "",
}
COMPANIES: tuple[dict[str, Any], ...] = (
    {"name": "Ærlig & Sønn AS", "address_street_no": 4, "phone_1": "40000001", "email": None},
    {"name": 'Kafé "Å"', "address_street_no": None, "phone_1": "40000002", "email": ""},
    {
        "name": "Bjørneby Bygg",
        "address_street_no": 17,
        "phone_1": "40000003",
        "email": "post@bjorneby.example.org",
    },
    {"name": "Ytre Øy Fisk", "address_street_no": 1, "phone_1": "40000004", "email": None},
)
ADDED = {"name": "Nyvik Regnskap", "address_street_no": 8, "phone_1": "40000005", "email": None}
PERSON = {
    "name": "Åse Eksempel",
    "gender": "kvinne",
    "birth_date": "1971-02-28",
    "address_street_no": 9,
    "phone_1": "40000006",
    "email": "aase@example.com",
}


@pytest.fixture(params=SHAPES)
def cube(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Two CRMs with customers, calls, sales and statuses, and values of many kinds."""
    with Sandbox(
        customers=len(COMPANIES), page_size=3, shape=request.param, today=LAST_DAY, outcomes=0
    ) as running:
        for company, customer in zip(COMPANIES, running.crms[MAIN].customers(), strict=True):
            update(running, MAIN, customer, company)
        update(running, OTHER, running.crms[OTHER].customers()[0], PERSON)
        for key in (MAIN, OTHER):
            crm = running.crms[key]
            crm.clear_events()
            crm.add_status()
            crm.add_outcome(noon(1))
            crm.add_registration(noon(2))
        crm = running.crms[MAIN]
        crm.add_status(callflow__attempts_status__attempts="")
        crm.add_outcome(noon(1), call_outcome__comment="")
        sale = crm.add_registration(noon(3), product__price=Decimal("1234567890.123456789"))
        crm.add_registration(noon(4), **{n: "" for n in sale if n.startswith("crm__")})
        yield running


def noon(days_ago: int) -> dt.datetime:
    """Noon in Norway, so many days before the sandbox's last day."""
    return dt.datetime.combine(LAST_DAY, dt.time(12)) - dt.timedelta(days=days_ago)


def fields_of(cube: Sandbox, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A customer's fields in the sandbox's shape."""
    street = {"address_street": "Prøveveien", "zip_code": "0150", "city": "Oslo", "company": None}
    whole = {**COMMON, **street, "need_to_know": "OR", **fields}
    if cube.shape == "flat":
        return whole
    kept = ("name", "phone_1", "phone_2", "phone_3", "email")
    return {f"crm__standard_info__{name}": whole[name] or "" for name in kept}


def update(
    cube: Sandbox, key: tuple[int, str], customer: dict[str, Any], fields: Mapping[str, Any]
) -> None:
    crm = cube.crms[key]
    crm.update(customer[crm.key_field], **fields_of(cube, fields))


def change(cube: Sandbox) -> None:
    """What happens between the runs: changes, new fields, a deletion, and additions."""
    crm = cube.crms[MAIN]
    first, second, third, _ = (customer[crm.key_field] for customer in crm.customers())
    crm.update(first, **{crm.note_field: "Ringte 2 ganger", crm.new_field(1): "ja"})
    # Neither a date nor a number
    crm.update(second, **{"birth_date" if cube.shape == "flat" else "crm__custom_info__64": "tja"})
    crm.delete(third)
    crm.add(**fields_of(cube, ADDED))
    crm.add_outcome(noon(0), call_outcome__extra__Poeng=7)
    crm.add_status(product__TV=2)
    crm.definitions.append({"id": 9999, "key": "Ønsket dag", "type": "text", "max_length": 9})


@pytest.fixture
def config(cube: Sandbox) -> dict[str, Any]:
    return {
        "api_url": cube.url,
        "auth_token": cube.token,
        "crms": [{"data_owner_id": owner, "crm_type": type_} for owner, type_ in (MAIN, OTHER)],
        "start_date": START,
        "emit_activate_version_messages": True,
    }


def test_catalog_and_messages(tap: Tap, cube: Sandbox, config: dict[str, Any]) -> None:
    catalog = tap.discover(config)
    names = [stream["tap_stream_id"] for stream in catalog["streams"]]
    selected = select(msgspec.json.decode(msgspec.json.encode(catalog)), *names)
    first = tap(config, catalog=selected).check()
    change(cube)
    state = with_bookmarks(first.state, str(LAST_DAY - dt.timedelta(days=2)))
    second = tap(config, catalog=selected, state=state).check()
    shown = {entry["tap_stream_id"]: one_line(entry["schema"]) for entry in catalog["streams"]}
    found = {
        "catalog": laid_out(catalog) + "\n",
        "first-run": listed(first.stdout, shown),
        "second-run": listed(second.stdout, shown),
    }
    for name, text in found.items():
        compare(f"{cube.shape}-{name}.json", text)


def test_about(tap: Tap) -> None:
    """Without the SDK's own settings, whose descriptions change with its version."""
    run = tap(None, "--about", "--format=markdown")
    assert run.status == 0, run.log
    own, found, _ = run.stdout.decode().partition("| stream_maps |")
    assert found
    compare("about.md", own)


def compare(name: str, text: str) -> None:
    path = SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8", newline="\n")
    expected = path.read_text(encoding="utf-8")
    lines = unified_diff(expected.splitlines(), text.splitlines(), name, "found", lineterm="", n=0)
    diff = "\n".join(lines)
    assert not diff, diff


def with_bookmarks(state: Any, day: str) -> Any:
    """The STATE with each bookmark at a day."""
    if isinstance(state, dict):
        return {
            name: day if name == "replication_key_value" else with_bookmarks(value, day)
            for name, value in state.items()
        }
    return [with_bookmarks(value, day) for value in state] if isinstance(state, list) else state


def listed(stdout: bytes, shown: dict[str, str]) -> str:
    """The messages as a JSON array: one a line, but a new schema has a line for each column.

    Args:
        stdout: The tap's output.
        shown: The last schema of each stream, updated in place.
    """
    decode = msgspec.json.Decoder(float_hook=Decimal).decode
    texts = []
    for message in essential([decode(line) for line in stdout.splitlines()]):
        if message["type"] == "SCHEMA":
            schema = one_line(message["schema"])
            if schema == shown[message["stream"]]:
                message["schema"] = "<unchanged>"
            shown[message["stream"]] = schema
            texts.append(laid_out(message))
        else:
            texts.append(one_line(steady(message)))
    return "[\n" + ",\n".join(texts) + "\n]\n"


def essential(messages: list[Message]) -> list[Message]:
    """Drop each STATE that is not the last one of its stream."""
    kept: list[Message] = []
    stream = None
    for message in messages:
        follows_state = bool(kept) and kept[-1]["type"] == "STATE"
        if follows_state and message.get("stream", stream) == stream:
            kept.pop()
        stream = message.get("stream", stream)
        kept.append(message)
    return kept


def steady(message: Message) -> Message:
    """The message without what differs from run to run."""
    if message["type"] == "STATE":
        return dict(with_bookmarks(message, "<day>"))
    changing = {"time_extracted": "<time>", "version": "<version>"}
    return {name: changing.get(name, value) for name, value in message.items()}


def one_line(value: Any) -> str:
    return msgspec.json.format(ENCODER.encode(value), indent=0).decode()


def laid_out(value: Any, indent: str = "") -> str:
    """JSON, indented, but with each value on one line that fits there."""
    text = one_line(value)
    if not isinstance(value, dict | list) or len(indent + text) < WIDTH:
        return text
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{one_line(name)}: {laid_out(v, inner)}" for name, v in value.items()]
    else:
        items = [laid_out(v, inner) for v in value]
    lines = ",\n".join(inner + item for item in items)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{lines}\n{indent}{closing}"
