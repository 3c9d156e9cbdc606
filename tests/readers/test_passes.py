"""A pass follows links in order, and guesses them without asking for more than it may."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.cube.pages import Page
from tap_cube.errors import NotFoundError, ReadError
from tap_cube.readers.passes import Pass
from tests.readers.simulated import MONDAY, RECEIVED, Server, event

if TYPE_CHECKING:
    from collections.abc import Callable


def hundred(**options: Any) -> Server:
    return Server([(MONDAY, event(MONDAY, n)) for n in range(100)], page_size=5, **options)


def answered(
    page: Callable[[str | None], tuple[str | None, int]], requested: list[str | None]
) -> Callable[[str | None], Future[Page]]:
    """Answers each request at once with a next link and so many records."""

    def request(link: str | None) -> Future[Page]:
        requested.append(link)
        following, amount = page(link)
        flight: Future[Page] = Future()
        flight.set_result(Page(link or "/list/", [{}] * amount, 200, following, None, RECEIVED))
        return flight

    return request


@pytest.mark.parametrize("concurrency", [1, 2, 4, 16])
def test_pages_come_in_order_whatever_order_they_are_answered_in(concurrency: int) -> None:
    for seed in range(20):
        server = hundred(seed=seed)
        reading = Pass(server.request(None), concurrency)
        found = [record for page in reading for record in page.records]
        assert found == [record for _, record in server.events]
        assert server.most_in_flight == concurrency
        assert len(server.links) == reading.pages == 20
        assert reading.fits_count


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_links_that_cannot_be_guessed_cost_one_request_at_most(concurrency: int) -> None:
    requested: list[str | None] = []

    def page(link: str | None) -> tuple[str | None, int]:
        number = int(link.split("page=")[1].split("&")[0]) if link else 1
        return (f"/list/?page={number + 1}&token={len(requested)}" if number < 40 else None), 5

    reading = Pass(answered(page, requested), concurrency)
    assert len(list(reading)) == 40
    assert len(requested) <= 41


def test_a_server_may_have_links_without_numbers() -> None:
    requested: list[str | None] = []
    following = {None: "/list/?cursor=a", "/list/?cursor=a": "/list/?cursor=b"}
    reading = Pass(answered(lambda link: (following.get(link), 5), requested), 4)
    assert [page.link for page in reading] == ["/list/", "/list/?cursor=a", "/list/?cursor=b"]
    assert len(requested) == 3


def test_links_in_a_circle_are_an_error() -> None:
    following = {None: "/list/?page=2", "/list/?page=2": "/list/?page=3"}
    circle = answered(lambda link: (following.get(link, "/list/?page=2"), 5), [])
    with pytest.raises(ReadError, match="leads back to a page already read"):
        list(Pass(circle, 4))
    with pytest.raises(ReadError, match="leads back to a page already read"):
        list(Pass(answered(lambda _link: ("/list/", 5), []), 4))


def test_empty_pages_are_not_the_end_unless_there_are_too_many() -> None:
    def page(link: str | None) -> tuple[str | None, int]:
        number = int(link.partition("=")[2]) if link else 1
        return (f"/list/?page={number + 1}" if number < 101 else None), int(number == 101)

    assert sum(len(page.records) for page in Pass(answered(page, []), 4)) == 1
    requested: list[str | None] = []
    endless = answered(lambda link: (f"{link or '/list/?page=1'}0", 0), requested)
    with pytest.raises(ReadError, match="100 consecutive empty pages"):
        list(Pass(endless, 4))
    assert len(requested) <= 103


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_linked_page_that_is_gone_ends_a_list_that_became_shorter(concurrency: int) -> None:
    def change(server: Server, number: int) -> None:
        if number == 4:
            del server.events[10:]

    server = hundred(change=change)
    reading = Pass(server.request(None), concurrency)
    assert len(list(reading)) >= 2
    assert not reading.calm
    assert not reading.fits_count


def test_a_list_that_does_not_exist_is_an_error() -> None:
    flight: Future[Page] = Future()
    flight.set_exception(NotFoundError())
    with pytest.raises(NotFoundError):
        list(Pass(lambda _link: flight, 4))


def test_a_guess_that_failed_is_requested_again_once_it_is_linked_to() -> None:
    failed: list[str] = []

    def change(server: Server, number: int) -> None:
        if number == 3 and not failed:
            failed.append(server.links[-1])
            raise NotFoundError

    server = hundred(change=change)
    reading = Pass(server.request(None), 4)
    assert sum(len(page.records) for page in reading) == 100
    assert failed
    assert reading.calm


def test_what_is_in_flight_is_cancelled_when_a_reader_stops() -> None:
    server = hundred()
    pages = iter(Pass(server.request(None), 4))
    for _ in range(4):
        next(pages)
    assert server.in_flight == 4
    pages.close()
    assert server.in_flight == 0
