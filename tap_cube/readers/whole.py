"""Reads a list that was requested as a whole."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_cube.readers.protocol import UNCOUNTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_cube.cube.pages import Page


class WholeReader:
    """Reads all pages of a list that another part has requested, or requests.

    Args:
        request: Starts the request for all pages, unless that was done before.
    """

    def __init__(self, request: Callable[[], Future[list[Page]]]) -> None:
        self._fetch = request
        self.state = None
        self.read_to = self.resumed_at = None
        self.doubts: list[str] = []
        self.done = 0
        self.total: int | None = None

    def start(self) -> None:
        """Start the request without waiting for it."""
        self._fetch()

    def __iter__(self) -> Iterator[Page]:
        """Yield the pages.

        Raises:
            CubeError: If a page cannot be read.
        """
        pages = self._fetch().result()
        self.total = sum(len(page.records) for page in pages)
        if not self.total and pages[0].count is None:
            self.doubts.append(UNCOUNTED)
        yield from pages

    def written(self, page: Page, /) -> None:
        """Count the records of a page."""
        self.done += len(page.records)


def as_one_page(pages: Future[list[Page]]) -> Future[Page]:
    """Return the future of a page with the records of all pages, and without a `next`.

    It fails as `pages` fails. Nothing waits: callers may be among the workers.
    """
    one: Future[Page] = Future()

    def join(done: Future[list[Page]]) -> None:
        if done.cancelled():
            one.cancel()
        elif error := done.exception():
            one.set_exception(error)
        else:
            found = done.result()
            records = [record for page in found for record in page.records]
            one.set_result(replace(found[0], records=records, next=None))

    pages.add_done_callback(join)
    return one
