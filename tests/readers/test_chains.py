"""Lists in ascending order of ids: no record is missed, whatever changes between two responses."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.cube.pages import page_number
from tap_cube.errors import NotFoundError, ReadError
from tap_cube.readers.lists import ListReader
from tests.readers.simulation import (
    CHANGES,
    Network,
    Server,
    at_rest,
    delete_and_append,
    delete_some,
    purge,
    read,
    seeds,
    some_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cube.cube.pages import Link, Page
    from tests.readers.simulation import Change


def as_numbers(page: Page) -> Page:
    return page


def partly_as_text(page: Page) -> Page:
    return replace(page, records=[str(i) if i % 7 == 0 else i for i in page.records])


@pytest.mark.parametrize("form", [as_numbers, partly_as_text])
@seeds(450, 10_000)
def test_no_record_is_missed(seeds: range, form: Callable[[Page], Page]) -> None:
    for seed in seeds:
        server, concurrency, name = some_server(seed, CHANGES)

        def respond(link: Link | None, server: Server = server) -> Page:
            return form(server.respond(link))

        outcome = read(server, concurrency=concurrency, ascending=True, respond=respond)
        assert server.throughout <= outcome.read, f"seed {seed}: {name}"
        assert not outcome.reader.doubts, f"seed {seed}: {name}"
        assert outcome.reader.state is None


@seeds(270, 6000)
def test_interrupted_reads_are_complete_together(seeds: range) -> None:
    """Stop after any page, change the list, and resume, up to four times."""
    for seed in seeds:
        server, concurrency, name = some_server(seed, CHANGES)
        union: set[int] = set()
        state: Any = None
        for rest in range(4, -1, -1):
            pages = -(-len(server.ids) // server.page_size)
            outcome = read(
                server,
                concurrency=concurrency,
                ascending=True,
                resume=state,
                stop_after=server.chance.randint(0, pages) if rest else None,
            )
            union |= outcome.read
            if outcome.finished:
                break
            state = outcome.reader.state or state
            assert state is None or {"page", "size"} == state.keys()
            for _ in range(server.chance.randint(0, 10)):
                server.change(server)
        assert server.throughout <= union, f"seed {seed}: {name}"
        assert not outcome.reader.doubts, f"seed {seed}: {name}"


def large(pages: int, *, step: int = 3, size: int = 50, change: Change = at_rest) -> Server:
    chance = Random(pages)  # noqa: S311  # not for secrets
    return Server(list(range(1, pages * size * step, step)), size, chance, change)


@pytest.mark.parametrize(
    ("pages", "concurrency", "most"),
    [
        (1, 4, 1),
        (2, 4, 3),
        (12, 4, 15),
        (100, 1, 101),
        (100, 4, 109),
        (1000, 1, 1001),
        (1000, 4, 1055),
        (1000, 16, 1100),
    ],
)
def test_a_list_at_rest_costs_a_request_per_page_and_one_per_chain(
    pages: int, concurrency: int, most: int
) -> None:
    server = large(pages)
    outcome = read(server, concurrency=concurrency, ascending=True)
    assert outcome.read == server.throughout
    assert outcome.records == len(server.ids), "none is written twice"
    assert server.responses <= most


def test_chains_need_no_overlap_where_ids_have_no_gaps() -> None:
    server = large(12, step=1)
    read(server, concurrency=4, ascending=True)
    assert server.responses == 12


@pytest.mark.parametrize("concurrency", [1, 4, 16])
@pytest.mark.parametrize("change", [delete_some(1), delete_and_append], ids=["deletions", "masked"])
def test_a_change_before_each_response_costs_less_than_a_third(
    concurrency: int, change: Change
) -> None:
    at_rest, changing = large(300), large(300, change=change)
    read(at_rest, concurrency=concurrency, ascending=True)
    outcome = read(changing, concurrency=concurrency, ascending=True)
    assert changing.throughout <= outcome.read
    assert changing.responses <= 1.3 * at_rest.responses


def test_pages_that_repeat_are_left_out_while_the_list_becomes_shorter() -> None:
    server = large(500, change=delete_some(5))
    outcome = read(server, concurrency=16, ascending=True)
    assert server.throughout <= outcome.read
    assert server.responses <= 2.5 * 500


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_pages_that_are_gone_are_left_out_while_the_list_becomes_shorter(concurrency: int) -> None:
    server = large(500, change=purge)
    outcome = read(server, concurrency=concurrency, ascending=True)
    assert server.throughout <= outcome.read
    assert server.responses <= 300


def test_pages_that_repeat_are_left_out_after_a_purge() -> None:
    def purge(server: Server) -> None:
        if server.responses == 20:
            server.delete(0, len(server.ids) // 2)

    server = large(200, change=purge)
    outcome = read(server, concurrency=1, ascending=True)
    assert server.throughout <= outcome.read
    assert server.responses <= 140


def test_the_order_depends_on_the_list_only() -> None:
    def order(seed: int) -> list[tuple[str, int]]:
        server = large(130)
        network = Network(server.respond, Random(seed))  # noqa: S311  # not for secrets
        reader = ListReader(
            network.request,
            lambda page: list(page.records),
            concurrency=4,
            ascending=True,
            wait_for=network.wait,
        )
        pages = []
        for page in reader:
            pages.append((page.link, len(page.records)))
            reader.written(page)
        return pages

    orders = [order(seed) for seed in range(8)]
    assert orders == orders[:1] * 8
    assert len(set(orders[0])) == len(orders[0]) == 130


@pytest.mark.parametrize("concurrency", [1, 4, 16])
@pytest.mark.parametrize("stop_after", [100, 300, 500, 700, 900])
def test_resuming_repeats_little(concurrency: int, stop_after: int) -> None:
    server = large(1000)
    first = read(server, concurrency=concurrency, ascending=True, stop_after=stop_after)
    state, before = first.reader.state, server.responses
    assert state is not None
    second = read(server, concurrency=concurrency, ascending=True, resume=state)
    assert first.read | second.read == server.throughout
    assert second.reader.resumed_at == state["page"]
    # What the chains below the topmost one had read, and the first page
    repeated = 1 + {1: 0, 4: 3 * 25, 16: 15 * 25}[concurrency]
    assert first.records + second.records <= len(server.ids) + repeated * 50
    assert server.responses - before <= 1.15 * (1000 - stop_after + repeated)


@pytest.mark.parametrize("concurrency", [1, 2, 4, 16])
@pytest.mark.parametrize("pages", [30, 200, 400, 1000])
def test_chains_cost_few_requests(concurrency: int, pages: int) -> None:
    """One page of each chain is read twice, but for the lowest one."""
    server = large(pages)
    assert read(server, concurrency=concurrency, ascending=True).read == server.throughout
    assert server.responses <= pages + max(concurrency, pages // 20)


def test_finding_the_place_takes_one_request() -> None:
    server = large(1000)
    outcome = read(server, concurrency=4, ascending=True, resume={"page": 2, "size": 50})
    assert outcome.read == set(server.ids[:100])
    assert server.responses == 3
    assert outcome.reader.resumed_at == 2


@pytest.mark.parametrize(
    "state",
    [
        None,
        5,
        [],
        {},
        {"page": 0, "size": 50},
        {"page": "2", "size": 50},
        {"page": 2},
        {"page": True, "size": 50},
        {"page": 2, "size": -1},
        {"page": -(10**30), "size": 50},
        {"page": 10**30, "size": 50},
        {"page": 10**8, "size": 50},
    ],
)
def test_a_malformed_state_means_reading_all(state: Any) -> None:
    server = large(5)
    outcome = read(server, concurrency=4, ascending=True, resume=state)
    assert outcome.read == server.throughout
    assert outcome.reader.resumed_at is None


def test_a_place_does_not_count_if_pages_became_shorter() -> None:
    server = large(10, size=20)
    outcome = read(server, concurrency=4, ascending=True, resume={"page": 2, "size": 50})
    assert outcome.read == server.throughout


def test_progress_never_goes_back() -> None:
    server = large(20)
    network = Network(server.respond, server.chance)
    reader = ListReader(
        network.request,
        lambda page: list(page.records),
        concurrency=4,
        ascending=True,
        wait_for=network.wait,
    )
    done = []
    for page in reader:
        reader.written(page)
        done.append(reader.done)
    assert done == sorted(done)
    assert (done[0], done[-1], reader.total) == (50, 1000, 1000)


COUNTS: dict[str, Callable[[int, int], int | None]] = {
    "none": lambda _length, _number: None,
    "first page only": lambda _length, number: 5000 if number == 1 else None,
    "too low": lambda _length, _number: 7,
    "too high": lambda length, _number: 3 * length,
}


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
@pytest.mark.parametrize(
    "change", [at_rest, delete_some(2), delete_and_append], ids=["rest", "deletions", "masked"]
)
def test_nothing_depends_on_the_count(
    change: Change, count: Callable[[int, int], int | None]
) -> None:
    server = large(40, change=change)
    server.count = count
    outcome = read(server, concurrency=4, ascending=True)
    assert server.throughout <= outcome.read


def test_records_that_are_added_elsewhere_are_noticed() -> None:
    """Ids that ascend, but with new ones among them: the count tells that some were not read."""

    def change(server: Server) -> None:
        if server.responses == 30:
            for index in (0, 100, 700, 1400):
                server.ids.insert(index, server.ids[index] - 1)

    server = large(40, change=change)
    outcome = read(server, concurrency=4, ascending=True)
    assert server.throughout <= outcome.read
    assert server.responses > 70, "it was read again"


def test_two_records_out_of_order_end_the_chains() -> None:
    server = large(12, step=1)
    server.ids[210:212] = server.ids[211:209:-1]
    outcome = read(server, concurrency=4, ascending=True)
    assert outcome.read == server.throughout
    assert server.responses > 12, "it was read again"


@pytest.mark.parametrize("concurrency", [1, 4])
def test_pages_out_of_order_end_the_chains_even_if_nothing_is_counted(concurrency: int) -> None:
    server = large(12)
    server.ids = server.ids[300:] + server.ids[:300]
    server.count = lambda _length, _number: None
    outcome = read(server, concurrency=concurrency, ascending=True)
    assert outcome.read == server.throughout


def test_records_that_change_places_end_the_chains() -> None:
    def change(server: Server) -> None:
        if server.responses == 20:
            server.ids = server.ids[900:] + server.ids[:900]

    server = large(40, change=change)
    outcome = read(server, concurrency=1, ascending=True)
    assert outcome.read == server.throughout
    assert server.responses > 50


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("missing", [2, 7, 11, 20])
def test_a_page_that_is_never_there_is_an_error(concurrency: int, missing: int) -> None:
    server = large(20)

    def respond(link: Link | None) -> Page:
        if link and page_number(link) == missing:
            server.responses += 1
            raise NotFoundError
        return server.respond(link)

    with pytest.raises(ReadError, match="links to a page that is not there"):
        read(server, concurrency=concurrency, ascending=True, respond=respond)
    assert server.responses < 40


def test_a_page_that_is_not_there_once_is_read() -> None:
    server = large(20)
    gone: set[Link | None] = set()

    def respond(link: Link | None) -> Page:
        if link and link not in gone and page_number(link) in {5, 11, 20}:
            gone.add(link)
            raise NotFoundError
        return server.respond(link)

    outcome = read(server, concurrency=4, ascending=True, respond=respond)
    assert outcome.read == server.throughout
    assert not outcome.reader.doubts
