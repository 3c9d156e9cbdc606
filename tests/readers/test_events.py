"""Events that a target merges by key: complete once a read counts, and never one too many."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.readers.dated import WindowReader
from tap_cube.readers.days import Window, windows
from tap_cube.readers.events import KeyedReader
from tap_cube.readers.row_keys import CAMPAIGN, CUSTOMER, STAMP, StatusIdentity
from tests.readers.simulated import COMMENT, CRM, DAY, MONDAY, WEEK, Server, event, identity, rows

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    Record = dict[str, Any]
    Event = tuple[dt.date, Record]

TODAY = Window(MONDAY, MONDAY)


class Table(dict[str, "Record"]):
    """The rows of a target that merges by key."""


def multiset(records: Iterable[Record]) -> Counter[str]:
    return Counter(json.dumps(record, sort_keys=True) for record in records)


def week(*, stamp: bool = True, alike: int = 0, amount: int = 70) -> list[Event]:
    """Ten events a day, in the order of time; so many of them have a twin behind them."""
    events: list[Event] = []
    for number in range(amount):
        day = MONDAY + number * 7 // amount * DAY
        made = event(day, number * 7 % 40_000, stamp=stamp)
        events.append((day, made))
        if number < alike * 5 and number % 5 == 3:
            events.append((day, {**made, COMMENT: f"twin {number}"}))
    return events


def read(
    server: Server,
    table: Table | None = None,
    *,
    window: Window = WEEK,
    over: bool = True,
    concurrency: int = 4,
) -> WindowReader:
    reader = WindowReader(window, server.request, identity, concurrency=concurrency, over=over)
    for key, record in rows(reader):
        if table is not None:
            table[key] = record
    return reader


def reads(server: Server, window: Window) -> int:
    return server.links.count(f"/list/?from={window.first}&to={window.last}")


def holds_all(table: Table, server: Server) -> bool:
    return multiset(table.values()) == multiset(record for _, record in server.events)


def reversed_on_second_page(events: list[Record], number: int) -> list[Record]:
    return events[::-1] if number == 2 else events


@pytest.mark.parametrize("concurrency", [1, 4, 16])
@pytest.mark.parametrize("page_size", [1, 3, 5, 500])
def test_a_list_without_alikes_is_read_once(page_size: int, concurrency: int) -> None:
    server, table = Server(week(), page_size=page_size), Table()
    reader = read(server, table, concurrency=concurrency)
    assert reader.complete
    assert reader.doubts == []
    assert holds_all(table, server)
    assert len(server.links) == -(-70 // page_size)
    assert server.most_in_flight <= concurrency


def test_alikes_on_one_page_need_no_second_read() -> None:
    server, table = Server(week(alike=14), page_size=500), Table()
    assert read(server, table).complete
    assert holds_all(table, server)
    assert len(server.links) == 1


@pytest.mark.parametrize("stamp", [True, False])
@pytest.mark.parametrize("page_size", [1, 2, 3, 7])
def test_alikes_on_different_pages_are_confirmed_by_another_read(
    page_size: int, *, stamp: bool
) -> None:
    server, table = Server(week(alike=14, stamp=stamp), page_size=page_size), Table()
    reader = read(server, table)
    assert reader.complete
    assert reader.doubts == []
    assert holds_all(table, server)
    assert len(table) == 84
    assert reads(server, TODAY) <= 2


def test_twenty_thousand_events_have_as_many_keys_whatever_the_windows() -> None:
    events = week(alike=3300, amount=16_700)
    found = []
    for size, page_size in [(1, 500), (2, 97), (3, 499), (5, 150), (7, 200)]:
        server = Server(events, page_size=page_size)
        table = Table()
        for window in windows(WEEK.first, WEEK.last, size):
            assert read(server, table, window=window, concurrency=16).complete
        assert holds_all(table, server)
        found.append(set(table))
    assert len(found[0]) == 20_000
    assert all(keys == found[0] for keys in found)


def in_front(day: dt.date) -> Callable[[Server, int], None]:
    """An event reported late before each response, and before all others in the list."""

    def shifted(server: Server, number: int) -> None:
        if number > 1:
            server.events.insert(0, (day, event(day, next(server.later))))

    return shifted


def shuffled(server: Server, _number: int) -> None:
    server.random.shuffle(server.events)


def appended(server: Server, _number: int) -> None:
    day = WEEK.last
    server.events.append((day, event(day, next(server.later))))


def deleted(server: Server, _number: int) -> None:
    del server.events[server.random.randrange(len(server.events))]


def replaced(server: Server, number: int) -> None:
    """`count` does not show it."""
    deleted(server, number)
    day, record = server.random.choice(server.events)
    server.events.insert(0, (day, {**record, COMMENT: f"twin {server.random.random()}"}))


def edited(server: Server, _number: int) -> None:
    position = server.random.randrange(len(server.events))
    day, record = server.events[position]
    server.events[position] = day, {**record, COMMENT: f"edited {next(server.later)}"}


def anonymised(server: Server, _number: int) -> None:
    position = server.random.randrange(len(server.events))
    day, record = server.events[position]
    server.events[position] = day, {**record, CUSTOMER: ""}


def all_at_once(server: Server, number: int) -> None:
    for change in (shuffled, appended, deleted, edited, anonymised):
        if server.random.random() < 0.3:
            change(server, number)


CHANGES: list[Callable[[Server, int], None]] = [
    in_front(MONDAY),
    shuffled,
    appended,
    deleted,
    replaced,
    edited,
    anonymised,
    all_at_once,
]


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_restless_list_loses_nothing_that_counts_as_read_and_adds_no_row(
    change: Callable[[Server, int], None], *, over: bool
) -> None:
    completed = 0
    for seed in range(60):
        most: Counter[bytes] = Counter()
        always: list[Counter[bytes]] = []

        def watch(server: Server, number: int, most: Any = most, always: Any = always) -> None:
            change(server, number)
            records = [record for _, record in server.events]
            now = Counter(identity(records, MONDAY))
            most |= now
            always[:] = [always[0] & now if always else now]

        server = Server(week(alike=seed % 15), page_size=3 + seed % 9, seed=seed, change=watch)
        if seed % 3:  # the list comes to rest at some time
            still = seed % 11

            def stop(server: Server, number: int, still: int = still, watch: Any = watch) -> None:
                server.change = watch if len(server.links) < still else None
                watch(server, number)

            server.change = stop
        table = Table()
        reader = read(server, table, over=over, concurrency=(1, 4, 16)[seed % 3])
        allowed = {f"{d.hex()}-{n + 1}" for d, amount in most.items() for n in range(amount)}
        assert set(table) <= allowed, "no key that no event has"
        if over and reader.complete:
            completed += 1
            needed = {
                f"{d.hex()}-{n + 1}" for d, amount in always[0].items() for n in range(amount)
            }
            assert needed <= set(table), "what existed all the time was read"
        else:
            assert over <= bool(reader.doubts)
        # The next run, once the list is at rest
        server.change = None
        again = read(server, table)
        assert again.complete, again.doubts
        now = Counter(identity([record for _, record in server.events], MONDAY))
        assert {f"{d.hex()}-{n + 1}" for d, k in now.items() for n in range(k)} <= set(table)
        kept = Counter(json.dumps(r, sort_keys=True) for r in table.values())
        assert not multiset(record for _, record in server.events) - kept
    assert completed > 5 or not over


def test_a_second_page_in_another_order_is_found_out_and_made_up_for_by_days() -> None:
    server, table = Server(week(), page_size=12, order=reversed_on_second_page), Table()
    reader = read(server, table)
    assert reader.complete
    assert holds_all(table, server)


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize("positions", [(5,), (9,), (1, 6, 9)], ids=str)
def test_identical_events_on_two_pages_are_confirmed_by_a_second_read(
    positions: tuple[int, ...], *, over: bool
) -> None:
    """Side by side or not, and whether or not their day is over."""
    events = [(MONDAY, event(MONDAY, n)) for n in range(10)]
    for position in positions:
        events.insert(position, events[4])
    server, table = Server(events, page_size=5), Table()
    reader = read(server, table, window=TODAY, over=over)
    assert reader.complete
    assert reader.doubts == []
    assert holds_all(table, server)
    assert reads(server, TODAY) == 2


def test_a_page_that_was_in_another_order_once_is_made_up_for() -> None:
    def order(events: list[Record], number: int) -> list[Record]:
        return events[::-1] if number == 2 and reads(server, TODAY) == 1 else events

    server = Server([(MONDAY, event(MONDAY, n)) for n in range(10)], page_size=4, order=order)
    table = Table()
    reader = read(server, table, window=TODAY, concurrency=1)
    assert reader.complete
    assert holds_all(table, server)
    assert reads(server, TODAY) == 2


def test_pages_in_an_order_that_differs_each_time_add_no_event() -> None:
    """What agrees twice by chance is beyond what a reader can know: here it is improbable."""
    events = [(MONDAY, event(MONDAY, n)) for n in range(60)]
    events.insert(7, events[3])
    for seed in range(20):
        server, table = Server(events, page_size=25, seed=seed, change=shuffled), Table()
        reader = read(server, table, window=TODAY)
        assert not reader.complete
        assert "could not be confirmed in 3 reads" in reader.doubts[0]
        assert {key.rpartition("-")[2] for key in table} <= {"1", "2"}
        assert len([key for key in table if key.endswith("-2")]) <= 1
        server.change = None
        again = read(server, table, window=TODAY)
        assert again.complete
        assert holds_all(table, server)


def test_a_day_is_read_three_times_at_most() -> None:
    server = Server(week(alike=14), page_size=3, change=shuffled)
    reader = read(server)
    assert not reader.complete
    assert reads(server, WEEK) + reads(server, TODAY) == 3
    server = Server(week(alike=14), page_size=3, change=shuffled)
    reader = read(server, window=TODAY)
    assert not reader.complete
    assert reads(server, TODAY) == 3


def test_an_open_window_without_alikes_is_read_once_even_if_it_changes() -> None:
    server = Server(week(), page_size=5, change=appended)
    reader = read(server, over=False, concurrency=1)
    assert reader.complete
    assert reads(server, WEEK) == 1


def test_what_waits_for_the_next_run_is_said_in_numbers_without_ids() -> None:
    server = Server(week(alike=14), page_size=3, change=in_front(MONDAY))
    reader = read(server, window=TODAY)
    assert not reader.complete
    text = "\n".join(reader.doubts)
    assert "2024-05-06: the list could not be confirmed in 3 reads: the server listed" in text
    assert "wait for the next run" in text
    customers = {record[CUSTOMER] for _, record in server.events}
    assert not any(customer in text.replace("2024", "") for customer in customers)


@pytest.mark.parametrize(
    ("count", "requests"),
    [
        (lambda length, page: length if page == 1 else None, 14),
        (lambda _length, _page: None, 14 + 14 + 14),
        (lambda length, _page: length + 1, 15 + 2 * 7 * 3),  # with guesses beyond the end
    ],
    ids=["first page only", "none", "wrong"],
)
def test_count_may_be_missing_or_wrong(
    count: Callable[[int, int], int | None], requests: int
) -> None:
    server, table = Server(week(), page_size=5, count=count), Table()
    reader = read(server, table)
    assert reader.complete
    assert holds_all(table, server)
    assert len(server.links) == requests
    wrong = "the server counts 11 records, but lists 10"
    assert [doubt.partition(": ")[2] for doubt in reader.doubts] == [wrong] * 7 * (count(1, 1) == 2)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_events_without_a_time_are_told_apart_by_their_days(size: int) -> None:
    alike = {COMMENT: "", CUSTOMER: "1", "call_outcome__report_as__submitted_when": None}
    events = week()
    for number, days in enumerate((0, 0, 1, 2, 2, 2, 6)):
        day = MONDAY + days * DAY
        events.append((day, {**alike, COMMENT: str(number)}))
    events.sort(key=lambda dated: dated[0])
    server, table = Server(events, page_size=4), Table()
    for window in windows(WEEK.first, WEEK.last, size):
        assert read(server, table, window=window).complete
    assert holds_all(table, server)
    assert len(table) == 77


def test_the_first_request_starts_before_the_iteration() -> None:
    server = Server(week())
    reader = WindowReader(WEEK, server.request, identity, concurrency=4, over=True)
    assert server.links == []
    reader.start()
    reader.start()
    assert len(server.links) == 1
    assert sum(len(page.keys) for page in reader) == 70
    assert reads(server, WEEK) == 1


def statuses(customers: Sequence[str], **fields: Any) -> list[Event]:
    return [(MONDAY, {CUSTOMER: customer, CAMPAIGN: "Fiber", **fields}) for customer in customers]


def read_statuses(server: Server, table: Table) -> KeyedReader:
    digests = StatusIdentity(CRM)
    reader = KeyedReader(
        server.request(None),
        digests,
        concurrency=4,
        at_rest=True,
        needs_count=True,
    )
    table.update(rows(reader))
    return reader


def test_statuses_of_one_customer_in_two_segments_are_both_read() -> None:
    names = [str(number) for number in range(20)]
    events = statuses(names, segment__name="a") + statuses(names[:3], segment__name="b")
    server, table = Server(events), Table()
    reader = read_statuses(server, table)
    assert reader.complete
    assert holds_all(table, server)
    assert reads_of_all(server) == 2


def reads_of_all(server: Server) -> int:
    return server.links.count("/list/?all=1")


@pytest.mark.parametrize("one", ["", "4"], ids=["anonymised", "known"])
def test_statuses_that_are_identical_are_confirmed_by_a_second_read(one: str) -> None:
    events = statuses([str(n) if n % 3 else one for n in range(30)])
    server, table = Server(events), Table()
    assert read_statuses(server, table).complete
    assert len(table) == 30


def test_fewer_statuses_than_the_server_counts_are_not_complete() -> None:
    server = Server(statuses(["1", "2"]), count=lambda length, _page: length + 1)
    reader = read_statuses(server, Table())
    assert not reader.complete
    assert reader.doubts == [
        "the list could not be confirmed in 3 reads: the server listed 2 records and counted 3"
    ]


def test_statuses_without_a_length_are_not_known_to_be_none() -> None:
    reader = read_statuses(Server([], count=lambda _length, _page: None), Table())
    assert not reader.complete
    (doubt,) = reader.doubts
    assert doubt.endswith("the server listed 0 records and did not count them")
    assert read_statuses(Server([]), Table()).complete


def test_a_timestamp_is_what_the_simulation_relies_on() -> None:
    assert len({record[STAMP] for _, record in week()}) == 70
