"""A sample of a list: some of its pages, spread from the first to the last."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tap_cube.cube.pages import page_number, spread, with_page_number
from tap_cube.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cube.cube.pages import Link, Page
    from tap_cube.readers.protocol import Request

_SECOND = 2


class Sample:
    """Reads pages with about `size` records, from all over a list.

    Args:
        request: Starts requests.
        size: Number of records wanted, those of the first page included.
    """

    def __init__(self, request: Request, size: int) -> None:
        self._fetch = request
        self._size = size
        self._first = request(None)

    def __iter__(self) -> Iterator[Page]:
        """Yield the pages.

        Raises:
            CubeError: If a page cannot be read.
        """
        first = self._first.result()
        yield first
        link, length = first.next, len(first.records)
        if link is None or length >= self._size:
            return
        if page_number(link) != _SECOND or not length or first.count is None:
            yield from self._head(link, self._size - length)
            return
        pages = spread(-(-first.count // length), -(-self._size // length))
        links = [with_page_number(link, index + 1) for index in pages[1:]]
        for future in [self._fetch(each) for each in links]:
            with suppress(NotFoundError):  # the list became shorter
                yield future.result()

    def _head(self, link: Link | None, size: int) -> Iterator[Page]:
        """Yield the following pages, where no others can be guessed."""
        seen = set()
        while link and link not in seen and size > 0:
            seen.add(link)
            page = self._fetch(link).result()
            yield page
            size -= len(page.records)
            link = page.next
