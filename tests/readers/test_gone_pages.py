"""A page that is gone although others link to it, and order that breaks on one page only."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.cube.pages import Page, page_number
from tap_cube.errors import NotFoundError, ReadError
from tap_cube.readers.events import KeyedReader
from tap_cube.readers.lists import ListReader
from tap_cube.readers.singles import Arrivals, ListedReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_cube.cube.pages import Link

RECEIVED = dt.datetime(2024, 5, 20, tzinfo=dt.timezone.utc)


class Listing:
    """A list that answers at once.

    Args:
        ids: The ids, page by page.
        gone: How often each page is gone, by its number.
        count: Returns the count that a page tells, by its number.
        change: Called before each response, with the number of the page.
    """

    def __init__(
        self,
        ids: list[Any],
        *,
        size: int = 10,
        gone: dict[int, int] | None = None,
        count: Callable[[Listing], int | None] = lambda listing: len(listing.ids),
        change: Callable[[Listing, int], None] = lambda _listing, _number: None,
    ) -> None:
        self.ids: list[Any] = ids
        self.size = size
        self.gone = gone or {}
        self.count = count
        self.change = change
        self.requested: list[int] = []

    def request(self, link: Link | None) -> Future[Page]:
        number = page_number(link) or 1 if link else 1
        self.requested.append(number)
        self.change(self, number)
        future: Future[Page] = Future()
        start, end = (number - 1) * self.size, number * self.size
        if self.gone.get(number, 0) > 0 or (number > 1 and start >= len(self.ids)):
            self.gone[number] = self.gone.get(number, 0) - 1
            future.set_exception(NotFoundError("gone"))
            return future
        future.set_result(
            Page(
                link=f"/list/?page={number}",
                records=[{"id": id_} for id_ in self.ids[start:end]],
                count=self.count(self),
                next=f"/list/?page={number + 1}" if end < len(self.ids) else None,
                previous=f"/list/?page={number - 1}" if number > 1 else None,
                received_at=RECEIVED,
            )
        )
        return future


def ids_of(page: Page) -> list[Any]:
    return [record["id"] for record in page.records]


def reader(listing: Listing, *, ascending: bool, resume: Any = None) -> ListReader:
    return ListReader(listing.request, ids_of, concurrency=1, ascending=ascending, resume=resume)


def read(reading: Any) -> list[Any]:
    found = []
    for page in reading:
        found += ids_of(page)
        reading.written(page)
    return found


COUNTS = {
    "none": lambda _listing: None,
    "too low": lambda _listing: 10,
    "right": lambda listing: len(listing.ids),
}


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
@pytest.mark.parametrize("times", [1, 2])
def test_a_linked_page_is_tried_again(count: Any, times: int) -> None:
    ids = list(range(120))
    found = read(reader(Listing(ids, gone={7: times}, count=count), ascending=True))
    assert sorted(found) == ids


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_one_wrong_404_hides_nothing(concurrency: int, count: Any) -> None:
    """Whichever page it is about, also while the end of the list is looked for."""
    ids = list(range(350))
    for page in range(2, 40):
        listing = Listing(ids, gone={page: 1}, count=count)
        reading = ListReader(listing.request, ids_of, concurrency=concurrency, ascending=True)
        assert sorted(read(reading)) == ids, page
        assert not reading.doubts


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
def test_a_linked_page_that_stays_away_is_an_error(count: Any) -> None:
    with pytest.raises(ReadError, match="links to a page that is not there"):
        read(reader(Listing(list(range(120)), gone={7: 99}, count=count), ascending=True))


def test_deletions_meanwhile_do_not_hide_it() -> None:
    ids = list(range(120))

    def change(listing: Listing, number: int) -> None:
        if number == 7 and listing.requested.count(7) == 2:
            del listing.ids[-10:]

    listing = Listing([*ids], gone={7: 2}, change=change)
    assert {*ids[:110]} <= {*read(reader(listing, ascending=True))}


@pytest.mark.parametrize("resume", [None, {"page": 42, "size": 10}])
def test_one_low_id_does_not_end_a_chain(resume: Any) -> None:
    """It is on the page that the topmost chain reads, above the first page of the one below."""
    ids = [n * 10 for n in range(450)]
    ids[410] = 25
    listing = Listing(ids)
    reading = ListReader(listing.request, ids_of, concurrency=4, ascending=True, resume=resume)
    found = {*read(reading)}
    assert {*ids[: 410 if resume else 450]} <= found | {25}


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize(("first", "then"), [(10, 9), (10, 11), (10, 20), (10, 3)])
def test_a_page_size_that_changes_all_the_time(first: int, then: int, *, ascending: bool) -> None:
    """Each read meets both sizes, and deletions make up the count."""
    ids = list(range(200))

    def change(listing: Listing, number: int) -> None:
        listing.size = then if number == 1 or number > 8 else first
        del listing.ids[-1:]

    listing = Listing([*ids], change=change)
    reading = reader(listing, ascending=ascending)
    assert {*listing.ids} <= {*read(reading)} or reading.doubts


def test_what_is_gone_does_not_stand_in_for_what_is_missing() -> None:
    """Deleted records are in no later pass, and cannot make up the count of one."""
    ids = [f"c{n}" for n in range(100)]

    def change(listing: Listing, number: int) -> None:
        if number == 6 and listing.requested.count(6) == 1:
            del listing.ids[:10]

    listing = Listing([*ids], gone={5: 0}, change=change)
    down = 0

    def gone(listing: Listing, number: int) -> None:
        nonlocal down
        change(listing, number)
        if number == 5 and listing.requested.count(5) == 2:
            listing.gone[5] = 1
            down += 1

    listing.change = gone
    reading = reader(listing, ascending=False)
    found = read(reading)
    assert down == 1
    assert {*ids[10:]} <= {*found} or reading.doubts


@pytest.mark.parametrize("gone", [{}, {9: 1}, {9: 2}, {8: 1}, {7: 1}, {7: 2}, {3: 1}])
def test_a_count_that_the_list_contradicts_proves_nothing(gone: dict[int, int]) -> None:
    listing = Listing([f"c{n}" for n in range(90)], count=lambda _listing: 70, gone=gone)
    reading = reader(listing, ascending=False)
    assert len({*read(reading)}) == 90 or gone
    assert reading.doubts
    assert gone or reading.doubts == ["Cube counts 70 records, but lists 90 different ones"]


@pytest.mark.parametrize("count", [None, 60])
def test_two_reads_that_end_at_a_page_that_is_gone_do_not_agree(count: int | None) -> None:
    def identity(records: Sequence[Any]) -> list[bytes]:
        return [str(record["id"]).encode() for record in records]

    listing = Listing(list(range(60)), size=20, gone={2: 99}, count=lambda _listing: count)
    keyed = KeyedReader(listing.request, identity, concurrency=1, at_rest=True)
    assert sum(len(page.records) for page, _ in keyed) >= 20
    assert not keyed.complete
    assert "could not be confirmed" in keyed.doubts[0]


def single_records(request_one: Callable[[Any], Future[Page]]) -> ListedReader:
    arrivals = Arrivals(Listing(list(range(20))).request)
    listed = ListReader(arrivals.request, ids_of, concurrency=1, ascending=True)
    return ListedReader(listed, ids_of, request_one, arrivals=arrivals, concurrency=2)


@pytest.mark.parametrize(("existing", "doubts"), [(20, 0), (15, 0), (9, 1)])
def test_single_records_that_are_missing(existing: int, doubts: int) -> None:
    singles = Listing(list(range(existing)), size=1)
    details = single_records(lambda id_: singles.request(f"/list/?page={id_ + 1}"))
    assert len(read(details)) == existing
    assert len(details.doubts) == doubts


def test_no_single_record_at_all_is_an_error() -> None:
    def missing(_id: Any) -> Future[Page]:
        future: Future[Page] = Future()
        future.set_exception(NotFoundError("gone"))
        return future

    with pytest.raises(ReadError, match="customer_id_field"):
        read(single_records(missing))
