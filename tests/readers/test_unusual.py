"""Servers whose links are unusual, wrong or endless."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tap_cube.cube.pages import Page, page_number
from tap_cube.errors import NotFoundError, ReadError
from tests.readers.simulation import LIST, NOW, Server, delete_some, read
from tests.readers.test_chains import large

if TYPE_CHECKING:
    from tap_cube.cube.pages import Link

both = pytest.mark.parametrize("ascending", [True, False])


@both
def test_empty_pages_without_end(*, ascending: bool) -> None:
    numbers = count(2)

    def respond(link: Link | None) -> Page:
        return Page(link or LIST, [], 0, f"{LIST}?page={next(numbers)}", None, NOW)

    with pytest.raises(ReadError, match="100 consecutive empty pages"):
        read(large(1), concurrency=4, ascending=ascending, respond=respond)
    assert next(numbers) < 110


@both
@pytest.mark.parametrize("counted", [10**6, 10**8, 10**18])
def test_a_count_that_is_far_too_large(counted: int, *, ascending: bool) -> None:
    """It costs some requests for pages that are not there, and neither memory nor time."""
    server = large(9)

    def respond(link: Link | None) -> Page:
        return replace(server.respond(link), count=counted)

    outcome = read(server, concurrency=16, ascending=ascending, respond=respond)
    assert outcome.read == server.throughout
    assert outcome.reader.doubts or ascending
    assert server.responses < 1000


@both
def test_an_empty_list_without_a_length(*, ascending: bool) -> None:
    """It may be the answer of a server in trouble: nothing may be deleted for it."""

    def respond(link: Link | None) -> Page:
        return Page(link or LIST, [], None, None, None, NOW)

    outcome = read(large(1), concurrency=4, ascending=ascending, respond=respond)
    assert outcome.reader.doubts == [
        "the list is empty, and does not tell its length: records may be missing"
    ]


@both
def test_an_empty_page_is_not_the_end(*, ascending: bool) -> None:
    server = large(9)

    def respond(link: Link | None) -> Page:
        """Return an empty page first, and each page one number later."""
        number = (page_number(link) if link else None) or 1
        if number == 1:
            return replace(server.respond(None), records=[])
        page = server.respond(f"{LIST}?page={number - 1}")
        following = page.next and f"{LIST}?page={number + 1}"
        return replace(page, next=following, previous=f"{LIST}?page={number - 1}")

    outcome = read(server, concurrency=4, ascending=ascending, respond=respond)
    assert outcome.read == server.throughout


@both
@pytest.mark.parametrize("concurrency", [1, 4, 16])
@pytest.mark.parametrize("refuses", [True, False])
def test_guessing_ends_if_links_have_a_part_that_changes(
    concurrency: int, *, ascending: bool, refuses: bool
) -> None:
    server = large(40)
    tokens = {1: ""}

    def respond(link: Link | None) -> Page:
        number = (page_number(link) if link else None) or 1
        is_right = link is None or link.endswith(f"&token={tokens.get(number)}")
        if refuses and not is_right:
            server.responses += 1
            raise NotFoundError
        page = server.respond(f"{LIST}?page={number}")
        for near in (number - 1, number + 1):
            if is_right:
                tokens[near] = f"t{server.responses}"
        return replace(
            page,
            link=link or LIST,
            next=page.next and f"{LIST}?page={number + 1}&token={tokens.get(number + 1)}",
            previous=page.previous and f"{LIST}?page={number - 1}&token={tokens.get(number - 1)}",
        )

    outcome = read(server, concurrency=concurrency, ascending=ascending, respond=respond)
    assert outcome.read == server.throughout
    assert server.responses <= 43
    assert not outcome.reader.doubts


@both
def test_links_may_be_without_numbers(*, ascending: bool) -> None:
    server = large(6)

    def respond(link: Link | None) -> Page:
        number = int(link.partition("=")[2], 16) if link else 1
        page = server.respond(f"{LIST}?page={number}")
        following = page.next and f"{LIST}?cursor={number + 1:x}"
        return replace(page, link=link or LIST, next=following, previous=None)

    outcome = read(server, concurrency=4, ascending=ascending, respond=respond)
    assert outcome.read == server.throughout
    assert server.responses == 6


@both
@pytest.mark.parametrize("concurrency", [1, 4])
def test_links_may_lead_upwards_only(concurrency: int, *, ascending: bool) -> None:
    server = large(12)

    def respond(link: Link | None) -> Page:
        return replace(server.respond(link), previous=None)

    outcome = read(server, concurrency=concurrency, ascending=ascending, respond=respond)
    assert outcome.read == server.throughout
    assert not outcome.reader.doubts
    server = large(12, change=delete_some(1))
    outcome = read(server, concurrency=concurrency, ascending=ascending, respond=respond)
    assert outcome.reader.doubts or server.throughout <= outcome.read


@both
@pytest.mark.parametrize("target", [3, 12])
def test_links_in_a_circle(target: int, *, ascending: bool) -> None:
    server = large(12)

    def respond(link: Link | None) -> Page:
        page = server.respond(link)
        return page if page.next else replace(page, next=f"{LIST}?page={target}")

    with pytest.raises(ReadError, match="leads back to a page already read"):
        read(server, concurrency=4, ascending=ascending, respond=respond)


@both
@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize(("before", "after"), [(50, 100), (50, 20), (100, 10), (10, 100)])
def test_the_page_size_changes(before: int, after: int, *, counts: bool, ascending: bool) -> None:
    for moment in range(1, 24, 2):

        def change(server: Server, moment: int = moment) -> None:
            if server.responses == moment:
                server.page_size = after

        server = large(1000 // before, size=before, change=change)
        server.count = lambda length, _number: length if counts else None
        outcome = read(server, concurrency=4, ascending=ascending)
        missed = server.throughout - outcome.read
        assert not missed or outcome.reader.doubts, f"after {moment} responses"


@both
def test_a_list_that_does_not_exist(*, ascending: bool) -> None:
    def respond(_: Link | None) -> Page:
        raise NotFoundError

    with pytest.raises(NotFoundError):
        read(large(1), concurrency=4, ascending=ascending, respond=respond)
