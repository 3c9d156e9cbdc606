"""Lists in another or a hidden order: no record is missed without a doubt, where it can be known.

It cannot be known

- if a deletion and an addition fall between two consecutive responses, as `count` hides both;
- if records change places without a change of `count`, unless one was listed twice or not at all,
  so that the number of different records tells;
- with one or two records a page, whether a list is in ascending order: those that were seen may be
  so by chance.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.readers.lists import ListReader
from tests.readers.simulation import (
    CHANGES,
    Network,
    Server,
    append_some,
    at_rest,
    delete_in_bulk,
    delete_some,
    purge,
    read,
    seeds,
    some_server,
    sometimes,
    up_to,
)
from tests.readers.test_chains import large

if TYPE_CHECKING:
    from tap_cube.cube.pages import Link, Page
    from tests.readers.simulation import Change


def either(server: Server) -> None:
    server.chance.choice([delete_some(1), delete_some(5), append_some(3), at_rest])(server)


def add_in_front(server: Server) -> None:
    server.add(0)


def add_anywhere(server: Server) -> None:
    server.add(server.chance.randint(0, len(server.ids)))


def shuffle(server: Server) -> None:
    server.chance.shuffle(server.ids)


def turn(server: Server) -> None:
    half = len(server.ids) // 2
    server.ids = server.ids[half:] + server.ids[:half]


def move(server: Server) -> None:
    """Let a record change its place, so that those between may come to another page."""
    if server.ids:
        id_ = server.ids.pop(server.chance.randrange(len(server.ids)))
        server.ids.insert(server.chance.randint(0, len(server.ids)), id_)


HARMLESS: dict[str, Change] = {
    "rest": at_rest,
    "one deletion": delete_some(1),
    "five deletions": delete_some(5),
    "bulk": delete_in_bulk,
    "purges": purge,
    "additions": up_to(100, append_some(4)),
    "additions now and then": up_to(300, sometimes(append_some(4), 0.1)),
}

HARMFUL: dict[str, Change] = {
    "both": up_to(200, either),
    "both now and then": up_to(400, sometimes(either, 0.1)),
    "both rarely": up_to(800, sometimes(either, 0.02)),
    "additions in front": up_to(300, sometimes(add_in_front, 0.1)),
    "additions anywhere": up_to(300, sometimes(add_anywhere, 0.1)),
    "another order": sometimes(shuffle, 0.03),
    "turned": sometimes(turn, 0.03),
    "moves": sometimes(move, 0.1),
}


@pytest.mark.parametrize("shuffled", [False, True])
@seeds(280, 5000)
def test_no_record_is_missed_without_a_doubt(seeds: range, *, shuffled: bool) -> None:
    for seed in seeds:
        server, concurrency, name = some_server(seed, HARMLESS | HARMFUL)
        if shuffled:
            shuffle(server)
        outcome = read(server, concurrency=concurrency, ascending=False)
        missed = server.throughout - outcome.read
        assert not missed or outcome.reader.doubts, f"seed {seed}: {name}"
        if name in HARMLESS:
            assert not missed, f"seed {seed}: {name}"
            assert not outcome.reader.doubts, f"seed {seed}: {name}"
        assert outcome.reader.state is None


@pytest.mark.parametrize("shuffled", [False, True])
@seeds(280, 5000)
def test_a_list_in_any_order_is_not_taken_for_an_ascending_one(
    seeds: range, *, shuffled: bool
) -> None:
    for seed in seeds:
        server, concurrency, name = some_server(seed, HARMLESS | HARMFUL)
        if server.page_size <= 2:
            continue
        if shuffled:
            shuffle(server)
        outcome = read(server, concurrency=concurrency, ascending=True)
        missed = server.throughout - outcome.read
        assert not missed or outcome.reader.doubts, f"seed {seed}: {name}"


def test_single_records_in_any_order_are_not_taken_for_ascending_ones() -> None:
    for seed in range(200):
        server, concurrency, name = some_server(seed, {"rest": at_rest})
        server.page_size = 1
        shuffle(server)
        outcome = read(server, concurrency=concurrency, ascending=True)
        missed = server.throughout - outcome.read
        assert not missed or outcome.reader.doubts, f"seed {seed}: {name}"


@seeds(200, 5000)
def test_what_was_interrupted_is_read_again_or_in_doubt(seeds: range) -> None:
    for seed in seeds:
        server, concurrency, name = some_server(seed, CHANGES | HARMFUL)
        stop_after = server.chance.randint(0, -(-len(server.ids) // server.page_size))
        first = read(server, concurrency=concurrency, ascending=False, stop_after=stop_after)
        server.change = at_rest
        second = read(server, concurrency=concurrency, ascending=False, resume=first.reader.state)
        missed = server.throughout - second.read
        assert not missed or second.reader.doubts, f"seed {seed}: {name}: it may be activated"
        if name == "rest":
            assert server.throughout <= first.read | second.read


@pytest.mark.parametrize(
    ("pages", "stop_after", "state"), [(20, 8, {"next": 9, "size": 50}), (20, 19, {"next": 20})]
)
def test_a_pass_goes_on_where_it_stood(pages: int, stop_after: int, state: dict[str, int]) -> None:
    server = large(pages)
    first = read(server, concurrency=4, ascending=False, stop_after=stop_after)
    assert first.reader.state == state | {"size": 50}
    before = server.responses
    second = read(server, concurrency=4, ascending=False, resume=first.reader.state)
    assert first.read | second.read == server.throughout
    assert second.reader.resumed_at == state["next"]
    assert second.records == (pages - stop_after) * 50
    assert server.responses - before <= pages - stop_after + 1
    assert "continues an interrupted one" in second.reader.doubts[0]


def test_a_read_downwards_goes_on_where_it_stood() -> None:
    server = large(20)
    state = {"previous": 6, "size": 50}
    outcome = read(server, concurrency=4, ascending=False, resume=state)
    assert outcome.read == set(server.ids[:300])
    assert outcome.reader.resumed_at == 6
    assert "continues an interrupted one" in outcome.reader.doubts[0]


def test_the_second_pass_leaves_its_place() -> None:
    def change(server: Server) -> None:
        if server.responses == 10:
            server.delete(0, 5)

    server = large(20, change=change)
    network = Network(server.respond, server.chance)
    reader = ListReader(
        network.request, lambda page: list(page.records), concurrency=1, ascending=False
    )
    states = []
    for page in reader:
        reader.written(page)
        states.append(reader.state)
    # The pages downwards have nothing new, but for page 8
    assert states[-2:] == [{"next": 20, "size": 50}, {"previous": 8, "size": 50}]
    assert reader.state is None


@pytest.mark.parametrize(
    "state",
    [
        {"page": 7, "size": 50},
        {"next": 7, "size": 20},
        {"next": 10**9, "size": 50},
        {"next": "7", "size": 50},
        {"previous": 21, "size": 50},
        {"next": 7},
    ],
)
def test_a_place_of_another_list_means_reading_all(state: Any) -> None:
    server = large(20)
    outcome = read(server, concurrency=4, ascending=False, resume=state)
    assert outcome.read == server.throughout
    assert outcome.reader.resumed_at is None
    assert not outcome.reader.doubts


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_a_list_at_rest_is_read_once_and_in_order(concurrency: int) -> None:
    server = large(20)
    outcome = read(server, concurrency=concurrency, ascending=False)
    assert outcome.read == server.throughout
    assert (server.responses, outcome.pages) == (20, 20)


def test_one_fall_of_the_count_costs_a_read_downwards() -> None:
    def change(server: Server) -> None:
        if server.responses == 10:
            server.delete(0, 5)

    server = large(20, change=change)
    outcome = read(server, concurrency=4, ascending=False)
    assert server.throughout <= outcome.read
    assert not outcome.reader.doubts
    assert server.responses <= 2 * 20 + 8
    assert outcome.records == len(server.ids) + 5, "none is written twice"


def test_doubts_give_the_numbers() -> None:
    def change(server: Server) -> None:
        if server.responses % 3 == 0:
            server.delete(0, 1)
        elif server.responses % 3 == 1:
            server.add(0)

    server = large(6, size=10, change=change)
    outcome = read(server, concurrency=1, ascending=False)
    *_, doubt = outcome.reader.doubts
    assert doubt.startswith("the list changed in each of 3 reads (its length was between 60 and 61")


def test_a_list_without_count_is_in_doubt_if_it_has_pages() -> None:
    server = large(6)
    server.count = lambda _length, _number: None
    outcome = read(server, concurrency=4, ascending=False)
    assert outcome.read == server.throughout
    assert server.responses == 6
    assert "6 pages do not tell the length" in outcome.reader.doubts[0]
    server = large(1)
    server.count = lambda _length, _number: None
    assert not read(server, concurrency=4, ascending=False).reader.doubts


def test_a_wrong_count_is_in_doubt_after_two_passes() -> None:
    server = large(6)
    server.count = lambda length, _number: length + 2
    outcome = read(server, concurrency=4, ascending=False)
    assert server.responses <= 16
    assert outcome.reader.doubts == ["Cube counts 302 records, but lists 300 different ones"]


def test_a_read_downwards_counts_only_if_the_count_never_rose() -> None:
    """The record at the border of two pages is passed by in both directions."""

    def change(server: Server) -> None:
        if server.responses == 4:
            server.delete(0, 1)
        elif server.responses == 10:
            server.add(0)

    server = large(6, size=10, change=change)
    outcome = read(server, concurrency=1, ascending=False)
    assert server.throughout <= outcome.read
    assert not outcome.reader.doubts
    assert server.responses >= 18


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_anonymised_records_cost_no_second_read(share: float) -> None:
    for seed in range(50):
        chance = Random(seed)  # noqa: S311  # not for secrets
        server = Server(list(range(1, 100 + seed)), chance.choice([2, 5, 10]), chance, at_rest)
        known = {id_ for id_ in server.ids if chance.random() >= share}

        def respond(link: Link | None, server: Server = server, known: set[int] = known) -> Page:
            page = server.respond(link)
            return replace(page, records=[id_ if id_ in known else None for id_ in page.records])

        outcome = read(server, concurrency=4, ascending=False, respond=respond)
        assert outcome.read == known
        assert not outcome.reader.doubts
        assert server.responses == -(-len(server.ids) // server.page_size)


def test_a_first_page_that_is_out_of_date_is_read_again() -> None:
    def change(server: Server) -> None:
        if server.responses == 2:
            server.delete(0, 1)
            server.add()

    server = large(12, change=change)
    server.ids[-1:] = [0]
    server.throughout = set(server.ids)
    outcome = read(server, concurrency=1, ascending=True)
    assert server.throughout <= outcome.read
