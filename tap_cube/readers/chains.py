"""Reads a list in ascending order of ids downwards, so that no change makes it miss a record.

A deletion moves the records behind it towards the start of the list, and an addition is appended.
So the position of a record never grows. Who reads downwards, from the last page to the first, can
meet a record twice, but never passes one by. Nor is one passed by if a page is left out, as long
as the page that is read instead

- has no page behind it, or the next one turned out to be gone: no record is behind it, or
- has an id that is not lower than all those read: the records still to be read have lower ids.

The list is cut into chains of pages, which are read at the same time. A chain begins with some
page, and covers the records on it and before it. It is over at a page with an id that is not
higher than the highest one on the first page of the chain below, M. The chain below covers M and
all records before it. A record behind M that the chain has not read yet would have to stand before
the page that was just read, but that page has a record that is not behind M.
"""

from __future__ import annotations

import math
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import replace
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_cube.cube.pages import page_number, with_page_number
from tap_cube.errors import CubeError, NotFoundError
from tap_cube.readers.chain import Arrival, Chain
from tap_cube.readers.distinct import Distinct, are_ascending, number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from concurrent.futures import Future

    from tap_cube.cube.pages import Link, Page
    from tap_cube.readers.protocol import Request

    Keys = Callable[[Page], list[Any]]
    Wait = Callable[[Collection[Future[Page]]], object]

# Pages of a chain. Each chain may read one page that the chain below reads, too; so short chains
# cost requests. A read that is resumed repeats what all chains but the topmost one had read, which
# takes as long as one of them; so long chains cost time: the usual one, or that share of all pages.
_SHORTEST, _USUAL, _LONGEST = 4, 25, 100
_RESUMED_SHARE = 10
#: How often the end of a list is read again, if records were appended.
_MAX_CHECKS = 3
_SECOND = 2
#: More than any page's number
_UNKNOWN = 1 << 62
#: The most pages that a count is believed to mean before the last one was seen.
_CREDIBLE = 100_000


class NotAscendingError(Exception):
    """The list is not in ascending order of ids, or its pages do not suit chains."""


class Chains:
    """Reads all pages of a list. To be iterated once.

    Args:
        first: The first page, which is not the only one. It is yielded first.
        request: Starts requests.
        keys: Returns the ids of a page's records.
        concurrency: Maximum number of requests in flight.
        top: Number of the page where an earlier read stopped; `None` starts at the last page.
        wait_for: Returns when at least one of several requests has ended.

    Attributes:
        seen: The ids that were yielded.
        count: The smallest count so far.
        has_requested: Whether it made requests.
        is_whole: Whether it reads the whole list, and does not go on from `top`.

    Raises:
        NotAscendingError: If the list is not in ascending order.
    """

    def __init__(  # noqa: PLR0913  # each is a choice of the caller
        self,
        first: Page,
        request: Request,
        keys: Keys,
        *,
        concurrency: int,
        top: int | None = None,
        wait_for: Wait | None = None,
    ) -> None:
        self.seen = Distinct()
        self.count = first.count
        self._latest = first.count or 0
        self.has_requested = False
        self._first = first
        self._fetch = request
        self._keys = keys
        self._concurrency = concurrency
        self._wait = wait_for or partial(wait, return_when=FIRST_COMPLETED)
        self._size = len(first.records)
        ids = self._ids(first)
        if first.next is None or page_number(first.next) != _SECOND or not ids:
            raise NotAscendingError
        self._link = first.next
        # Links with more than a page's number may not be predictable: then one is tried first
        self._is_guessable = urlsplit(first.next).query == f"page={_SECOND}"
        self._anchors = [(1, ids[-1])]
        self._handed: tuple[Chain, int] | None = None
        self._is_cut = self._is_at_end = False
        self._bottom = Chain(1, None)
        self._bottom.highest, self._bottom.first_ids = ids[-1], frozenset(ids)
        last = self._last_page()
        self.is_whole = top is None or top >= last
        if top is None or self.is_whole:
            start = _SECOND if last == _UNKNOWN else max(last, _SECOND)
            self._chains = [Chain(start, self._bottom, seeks_end=True)]
        else:
            self._chains = [Chain(top, self._bottom)] if top > 1 else []
        if self._chains and last <= _CREDIBLE:
            self._cut()  # otherwise once it is known where the list ends

    def _cut(self) -> None:
        """Put further chains below the topmost one, which is the only one."""
        self._is_cut = True
        (top,) = self._chains
        pages = top.number
        usual = max(_USUAL, pages // (_RESUMED_SHARE * self._concurrency))
        usual = min(usual, _LONGEST)
        # Chains of the same length, and as many each time, end together
        rounds = math.ceil(pages / self._concurrency / usual)
        length = max(math.ceil(pages / self._concurrency / rounds), _SHORTEST)
        if self._concurrency > 1:
            below = self._bottom
            for number in sorted(range(pages - length, 1, -length)):
                below = Chain(number, below)
                self._chains.insert(1, below)
            top.below = below

    @property
    def place(self) -> int | None:
        """Number of the page to resume from: all records behind it were written."""
        chains = [] if self._is_at_end else self._chains
        return next((chain.place for chain in chains if not chain.is_done), 1)

    def __iter__(self) -> Iterator[Page]:
        """Yield a page of each active chain in turn: the order does not depend on timing.

        Raises:
            NotAscendingError: If the list turns out not to ascend.
            CubeError: If a page cannot be read.
        """
        top = self._chains[0] if self._chains else None
        yield from self._new(self._first, self._ids(self._first))
        yield from self._read()
        if self.is_whole and top:
            yield from self._check_end(top)

    def _read(self) -> Iterator[Page]:
        try:
            while self._chains:
                active = self._chains[: self._concurrency if self._is_guessable else 1]
                for chain in active:
                    self._start(chain)
                for chain in active:
                    yield from self._turn(chain, active)
                self._chains = [chain for chain in self._chains if not chain.is_done]
        finally:
            for chain in self._chains:
                if chain.pending:
                    chain.pending.cancel()

    def written(self) -> None:
        """Take note that the page that was yielded last was handed over."""
        if self._handed:
            chain, number = self._handed
            chain.place = number - 1

    def _turn(self, chain: Chain, active: list[Chain]) -> Iterator[Page]:
        """Yield the next page of a chain that has something new, if there is one."""
        while True:
            self._advance(active)
            while not chain.arrived and not chain.is_over:
                self._wait([one.pending for one in self._chains if one.pending and one.has_room])
                self._advance(active)
            if not chain.arrived:
                return
            arrival = chain.arrived.popleft()
            self._check_order(chain, arrival)
            self._handed = chain, arrival.number
            for page in self._new(arrival.page, arrival.ids):
                yield page
                return
            self.written()

    def _new(self, page: Page, ids: list[int]) -> Iterator[Page]:
        """Yield a page with those records that are new, if there are any."""
        new = self.seen.update(ids)
        if all(new):
            yield page
        elif any(new):
            yield replace(page, records=list(compress(page.records, new)))

    def _advance(self, active: list[Chain]) -> None:
        """Take in the responses that have arrived, and let the chains go on."""
        for one in self._chains:
            if one.pending and one.has_room and one.pending.done():
                self._arrive(one, one.pending)
        for one in active:
            self._decide(one)

    def _start(self, chain: Chain) -> None:
        if not chain.pending and not chain.last and not chain.is_over:
            self._go_on(chain, min(chain.top, self._last_page()))

    def _go_on(
        self, chain: Chain, number: int, link: Link | None = None, *, is_linked: bool = False
    ) -> None:
        """Start the request for the next page of a chain, following a link if there is one."""
        chain.number = number
        chain.is_linked = is_linked or link is not None
        # A record behind a page that was read has a larger id than those on the page
        chain.floor = max((high for page, high in self._anchors if page < number), default=-1)
        chain.pending = self._fetch(link or with_page_number(self._link, number))
        self.has_requested = True

    def _arrive(self, chain: Chain, request: Future[Page]) -> None:
        """Take in the page that a chain has requested."""
        chain.pending = None
        try:
            page = request.result()
        except NotFoundError:
            self._jump(chain)
            return
        except CubeError:
            if self._is_guessable:
                raise
            raise NotAscendingError from None
        self._note_count(page)
        ids = self._ids(page)
        self._check_links(chain.number, page)
        self._is_guessable = True
        if page.next and len(ids) != self._size:
            raise NotAscendingError  # page numbers no longer tell positions
        if chain.is_too_low(page, ids):
            number = chain.higher()
            self._go_on(chain, number, page.next if number == chain.number + 1 else None)
            return
        if chain.highest is None and ids:
            self._anchors.append((chain.number, ids[-1]))
        chain.accept(page, ids)
        if not self._is_cut:
            self._cut()

    def _decide(self, chain: Chain) -> None:
        """Let a chain go on, unless it met the chain below, or that has to begin first."""
        if chain.pending or chain.is_over or not chain.last:
            return
        ids, previous = chain.last
        below = chain.skips_to()
        if chain.number == 1:
            chain.is_over = True
        elif below.highest is None and chain.number <= below.top + 1:
            self._start(below)
        elif below.is_met_by(ids):
            chain.is_over = True
        elif previous is None:
            raise NotAscendingError  # the server does not link downwards
        else:
            number = chain.following()
            self._go_on(chain, number, previous if number == chain.number - 1 else None)

    def _jump(self, chain: Chain) -> None:
        """Go on where the list ends, now that a page is gone: no unread record is behind it."""
        if not self._is_guessable or chain.number == 1:
            raise NotAscendingError
        if chain.highest is None and chain is not self._chains[0]:
            chain.is_over = chain.is_void = True
            return
        if self._last_page() >= chain.number:
            probe = self._fetch(None)
            self._wait([probe])
            first = probe.result()
            self._note_count(first)
            self._ids(first)
            if first.next is not None and len(first.records) != self._size:
                raise NotAscendingError
        if chain.is_linked:
            times = chain.note_gone(self._latest)
            # Without a count, or with a wrong one, only the second answer shows that it is gone
            if times == 1 or (self.count is not None and self._last_page() >= chain.number):
                self._go_on(chain, chain.number, is_linked=True)
                return
        self._go_on(chain, chain.lower(self._last_page()))

    def _check_order(self, chain: Chain, arrival: Arrival) -> None:
        """Check that a page can follow those that were read so far, if the list ascends."""
        ids = arrival.ids
        if not ids:
            return
        # All records between the lowest id so far and the first page were read
        low, high = chain.span or (ids[-1], ids[-1])
        if ids[0] <= arrival.floor:
            raise NotAscendingError
        if ids[-1] > low and any(low < id_ <= high and id_ not in self.seen for id_ in ids):
            raise NotAscendingError
        chain.span = min(low, ids[0]), high

    def _check_end(self, top: Chain) -> Iterator[Page]:
        """Compare the count with the number of different records.

        Records that were appended count, but were not read: they are read now. If one response has
        them all, its count tells whether there are others, which is so if records were added
        elsewhere, or the list only seemed to ascend.
        """
        self._is_at_end, self._handed = True, None
        for _ in range(_MAX_CHECKS):
            if self._latest <= len(self.seen):
                return
            last = -(-self._latest // self._size)
            top = Chain(max(top.top, last), top, seeks_end=True)
            self._chains, self.count, self._latest = [top], None, 0
            yield from self._read()
            is_alone = top.number == top.top
            if is_alone and top.count is not None and top.count > len(self.seen):
                raise NotAscendingError

    def _check_links(self, number: int, page: Page) -> None:
        """Check that the pages are numbered, so that a page's number tells its position."""
        if page.next is not None and page.next != with_page_number(self._link, number + 1):
            raise NotAscendingError
        if page.previous is None or page.previous == with_page_number(self._link, number - 1):
            return
        if number > _SECOND or (page_number(page.previous) or 1) != 1:
            raise NotAscendingError

    def _last_page(self) -> int:
        """Return the highest number of a page that may hold unread records, by the counts."""
        return _UNKNOWN if self.count is None else max(-(-self.count // self._size), 1)

    def _note_count(self, page: Page) -> None:
        if page.count is not None:
            self._latest = page.count
            self.count = page.count if self.count is None else min(self.count, page.count)

    def _ids(self, page: Page) -> list[int]:
        """Return the ids of a page, which must ascend."""
        keys = self._keys(page)
        if keys and not are_ascending(keys):
            keys = [number_of(key) for key in keys]
            if not are_ascending(keys):
                raise NotAscendingError
        return keys
