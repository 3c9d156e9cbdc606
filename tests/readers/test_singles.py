"""Single records: each one of the list is requested, and a read that was broken off goes on."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.compat import override
from tap_cube.cube.pages import Page
from tap_cube.errors import CubeError, NotFoundError, ReadError
from tap_cube.readers.lists import ListReader
from tap_cube.readers.singles import Arrivals, ChosenReader, ListedReader, Window, known_ids
from tests.readers.simulation import CHANGES, NOW, Network, Server, seeds, some_server
from tests.readers.test_chains import large
from tests.readers.test_gone_pages import Listing, ids_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Singles:
    """Answers requests for single records.

    Attributes:
        requests: How often each record was requested.
    """

    def __init__(self, exists: Callable[[Any], bool] = lambda _: True) -> None:
        self.requests: Counter[Any] = Counter()
        self._exists = exists

    def request(self, id_: Any) -> Future[Page]:
        self.requests[id_] += 1
        future: Future[Page] = Future()
        if self._exists(id_):
            future.set_result(Page(f"/{id_}/", [id_], None, None, None, NOW))
        else:
            future.set_exception(NotFoundError())
        return future


def details(
    network: Network, singles: Singles, *, ascending: bool = True, resume: Any = None
) -> ListedReader:
    arrivals = Arrivals(network.request)
    listed = ListReader(
        arrivals.request,
        lambda page: list(page.records),
        concurrency=1,
        ascending=ascending,
        resume=resume,
        wait_for=network.wait,
    )
    return ListedReader(
        listed, lambda page: page.records, singles.request, arrivals=arrivals, concurrency=4
    )


def read_details(
    server: Server,
    singles: Singles,
    *,
    ascending: bool = True,
    resume: Any = None,
    stop_after: int | None = None,
) -> tuple[set[int], ListedReader, bool]:
    """Read until a page was read that is not written any more."""
    network = Network(server.respond, server.chance)
    reader = details(network, singles, ascending=ascending, resume=resume)
    reader.start()
    written: set[int] = set()
    for number, page in enumerate(reader):
        if number == stop_after:
            return written, reader, False
        written.update(page.records)
        reader.written(page)
    return written, reader, True


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("stop_after", [1, 2, 13, 20, 39])
def test_at_most_a_tenth_is_requested_twice(stop_after: int, *, ascending: bool) -> None:
    server, singles = large(40), Singles()
    first, reader, _ = read_details(server, singles, ascending=ascending, stop_after=stop_after)
    assert len(first) == stop_after * 50
    assert ascending or reader.state == {"next": stop_after + 1, "size": 50}
    second, reader, is_whole = read_details(
        server, singles, ascending=ascending, resume=reader.state
    )
    assert is_whole
    assert reader.state is None
    assert first | second == server.throughout
    assert singles.requests.total() <= 1.1 * 2000
    assert bool(reader.doubts) == (not ascending), "a pass that was interrupted is not verified"


@seeds(150, 3000)
def test_no_record_is_missed_if_reads_are_broken_off(seeds: range) -> None:
    for seed in seeds:
        server, _, name = some_server(seed, CHANGES)
        union: set[int] = set()
        state: Any = None
        for stop_after in (3, 0, 1, 5, None):
            singles = Singles(server.ids.__contains__)
            written, reader, is_whole = read_details(
                server, singles, resume=state, stop_after=stop_after
            )
            union |= written
            state = reader.state or state
            if is_whole:
                break
            server.change(server)
        assert server.throughout <= union, f"seed {seed}: {name}"
        assert not reader.doubts, f"seed {seed}: {name}"


@pytest.mark.parametrize("found", range(0, 210, 15))
@pytest.mark.parametrize("is_list_there", [True, False])
def test_an_outage_is_not_taken_for_deletions(found: int, *, is_list_there: bool) -> None:
    """From some request on, the server finds nothing: at once, or the list a little later."""
    server = large(4)
    last_of_list = found + 70 * is_list_there

    def change(_server: Server) -> None:
        if singles.requests.total() > last_of_list:
            raise NotFoundError

    singles = Singles(lambda _id: singles.requests.total() <= found)
    server.change = change
    union: set[int] = set()
    network = Network(server.respond, server.chance)
    first = details(network, singles)
    with suppress(CubeError):
        for page in first:
            union.update(page.records)
            first.written(page)
    server.change = lambda _server: None
    second, reader, _ = read_details(server, Singles(), resume=first.state)
    missed = server.throughout - union - second
    # At most half of one page, and only if the list was there all the same
    assert len(missed) <= 25 * is_list_there
    assert not reader.doubts


def test_the_only_customer_may_be_deleted_before_it_is_read() -> None:
    server = large(1)
    del server.ids[1:]

    def exists(id_: Any) -> bool:
        server.ids.clear()
        return id_ in server.ids

    written, reader, is_whole = read_details(server, Singles(exists))
    assert (written, is_whole, reader.doubts) == (set(), True, [])


def test_the_state_does_not_cover_a_page_that_was_not_written() -> None:
    server, singles = large(4), Singles()
    _, reader, _ = read_details(server, singles, stop_after=2)
    assert reader.state == {"page": 3, "size": 50}, "the first page, and the last one"


def test_records_that_are_gone_meanwhile_are_left_out() -> None:
    server = large(4)
    gone = set(server.ids[10:20])
    written, reader, _ = read_details(server, Singles(lambda id_: id_ not in gone))
    assert written == server.throughout - gone
    assert reader.done == 190
    assert reader.total == 200


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_single_records_come_in_order_whatever_order_they_are_answered_in(concurrency: int) -> None:
    chance = Random(concurrency)  # noqa: S311  # not for secrets
    waiting: list[tuple[int, Future[Page]]] = []
    most = 0

    class Late(Future[Page]):
        @override
        def result(self, timeout: float | None = None) -> Page:
            while not self.done():
                id_, future = waiting.pop(chance.randrange(len(waiting)))
                future.set_result(Page("/", [id_], None, None, None, NOW))
            return super().result(timeout)

    def request(id_: int) -> Future[Page]:
        nonlocal most
        future = Late()
        waiting.append((id_, future))
        most = max(most, len(waiting))
        return future

    reader = ChosenReader(list(range(50)), request, concurrency=concurrency)
    assert [page.records for page in reader] == [[id_] for id_ in range(50)]
    assert most <= 2 * concurrency


def test_requests_do_not_wait_for_the_end_of_a_page() -> None:
    """Only the first page is complete before the next one is requested."""
    in_flight = 0
    depths = []

    class Late(Future[Page]):
        @override
        def result(self, timeout: float | None = None) -> Page:
            nonlocal in_flight
            depths.append(in_flight)
            in_flight -= 1
            return super().result(timeout)

    def request(id_: int) -> Future[Page]:
        nonlocal in_flight
        in_flight += 1
        future = Late()
        future.set_result(Page("/", [id_], None, None, None, NOW))
        return future

    arrivals = Arrivals(Listing(list(range(100)), size=10).request)
    listed = ListReader(arrivals.request, ids_of, concurrency=1, ascending=True)
    reader = ListedReader(listed, ids_of, request, arrivals=arrivals, concurrency=3)
    found: list[int] = []
    for page in reader:
        found += page.records
        reader.written(page)
    assert sorted(found) == list(range(100))
    assert depths[10:-6] == [6] * 84


def test_a_page_may_begin_with_another_record_than_was_foreseen() -> None:
    window = Window((singles := Singles()).request, 3)
    window.take([0], 0, lambda: [2, 3, 4, 5])
    window.keep([1, 2, 3, 6])
    pages = [window.take([1, 2, 3, 6], position) for position in range(4)]
    assert [page.records for page in pages if page] == [[1], [2], [3], [6]]
    assert singles.requests == {0: 1, 1: 1, 2: 1, 3: 1, 6: 1}


def test_chosen_records_that_do_not_exist_are_told_by_position() -> None:
    reader = ChosenReader([1, 2, 3, 4], Singles(lambda id_: id_ % 2 == 0).request, concurrency=2)
    pages = []
    for page in reader:
        pages.append(page)
        reader.written(page)
    assert [page.records for page in pages] == [[2], [4]]
    assert reader.missing == {0, 2}
    assert (reader.done, reader.total, reader.state, reader.doubts) == (2, 4, None, [])


@pytest.mark.parametrize("unknown", [None, ""])
def test_each_customer_needs_the_field_of_the_url(unknown: Any) -> None:
    assert known_ids([1, "2"], "customer_id") == [1, "2"]
    with pytest.raises(ReadError, match="`customer_id`"):
        known_ids([1, unknown], "customer_id")
    with pytest.raises(ReadError, match="neither text nor a whole number"):
        known_ids([1, ["2"]], "customer_id")
