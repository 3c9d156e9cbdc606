"""Which changes of an event keep its key, so that a target overwrites its row."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.nights.cube import Crm, Cube
from tests.nights.nights import Mode, Nights

if TYPE_CHECKING:
    from tests.support import Record, Run, Tap

NOW = dt.datetime(2024, 5, 20, 8, tzinfo=dt.timezone.utc)
DAY = "2024-05-10"
WITH, WITHOUT = (1, "B2B"), (2, "B2B")
STREAM = "product_registrations"
NUMBER = "product__extra__Nr"
AGENT = "call_outcome__report_as__submitted_by"
ANONYMOUS = dict.fromkeys(
    ("crm__customer_id", "crm__standard_info__name", "crm__standard_info__email"), ""
)

#: By case: what changes, and whether the key stays with milliseconds, and without.
CHANGES: dict[str, tuple[Record, bool, bool]] = {
    "nothing": ({}, True, True),
    "the comment": ({"call_outcome__comment": "Ringte igjen"}, True, True),
    "the outcome": ({"call_outcome__type": "Nei", "call_outcome__subtype": "Dyrt"}, True, True),
    "the customer's name": ({"crm__standard_info__name": "Kari Dunk"}, True, True),
    "the segment's name": ({"segment__name": "Uke 13"}, True, True),
    "the customer is anonymised": (ANONYMOUS, True, False),
    "the campaign's name": ({"campaign__name": "Fiber 2"}, True, False),
    "the agent's name": ({AGENT: "ingrid.lie"}, False, False),
    "the product's name": ({"product__title": "Fiber 500"}, True, True),
    "the price": ({"product__price": 2}, True, True),
}
#: Events that are equal, by number; as they are in the first night and in the second.
EQUALS = {
    "one is deleted": (("a1", "a2", "a3"), ("a1", "a3")),
    "another order": (("b1", "b2", "b3"), ("b3", "b1", "b2")),
    "one comes late": (("c1", "c2"), ("c3", "c1", "c2")),
}


def event(position: int, number: str, *, stamp: bool, **changes: Any) -> Record:
    """An event; those with one position are equal."""
    time = f"{DAY}T{8 + position // 60:02}:{position % 60:02}"
    return {
        "crm__customer_id": str(1000 + position),
        "crm__standard_info__name": "Ola Nordmann",
        "crm__standard_info__email": "ola@example.com",
        "call_outcome__comment": "",
        "call_outcome__type": "Ja",
        AGENT: "ingrid.aasen",
        "call_outcome__report_as__submitted_when": time.replace("T", " "),
        **(
            {"call_outcome__report_as__submitted_when_timestamp": f"{time}:01.{position:03}+0200"}
            if stamp
            else {}
        ),
        "campaign__name": "Fiber",
        "segment__name": "Uke 12",
        "product__code": "F1",
        "product__title": "Fiber",
        "product__price": 1,
        NUMBER: number,
        **changes,
    }


def crm(night: int, *, stamp: bool) -> Crm:
    events = [
        event(position, name, stamp=stamp, **(change if night else {}))
        for position, (name, (change, *_)) in enumerate(CHANGES.items())
    ]
    for position, numbers in enumerate(EQUALS.values(), 100):
        events += [event(position, number, stamp=stamp) for number in numbers[night]]
    if night:
        events.insert(0, event(200, "late", stamp=stamp))
    return Crm(events={STREAM: [(DAY, record) for record in events]})


def keys(run: Run, crm: tuple[int, str]) -> dict[str, str]:
    rows = [row for row in run.records(STREAM) if row["data_owner_id"] == crm[0]]
    return {row[NUMBER]: row["row_key"] for row in rows}


@pytest.mark.parametrize("mode", ["kept", pytest.param("found", marks=pytest.mark.e2e)])
def test_what_keeps_its_key(tap: Tap, mode: Mode) -> None:
    nights = Nights(tap, mode, STREAM)
    with Cube() as cube:
        runs = []
        for night in (0, 1):
            cube.crms = {WITH: crm(night, stamp=True), WITHOUT: crm(night, stamp=False)}
            runs.append(nights.night(cube.settings(lookback_days=30), NOW))
            assert runs[-1].status == 0, runs[-1].log
            found = [record["row_key"] for record in runs[-1].records(STREAM)]
            listed = sum(len(each.events[STREAM]) for each in cube.crms.values())
            assert len({*found}) == listed
    for number, each in enumerate((WITH, WITHOUT)):
        first, second = (keys(run, each) for run in runs)
        for name, (_, *stays) in CHANGES.items():
            assert (first[name] == second[name]) == stays[number], name
        assert second["late"] not in first.values()
        before, after = (
            {case: {found[number] for number in numbers[night]} for case, numbers in EQUALS.items()}
            for night, found in enumerate((first, second))
        )
        assert after["one is deleted"] < before["one is deleted"]
        assert after["another order"] == before["another order"]
        assert after["one comes late"] > before["one comes late"]


def test_the_documents_say_so() -> None:
    text = (Path(__file__).parents[2] / "docs/streams.md").read_text("utf-8")
    table = text.split("<!-- keys -->\n")[1].split("\n\n")[0]
    words = {True: "stays", False: "changes"}
    said = [
        f"| {case} | {words[with_it]} | {words[without]} |"
        for case, (changes, with_it, without) in CHANGES.items()
        if changes
    ]
    assert table.splitlines()[2:] == said
