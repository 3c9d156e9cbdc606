"""Keys last as long as what identifies a record, and no two records share one."""

from __future__ import annotations

import random
from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tap_cube.readers.dated import WindowReader
from tap_cube.readers.days import Window
from tap_cube.readers.row_keys import (
    CAMPAIGN,
    CUSTOMER,
    KEY_LENGTH,
    MINUTE,
    PRODUCT,
    STAMP,
    SUBMITTER,
    EventIdentity,
    StatusIdentity,
    UndatedError,
    row_key,
)
from tests.readers.simulated import COMMENT, CRM, DAY, MONDAY, Server, identity, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Record = dict[str, Any]

EVENT: Record = {
    CUSTOMER: "4711",
    "crm__standard_info__name": "Åse Dahl",
    COMMENT: "Ringes etter påske",
    SUBMITTER: "ingrid.aasen",
    MINUTE: "2024-05-06 10:27",
    STAMP: "2024-05-06T10:27:06.477+0200",
    CAMPAIGN: "Fiber",
    "segment__name": "Uke 12",
    PRODUCT: "FIBER500",
}
WITHOUT_STAMP = {**EVENT, STAMP: ""}


def digest(record: Record, crm: tuple[object, ...] = CRM) -> bytes:
    return EventIdentity(crm)([record])[0]


def lookalikes(amount: int, *, stamp: bool) -> Iterator[Record]:
    """Events that differ in one of the identifying fields, or by nothing at all."""
    draw = random.Random(1).choice  # noqa: S311  # not for secrets
    for _ in range(amount):
        time = f"2024-05-{draw(range(10, 20))} 10:{draw(range(10, 60))}"
        yield {
            CUSTOMER: draw(["", "1", "11", '1","1', 1, None]),
            CAMPAIGN: draw(["1", "11", "", "Høst"]),
            MINUTE: time,
            STAMP: f"{time.replace(' ', 'T')}:{draw(range(10, 60))}.5+0200" if stamp else None,
            SUBMITTER: draw(["", "1", "11"]),
            PRODUCT: draw(["", "1"]),
        }


@pytest.mark.parametrize("stamp", [True, False])
def test_no_two_of_many_lookalikes_share_a_key(*, stamp: bool) -> None:
    found: set[str] = set()
    for crm in ((1, "B2B"), (1, "B2C"), (11, "B2B")):
        numbers: Counter[bytes] = Counter()
        for one in EventIdentity(crm)(list(lookalikes(20_000, stamp=stamp))):
            numbers[one] += 1
            found.add(row_key(one, numbers[one]))
    assert len(found) == 60_000
    assert max(map(len, found)) < KEY_LENGTH
    assert len(row_key(b"\xff" * 16, 9_999_999_999)) == KEY_LENGTH


IDENTIFYING = [
    (EVENT, {STAMP, SUBMITTER, PRODUCT}),
    (WITHOUT_STAMP, {MINUTE, CUSTOMER, CAMPAIGN, SUBMITTER, PRODUCT, STAMP}),
]


@pytest.mark.parametrize(("record", "identifying"), IDENTIFYING, ids=["stamp", "minute"])
def test_a_key_depends_on_what_identifies_and_on_nothing_else(
    record: Record, identifying: set[str]
) -> None:
    changed = {name: digest({**record, name: "2024-05-06T10:27:06.478+0200"}) for name in record}
    assert {name for name, value in changed.items() if value != digest(record)} == identifying
    assert len({changed[name] for name in identifying}) == len(identifying)
    assert digest(record, (2, "B2C")) != digest(record) != digest(record, (3, "B2B"))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (
            STAMP,
            [
                "2024-05-06T10:27:06.477+0200",
                "2024-05-06T10:27:06.477+02:00",
                "2024-05-06T08:27:06.477Z",
                "2024-05-06T08:27:06.477000+00:00",
                "2024-05-06 09:27:06.477+01:00",
            ],
        ),
        (STAMP, ["2024-05-06T10:27:06.477", "2024-05-06 10:27:06.477000"]),
        (STAMP, ["", None, "ukjent", "2024-05-06", 5]),
        (SUBMITTER, ["", None]),
        (SUBMITTER, ["7", 7]),
        (SUBMITTER, ["a\ufffdb", "a\0b", "a\ud800b"]),
        (PRODUCT, ["", None]),
        (PRODUCT, ["12", 12]),
    ],
)
def test_equivalent_spellings_have_one_key(field: str, values: list[Any]) -> None:
    alone = {digest({**EVENT, field: value}) for value in values}
    assert len(alone) == 1
    # The other records of a page do not matter
    page = [{**EVENT, field: value} for value in [*values, "another"]]
    assert set(EventIdentity(("2", "B2B"))(page)[: len(values)]) == alone


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (MINUTE, ["2024-05-06 10:27", "2024-05-06T10:27", "2024-05-06 10:27:59"]),
        (CUSTOMER, ["4711", 4711]),
        (CUSTOMER, ["", None]),
        (CAMPAIGN, ["", None]),
    ],
)
def test_equivalent_spellings_have_one_key_without_a_timestamp(
    field: str, values: list[Any]
) -> None:
    assert len({digest({**WITHOUT_STAMP, field: value}) for value in values}) == 1
    assert len({digest({**WITHOUT_STAMP, field: value}) for value in [*values, "0"]}) == 2


def test_fields_that_a_record_lacks_are_empty() -> None:
    bare = {name: value for name, value in EVENT.items() if name not in {PRODUCT, CUSTOMER}}
    assert digest(bare) == digest({**EVENT, PRODUCT: None})
    assert EventIdentity(CRM)([]) == []


class Row(msgspec.Struct):
    stamp: Any = msgspec.UNSET
    submitter: Any = msgspec.UNSET
    customer: Any = msgspec.UNSET
    campaign: Any = msgspec.UNSET


def test_rows_have_the_keys_of_dicts() -> None:
    names = {STAMP: "stamp", SUBMITTER: "submitter", CUSTOMER: "customer", CAMPAIGN: "campaign"}

    def column(records: Sequence[Any], field: str) -> list[Any]:
        if field not in names:
            return [None] * len(records)
        return list(map(attrgetter(names[field]), records))

    row = Row(stamp=EVENT[STAMP], submitter=EVENT[SUBMITTER])
    assert EventIdentity(CRM, column)([row]) == [digest({**EVENT, PRODUCT: ""})]
    status = {CUSTOMER: 4711, CAMPAIGN: "Fiber"}
    found = StatusIdentity(CRM, column)([Row(customer="4711", campaign="Fiber"), Row()])
    assert found == StatusIdentity(CRM)([status, {}])


def test_records_without_a_time_need_a_day() -> None:
    undated = {**EVENT, STAMP: None, MINUTE: ""}
    first, second = MONDAY, MONDAY + DAY
    ask = EventIdentity(CRM)
    assert ask([undated], first) != ask([undated], second)
    assert ask([EVENT, WITHOUT_STAMP], first) == ask([EVENT, WITHOUT_STAMP])
    with pytest.raises(UndatedError):
        ask([EVENT, undated])


def test_a_status_is_identified_by_customer_and_campaign() -> None:
    status = {CUSTOMER: "1", CAMPAIGN: "Fiber", "segment__name": "a", "callflow__x": 5}
    ask = StatusIdentity(CRM)
    moved = {**status, "segment__name": "b", "callflow__x": 6}
    others = [{**status, CUSTOMER: "2"}, {**status, CAMPAIGN: "Strøm"}]
    assert ask([status]) == ask([moved])
    assert len({*ask([status, *others]), *StatusIdentity((2, "B2C"))([status])}) == 4
    assert ask([{CUSTOMER: "1", CAMPAIGN: "11"}]) != ask([{CUSTOMER: "11", CAMPAIGN: "1"}])


def night(table: dict[str, Record], records: list[Record]) -> None:
    """Merge a night's events by key, as a target does."""
    window = Window(MONDAY, MONDAY)
    server = Server([(MONDAY, record) for record in records], page_size=3)
    reader = WindowReader(window, server.request, identity, concurrency=1, over=True)
    table.update(rows(reader))
    assert reader.complete


def with_(**changes: Any) -> Callable[[list[Record]], list[Record]]:
    names = {"campaign": CAMPAIGN, "segment": "segment__name", "agent": SUBMITTER}
    fields = {names.get(name, name): value for name, value in changes.items()}
    return lambda records: [{**records[0], **fields}, *records[1:]]


LATE = {MINUTE: "2024-05-06 09:00", STAMP: "2024-05-06T09:00:01.001+0200"}
CHANGES: dict[str, tuple[int, Callable[[list[Record]], list[Record]]]] = {
    "edited": (1, with_(**{COMMENT: "Nytt", "product__price": 5})),
    "anonymised": (1, with_(**{CUSTOMER: "", "crm__standard_info__name": ""})),
    "campaign renamed": (1, with_(campaign="Fiber 2024")),
    "segment renamed": (1, with_(segment="Uke 13")),
    "agent renamed": (1, with_(agent="ingrid.dahl")),
    "time corrected": (
        1,
        with_(**{MINUTE: "2024-05-06 10:29", STAMP: "2024-05-06T10:29:06.477+0200"}),
    ),
    "timestamps appear": (1, lambda records: [{**records[0], STAMP: EVENT[STAMP]}]),
    "deleted among equals": (3, lambda records: records[1:]),
    "last deleted among equals": (3, lambda records: records[:-1]),
    "equals in another order": (3, lambda records: records[::-1]),
    "equals edited": (3, with_(**{COMMENT: "Nytt"})),
    "reported late": (1, lambda records: [{**records[0], CUSTOMER: "1", **LATE}, *records]),
    "reported late among equals": (2, lambda records: [{**records[0], COMMENT: "x"}, *records]),
}

#: The rows that stay behind after the change, with and without milliseconds.
LEFT = {
    "anonymised": (0, 1),
    "campaign renamed": (0, 1),
    "agent renamed": (1, 1),
    "time corrected": (1, 1),
    "timestamps appear": (0, 1),
    "deleted among equals": (1, 1),
    "last deleted among equals": (1, 1),
}


@pytest.mark.parametrize("stamp", [True, False], ids=["milliseconds", "minutes"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_becomes_of_the_rows_when_a_day_is_read_again(change: str, *, stamp: bool) -> None:
    equals, apply = CHANGES[change]
    original = EVENT if stamp else WITHOUT_STAMP
    before = [{**original, **({COMMENT: f"twin {n}"} if n else {})} for n in range(equals)]
    after = apply(before)
    if not stamp and change != "timestamps appear":
        after = [{**record, STAMP: ""} for record in after]
    table: dict[str, Record] = {}
    night(table, before)
    night(table, after)
    found = Counter(map(str, table.values()))
    assert not Counter(map(str, after)) - found, "every event is there as it is now"
    assert sum((found - Counter(map(str, after))).values()) == LEFT.get(change, (0, 0))[not stamp]
