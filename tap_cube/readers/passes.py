"""One read of a list, from its first page to its last, or the other way.

Pages are requested ahead by guessing their links. A guessed page is used only if the page before
links to it, and if all pages that were in flight at the same time tell the same `count`. Otherwise
they are requested again, one after the other. So of two pages with different counts, it is known
which one is older, and a change while several requests are in flight is not overlooked.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cube.cube.pages import MAX_EMPTY_PAGES, page_number, with_page_number
from tap_cube.errors import CubeError, NotFoundError, ReadError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from concurrent.futures import Future

    from tap_cube.cube.pages import Link, Page
    from tap_cube.readers.protocol import Request

#: Maximum number of consecutive pages that are gone.
MAX_GONE_PAGES = 50
#: Pages by which a list may grow while its last page is looked for.
_HIGHEST_CLIMB = 20


@dataclass(frozen=True)
class _Flight:
    """A request.

    Attributes:
        future: Its response.
        taken: Number of pages that had been taken in when it was started.
        is_guess: Whether no page linked to it then.
    """

    future: Future[Page]
    taken: int
    is_guess: bool


@dataclass(frozen=True)
class _Taken:
    """A page that was taken in, and is not yielded yet.

    Attributes:
        page: The page.
        link: The link that led to it; `None` for the first page of the list.
        count: The latest `count` before it.
        empty: Number of consecutive empty pages before it.
    """

    page: Page
    link: Link | None
    count: int | None
    empty: int


class Pass:
    """Reads a list once. To be iterated once.

    Args:
        request: Starts requests.
        concurrency: Maximum number of requests in flight, and of pages that wait for their turn.
        start: The link to start from; `None` for the first page of the list.
        downwards: Whether the links `previous` are followed, and not `next`.
        seeks_end: Whether a read downwards looks for the last page, if its first one is another.

    Attributes:
        downwards: As above.
        pages: Number of pages so far.
        records: Number of records so far.
        counts: Every value of `count` so far; a page without one adds none.
        uncounted: Number of pages without `count`.
        is_harmed: Whether the list became shorter, as its counts show; downwards, longer.
        is_uneven: Whether pages that are not the last one differ in length, so that the page size
            may have changed, and with it the positions that page numbers mean.
        cut_short: Whether a linked page was gone, so that the list must have become shorter.
        is_complete: Whether the links led to the end; downwards, to the first page.
    """

    def __init__(
        self,
        request: Request,
        concurrency: int,
        *,
        start: Link | None = None,
        downwards: bool = False,
        seeks_end: bool = True,
    ) -> None:
        self.downwards = downwards
        self.pages = 0
        self.records = 0
        self.counts: set[int] = set()
        self.uncounted = 0
        self.is_harmed = False
        self.is_uneven = False
        self.cut_short = False
        self.is_complete = False
        self._fetch = request
        self._concurrency = concurrency
        self._start = start
        self._flights: dict[Link | None, _Flight] = {}
        self._taken = 0
        self._held: deque[_Taken] = deque()
        self._followed: set[Link] = set()
        # One guess is made until one was right, as a server's links may not be predictable
        self._guessable: bool | None = None
        # Guesses at a time: fewer while the list changes, as they would be made in vain
        self._ahead = concurrency - 1
        self._count: int | None = None
        self._length = 0
        self._full: int | None = None
        self._empty = 0
        self._gone = 0
        self._numbered: Link | None = None
        self._may_climb = _HIGHEST_CLIMB if downwards and seeks_end else 0

    @property
    def calm(self) -> bool:
        """Whether nothing showed that the list changed during the pass."""
        return len(self.counts) <= 1 and not self.cut_short

    @property
    def fits_count(self) -> bool:
        """Whether the server told the length of the list, and as many records were listed."""
        return self.calm and self.counts == {self.records}

    def last_link(self, count: int | None) -> Link | None:
        """Return the link to the last page of a list of this length; `None` if it is unknown."""
        if self._numbered is None or not self._length or not count:
            return None
        return with_page_number(self._numbered, -(-count // self._length))

    def start(self) -> None:
        """Start the first request without waiting for it."""
        if not self._flights:
            self._fly(self._start)

    def __iter__(self) -> Generator[Page, None, None]:
        """Yield the pages in order.

        Raises:
            ReadError: If a link repeats, or too many pages are empty.
        """
        self.start()
        try:
            yield from self._read()
        finally:
            for flight in self._flights.values():
                flight.future.cancel()

    def _read(self) -> Iterator[Page]:
        link = self._start
        while True:
            flight = self._flights.pop(link, None) or self._flight(link)
            page = self._page(flight, link)
            if flight.is_guess:
                self._guessable = True
                # If it was gone, the list was shorter for a while, or still is
                self.is_harmed = self.is_harmed or (page is None and not self.downwards)
                count = page.count if page else None
                if page is None or self._differs(count):
                    link = self._step_back(flight.taken, link, [count, *self._landed()])
                    continue
            if page is None or self._is_too_low(page):
                if (link := self._seek(link, page)) is None:
                    yield from self._release(self._taken)
                    return
                continue
            following = page.previous if self.downwards else page.next
            self._take(page, link, following)
            if following is not None:
                self._look_ahead(following)
            elif any(map(self._differs, counts := self._landed())):
                link = self._step_back(0, link, counts)
                continue
            yield from self._release(
                min((flight.taken for flight in self._flights.values()), default=self._taken)
            )
            if following is None:
                self.is_complete = not self.downwards or (page_number(page.link) or 1) == 1
                return
            link = following

    def _fly(self, link: Link | None, *, is_guess: bool = False) -> _Flight:
        flight = self._flights[link] = self._flight(link, is_guess=is_guess)
        return flight

    def _flight(self, link: Link | None, *, is_guess: bool = False) -> _Flight:
        return _Flight(self._fetch(link), self._taken, is_guess)

    def _page(self, flight: _Flight, link: Link | None) -> Page | None:
        """Return a page; `None` if it is gone."""
        try:
            return flight.future.result()
        except NotFoundError:
            if link is None or page_number(link) == 1:
                raise
            return None
        except CubeError:
            if not flight.is_guess:
                raise
        return self._page(self._flight(link), link)  # it was linked to only now

    # Changes of the list

    def _landed(self) -> list[int | None]:
        """Wait for all requests in flight, which are guesses, and return what they tell."""
        flights, self._flights = self._flights, {}
        pages = [self._page(flight, link) for link, flight in flights.items()]
        return [page.count for page in pages if page]

    def _differs(self, count: int | None) -> bool:
        """Return whether the list changed since the last page, or before it."""
        if count is not None:
            self.counts.add(count)
        return None not in {count, self._count} and count != self._count

    def _step_back(self, taken: int, link: Link | None, counts: list[int | None]) -> Link | None:
        """Drop the pages that were in flight together with one that tells another count.

        Args:
            taken: Number of pages that had been taken in when that one was requested.
            link: The link to go on with if no page has to be dropped.
            counts: What that page tells, and all that were in flight.

        Returns:
            The link to go on with.
        """
        while self._held and self._taken > taken:
            dropped = self._held.pop()
            self._taken -= 1
            self._followed.difference_update({dropped.page.link, link})
            counts = [*counts, dropped.page.count]
            link, self._count, self._empty = dropped.link, dropped.count, dropped.empty
        # They are not used. But their counts must fit in some order in which the list only changed
        # in the harmless way
        self._note_counts(counts)
        self._ahead = 0
        return link

    def _note_counts(self, counts: list[int | None]) -> None:
        known = {count for count in counts if count is not None}
        for count in sorted(known, reverse=self.downwards):
            self._note_count(count)

    def _note_count(self, count: int) -> None:
        self.counts.add(count)
        if self._count is not None:
            is_harm = count > self._count if self.downwards else count < self._count
            self.is_harmed = self.is_harmed or is_harm
        self._count = count

    def _take(self, page: Page, link: Link | None, following: Link | None) -> None:
        """Take in the next page."""
        self._held.append(_Taken(page, link, self._count, self._empty))
        self._taken += 1
        if page.next is not None or not self._length:  # the last page may be shorter
            self._length = len(page.records) or self._length
        if page.next is not None:
            self.is_uneven = self.is_uneven or self._full not in {None, len(page.records)}
            self._full = len(page.records)
        self._followed.add(page.link)
        self._empty = 0 if page.records else self._empty + 1
        self._gone = 0
        if page.next is not None and page_number(page.next):
            self._numbered = page.next
        if following is not None:
            self._check(following)
            self._followed.add(following)
        if page.count is not None:
            if page.count == self._count:
                self._ahead = min(2 * self._ahead + 1, self._concurrency - 1)
            self._note_count(page.count)

    def _release(self, taken: int) -> Iterator[Page]:
        """Yield the pages that were taken in before all requests that are in flight."""
        while self._held and self._taken - len(self._held) < taken:
            page = self._held.popleft().page
            self.pages += 1
            self.records += len(page.records)
            self.uncounted += page.count is None
            yield page

    # The end of the list

    def _is_too_low(self, page: Page) -> bool:
        """Return whether a read downwards has to begin on a later page."""
        return bool(self._may_climb) and not self._taken and page.next is not None

    def _seek(self, link: Link | None, page: Page | None) -> Link | None:
        """Return a link to the end of the list, if it ends elsewhere; `None` ends the pass."""
        if page is not None:
            self._may_climb -= 1
            self.is_harmed = self.is_harmed or not self._may_climb  # it grows too fast
            return page.next
        self.cut_short = True
        self._gone += 1
        is_lost = self._gone > MAX_GONE_PAGES  # a wrong `count` leads to pages that never were
        self.is_harmed = self.is_harmed or is_lost or not self.downwards
        counts = self._landed()
        number = link and page_number(link)
        if not self.downwards or is_lost or not link or not number:
            return None
        first = self._fetch(None).result()
        last = number
        if first.count is not None and first.next is not None and first.records:
            last = -(-first.count // len(first.records))
        elif first.next is None:
            last = 1
        if self._taken and last >= number:
            self.is_harmed = True  # nothing tells why a page in the middle is gone
        last = min(last, number - 1)
        self._note_counts(counts)
        self._note_counts([first.count])
        self._followed.discard(link)
        return with_page_number(link, max(last, 1))

    # Links

    def _look_ahead(self, link: Link) -> None:
        """Request the linked page, and guess the ones behind it."""
        guesses = {one for one, flight in self._flights.items() if flight.is_guess}
        if guesses and link not in guesses:
            self._guessable = False
            for guess in guesses:
                self._flights.pop(guess).future.cancel()
        if link not in self._flights:
            self._fly(link)
        number = page_number(link)
        if number is None or not self._length or not self.counts or self._guessable is False:
            return
        last = -(-max(self.counts) // self._length)
        ahead = self._ahead if self._guessable else min(self._ahead, 1)
        for distance in range(1, ahead + 1):
            guessed = number - distance if self.downwards else number + distance
            if not 1 < guessed <= last:
                return
            guess = with_page_number(link, guessed)
            if guess not in self._flights and len(self._flights) < self._concurrency:
                self._fly(guess, is_guess=True)

    def _check(self, link: Link) -> None:
        name = "previous" if self.downwards else "next"
        if link in self._followed:
            msg = (
                f"the link `{name}` of page {self._taken} leads back to a page already read: "
                "reading on would never end. This is a fault of the server: report it to Cube"
            )
            raise ReadError(msg)
        if self._empty > MAX_EMPTY_PAGES:
            msg = (
                f"the list has more than {MAX_EMPTY_PAGES} consecutive empty pages. This is a "
                "fault of the server: report it to Cube"
            )
            raise ReadError(msg)
