"""What is read before its turn comes: the same pages, and never a bookmark before its record."""

from __future__ import annotations

import datetime as dt
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.cube.pages import Page
from tap_cube.errors import CubeError, ReadError
from tap_cube.readers.prefetched import Prefetched

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_cube.readers.protocol import Reader

RECEIVED = dt.datetime(2024, 5, 20, 12, tzinfo=dt.timezone.utc)


class Numbered:
    """A reader of numbered pages of ten records.

    Args:
        pages: How many.
        total: What it says of its length.
        failure: What it raises after the last page.

    Attributes:
        yielded: Number of pages that it has yielded.
        over: Set once it has nothing more to yield.
    """

    resumed_at = 7

    def __init__(
        self, pages: int, total: int | None = None, failure: Exception | None = None
    ) -> None:
        self.state: Mapping[str, Any] | None = None
        self.read_to: dt.date | None = None
        self.doubts: list[str] = []
        self.done = 0
        self.total = total
        self.yielded = 0
        self.over = Event()
        self._amount, self._failure = pages, failure
        self._is_written = True

    def start(self) -> None:
        """Start nothing."""

    def __iter__(self) -> Iterator[Page]:
        try:
            for number in range(self._amount):
                assert self._is_written
                self._is_written = False
                self.yielded += 1
                yield Page(f"/list/?page={number}", [{}] * 10, None, None, None, RECEIVED)
            if self._failure:
                raise self._failure
            self.doubts.append("the end was read")
        finally:
            self.over.set()

    def written(self, page: Page) -> None:
        self._is_written = True
        self.done += len(page.records)
        self.state = {"page": page.link}


def ahead(reader: Reader, most: int = 100) -> Prefetched:
    reading = Prefetched(reader, most)
    reading.start()
    return reading


@pytest.mark.parametrize("most", [1, 25, 1000])
def test_the_marks_are_those_of_what_was_written(most: int) -> None:
    plain, reader = Numbered(5), Numbered(5)
    reading = ahead(reader, most)
    if most == 1000:
        assert reader.over.wait(5)
    for expected, page in zip(plain, reading, strict=True):
        assert page == expected
        assert (reading.state, reading.done) == (plain.state, plain.done)
        assert reading.resumed_at == 7
        reading.written(page)
        plain.written(page)
        assert (reading.state, reading.done) == (plain.state, plain.done)
        assert reading.doubts == []
    assert reading.doubts == ["the end was read"]


def test_a_short_resource_is_read_before_anyone_asks() -> None:
    reader = Numbered(5, total=50)
    ahead(reader)
    assert reader.over.wait(5)
    assert reader.yielded == 5


@pytest.mark.parametrize(("total", "read"), [(1000, 1), (None, 11)])
def test_of_a_long_one_not_much_is_read(total: int | None, read: int) -> None:
    reader = Numbered(90, total=total)
    reading = ahead(reader)
    assert not reader.over.wait(0.1)
    assert reader.yielded == read
    pages = []
    for page in reading:
        pages.append(page.link)
        reading.written(page)
    assert pages == [f"/list/?page={number}" for number in range(90)]


@pytest.mark.parametrize("most", [1, 1000])
def test_a_failure_comes_after_the_pages_before_it(most: int) -> None:
    reading = ahead(Numbered(3, failure=ReadError("a circle")), most)
    pages = iter(reading)
    for _ in range(3):
        reading.written(next(pages))
    with pytest.raises(CubeError, match="a circle"):
        next(pages)
    assert reading.done == 30
    assert reading.state == {"page": "/list/?page=2"}


def test_it_starts_on_its_own() -> None:
    assert len(list(Prefetched(Numbered(3), 1000))) == 3
