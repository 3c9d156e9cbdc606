"""Reads a list of records with ids, which may change in any way while it is read.

A list in ascending order of ids is read by chains, which miss no record whatever changes. All
other lists are read by passes: additions cannot harm a pass from the first page to the last, and
deletions cannot harm a pass from the last page to the first.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any

from tap_cube.cube.pages import page_number, with_page_number
from tap_cube.readers.chains import Chains, NotAscendingError
from tap_cube.readers.distinct import Distinct, is_blank
from tap_cube.readers.passes import Pass
from tap_cube.readers.protocol import UNCOUNTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_cube.cube.pages import Link, Page
    from tap_cube.readers.chains import Keys, Wait
    from tap_cube.readers.protocol import Request

#: Maximum number of passes.
MAX_PASSES = 3

# Keys of STATE: the page that is to be read next, and how the list is read
_CHAINS, _FORWARDS, _DOWNWARDS = "page", "next", "previous"
_SIZE = "size"
_HIGHEST = 10**9

_RESUMED = (
    "the read continues an interrupted one, and the list may have changed in between, so that "
    "records may be missing"
)


@dataclass(frozen=True)
class _Place:
    """Where an interrupted read stood.

    Attributes:
        way: How the list was read: a key of STATE.
        page: Number of the page to go on with. All that was before it on this way was written.
        size: Records per page.
    """

    way: str
    page: int
    size: int

    @classmethod
    def from_state(cls, state: Any) -> _Place | None:
        """Return the place that STATE tells; `None` if it tells none."""
        if not isinstance(state, dict):
            return None
        size = state.get(_SIZE)
        for way in (_CHAINS, _FORWARDS, _DOWNWARDS):
            page = state.get(way)
            if type(page) is type(size) is int and min(page, size) > 0 and page < _HIGHEST:
                return cls(way, page, size)
        return None

    def as_state(self) -> Mapping[str, Any]:
        return {self.way: self.page, _SIZE: self.size}


class ListReader:
    """Reads a list. To be iterated once.

    Args:
        request: Starts requests.
        keys: Returns what identifies each record of a page; `None` or `""` for anonymised ones.
        concurrency: Maximum number of requests in flight.
        ascending: Whether ids may ascend, so that chains are tried.
        resume: The `state` that an interrupted read left, from untrusted JSON.
        wait_for: Returns when at least one of several requests has ended.

    Attributes:
        state: Where to resume, after what was written; `None` if there is nothing to resume.
        resumed_at: Number of the page where the read continues an earlier one; `None` otherwise.
        doubts: After the iteration: why the read may be incomplete, as sentences without ids.
        total: Length of the list; `None` if the server does not tell.
    """

    def __init__(  # noqa: PLR0913  # each is a choice of the caller
        self,
        request: Request,
        keys: Keys,
        *,
        concurrency: int,
        ascending: bool,
        resume: Any = None,
        wait_for: Wait | None = None,
    ) -> None:
        self.read_to = None
        self.state: Mapping[str, Any] | None = None
        self.resumed_at: int | None = None
        self.doubts: list[str] = []
        self.total: int | None = None
        self._fetch = request
        self._keys = keys
        self._concurrency = concurrency
        self._ascending = ascending
        self._resume = _Place.from_state(resume)
        self._wait = wait_for
        self._first: Future[Page] | None = None
        self._size = 0
        self._seen = self._listed = Distinct()
        self._anonymous = 0
        self._before = 0
        self._chains: Chains | None = None
        self._place: _Place | None = None

    @property
    def done(self) -> int:
        """Number of different records so far, those of an earlier read included."""
        return self._before + len(self._seen) + self._anonymous

    def start(self) -> None:
        """Start the first request without waiting for it."""
        self._first = self._first or self._fetch(None)

    def __iter__(self) -> Iterator[Page]:
        """Yield the pages. Each record that exists throughout comes at least once.

        Raises:
            CubeError: If a page cannot be read, or the links lead in a circle.
        """
        self._first = self._first or self._fetch(None)
        first = self._first.result()
        self.total, self._size = first.count, len(first.records)
        is_passed = self._resume is not None and self._resume.way != _CHAINS
        if self._ascending and first.next is not None and not is_passed:
            try:
                yield from self._by_chains(first)
            except NotAscendingError:
                # The first page is out of date if others were read since
                is_old = self._chains is not None and self._chains.has_requested
                self._chains = self.state = self.resumed_at = None
                self._before = 0
                yield from self._by_passes(None if is_old else first)
        else:
            yield from self._by_passes(first)
        self.state = None

    def written(self, _page: Page, /) -> None:
        """Take note that a page was handed over."""
        if self._chains:
            self._chains.written()
            number = self._chains.place
            self.state = _Place(_CHAINS, number, self._size).as_state() if number else self.state
        elif self._place:
            self.state = self._place.as_state()

    # In ascending order

    def _by_chains(self, first: Page) -> Iterator[Page]:
        top = None
        if self._resume and self._resume.size <= self._size:
            top = self._resume.page
        chains = Chains(
            first,
            self._fetch,
            self._keys,
            concurrency=self._concurrency,
            top=top,
            wait_for=self._wait,
        )
        self._seen = chains.seen
        self._chains = chains
        if top and not chains.is_whole:
            self.resumed_at = top
            self._before = max((first.count or 0) - top * self._size, 0)
        for page in chains:
            self.total = chains.count
            yield page

    # In any other order

    def _by_passes(self, first: Page | None) -> Iterator[Page]:
        """Read the list until a pass is accepted, three times at most.

        Args:
            first: The first page, if it was just read.
        """
        resumed = self._resumed_pass(first)
        current = resumed or Pass(_with(first, self._fetch), self._concurrency)
        for number in range(1, MAX_PASSES + 1):
            before = len(self._seen)
            yield from self._run(current)
            is_uneven = current.is_uneven and not current.fits_count
            if current.is_complete and not current.is_harmed and not is_uneven:
                if current is resumed:
                    self.doubts.append(_RESUMED)
                    return
                if current.uncounted and (current.pages > 1 or not current.records):
                    break
                # A list that is longer than a steady count shows that the count is wrong
                is_wrong = self._missing < 0 and len(current.counts) == 1
                if self._missing <= 0 and not is_wrong:
                    return
                if before and before == len(self._seen):
                    break  # the count is wrong
            if number < MAX_PASSES:
                current = self._next_pass(current)
        self._doubt(current)

    def _run(self, current: Pass) -> Iterator[Page]:
        """Yield what is new on the pages of a pass."""
        way = _DOWNWARDS if current.downwards else _FORWARDS
        self._anonymous = 0
        self._listed = Distinct() if len(self._seen) else self._seen
        for page in current:
            self._size = self._size or len(page.records)
            self.total = page.count if page.count is not None else self.total
            following = page.previous if current.downwards else page.next
            number = following and page_number(following)
            self._place = _Place(way, number, self._size) if number and self._size else None
            keys = self._keys(page)
            known = [key for key in keys if not is_blank(key)]
            new = self._seen.update(known)
            if self._listed is not self._seen:
                self._listed.update(known)
            anonymous = len(keys) - len(new)
            self._anonymous += anonymous
            if anonymous or all(new):
                yield page
            elif any(new):
                yield replace(page, records=list(compress(page.records, new)))
            else:
                self.written(page)

    @property
    def _different(self) -> int:
        """Number of different records that the current pass listed.

        Those that only an earlier pass listed do not count: they may be gone, and would stand in
        for others that are missing.
        """
        return self._before + len(self._listed) + self._anonymous

    @property
    def _missing(self) -> int:
        """Number of records that are counted, but were not listed."""
        return (self.total or 0) - self._different

    def _resumed_pass(self, first: Page | None) -> Pass | None:
        """Return a pass that goes on where an interrupted one stood, if it can."""
        place = self._resume
        if not place or not first or not first.next or page_number(first.next) is None:
            return None
        last = -(-(first.count or 0) // (self._size or 1))
        if place.way == _CHAINS or place.size != self._size or not 1 < place.page <= last:
            return None
        self.resumed_at = place.page
        written = (place.page - 1) if place.way == _FORWARDS else last - place.page
        self._before = written * self._size
        return Pass(
            self._fetch,
            self._concurrency,
            start=with_page_number(first.next, place.page),
            downwards=place.way == _DOWNWARDS,
            seeks_end=False,
        )

    def _next_pass(self, current: Pass) -> Pass:
        """Return a whole pass in the other direction; one from the start if none is possible."""
        self._before = 0
        last = current.last_link(self.total)
        if current.downwards or last is None:
            return Pass(self._fetch, self._concurrency)
        return Pass(self._fetch, self._concurrency, start=last, downwards=True)

    def _doubt(self, current: Pass) -> None:
        if self._missing > 0 or (self._missing < 0 and len(current.counts) == 1):
            self.doubts.append(
                f"Cube counts {self.total} records, but lists {self._different} different ones"
            )
        if len(current.counts) > 1:
            self.doubts.append(
                f"the list changed in each of {MAX_PASSES} reads (its length was between "
                f"{min(current.counts)} and {max(current.counts)}), so that records may be missing"
            )
        if current.is_uneven:
            self.doubts.append(
                "the pages of the list differ in length, so that records may be missing"
            )
        if current.uncounted and not current.records:
            self.doubts.append(UNCOUNTED)
        elif current.uncounted:
            self.doubts.append(
                f"{current.uncounted} pages do not tell the length of the list, so that it cannot "
                "be known whether records are missing"
            )
        if not self.doubts:
            self.doubts.append(
                f"the list could not be followed to its end in {MAX_PASSES} reads, so that records "
                "may be missing"
            )


def _with(first: Page | None, request: Request) -> Request:
    """Return what starts requests, but answers that for the first page with one that is known."""

    def start(link: Link | None) -> Future[Page]:
        nonlocal first
        if link is not None or first is None:
            return request(link)
        known: Future[Page] = Future()
        known.set_result(first)
        first = None
        return known

    return start
