"""One chain of pages, read downwards: what it knows and decides, without requests."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cube.errors import ReadError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tap_cube.cube.pages import Link, Page

#: Pages of one chain that wait to be written.
_BUFFER = 2
#: How often a page is requested that is gone, although the list is long enough.
_MAX_TRIES = 4


@dataclass(frozen=True)
class Arrival:
    """A page that waits to be written.

    Attributes:
        number: Its number.
        ids: The ids on it.
        floor: The highest id that is known to be before the page.
    """

    page: Page
    number: int
    ids: list[int]
    floor: int


class Search:
    """Looks for a page to read on from: all that is to be read is on it or before it.

    Args:
        end: Number of a page before which all of that is; `None` if there is none yet.
    """

    def __init__(self, end: int | None = None) -> None:
        self._end = end
        # A link to a page that is gone is followed again: only a page without `next` ends a list
        self._is_end_sure = end is not None
        self._was_refuted = False
        self._too_low = 0
        self._step = 1

    def is_high_enough(self, number: int) -> bool:
        """Return whether nothing that is to be read can be behind a page, which is there."""
        if self._end is not None and number >= self._end and not self._was_refuted:
            # It was gone before: the list grew, or the server was wrong. Once, as lists may grow on
            self._end, self._was_refuted = None, True
        return self._end is not None and number + self._is_end_sure >= self._end

    def higher(self, number: int) -> int:
        """Return the number of the page to try after one that is too low."""
        self._too_low = number
        target = number + self._step
        self._step *= 2
        if self._end is not None:
            target = min(target, (number + self._end) // 2)
        return max(target, number + 1)

    def lower(self, number: int, last: int) -> int:
        """Return the number of the page to try after one that is gone.

        Args:
            number: Number of the page that is gone.
            last: Number of the page where the list should end.
        """
        self._end, self._is_end_sure = number, False
        if self._too_low >= number - 1:
            self._too_low = 0  # that was before the list became shorter
        target = min(last, number - self._step)
        self._step = 1 if last < number else 2 * self._step
        return max(min(max(target, self._too_low + 1), number - 1), 1)


class Chain:
    """One chain of pages.

    Args:
        top: Number of its first page.
        below: The chain below; `None` for the lowest one.
        seeks_end: Whether it has to begin with the last page of the list.

    Attributes:
        number: Number of the page that was requested last.
        first_ids: The ids on its first page, once that has arrived.
        highest: The highest of them.
        lowest: The lowest id on the pages that arrived.
        arrived: Pages that wait to be written.
        pending: The request in flight.
        last: The ids and the link `previous` of the page that arrived last.
        count: Length of the list when its first page was the last one of the list.
        is_over: Whether its last page has arrived.
        is_void: Whether it ended before its first page, which was gone.
        span: The lowest and the highest id on the pages that were yielded.
        place: Number of the page to resume from: all that the chain covers behind it was written.
            `None` if it is not known where the list ends.
    """

    def __init__(self, top: int, below: Chain | None, *, seeks_end: bool = False) -> None:
        self.top = self.number = top
        self.below = below
        self.first_ids: frozenset[int] = frozenset()
        self.highest: int | None = None
        self.lowest: int | None = None
        self.arrived: deque[Arrival] = deque()
        self.pending: Future[Page] | None = None
        self.floor = -1
        self.last: tuple[list[int], Link | None] | None = None
        self.count: int | None = None
        self.is_over = self.is_void = False
        self.span: tuple[int, int] | None = None
        self.place: int | None = None if seeks_end else top
        #: Whether a page linked to the page that was requested last
        self.is_linked = False
        self._search = Search() if seeks_end else None
        #: How often a page was gone that another one links to, by its number and the count
        self._gone: dict[tuple[int, int], int] = {}

    @property
    def has_room(self) -> bool:
        """Whether another page may arrive before one is written."""
        return len(self.arrived) < _BUFFER

    @property
    def is_done(self) -> bool:
        """Whether all its pages were handed over."""
        return self.is_over and not self.arrived

    def skips_to(self) -> Chain:
        """Return the chain that it meets: the next one below that has a page."""
        chain = self.below or self
        while chain.is_void and chain.below:
            chain = chain.below
        return chain

    def is_met_by(self, ids: list[int]) -> bool:
        """Return whether a page with these ids leaves nothing between it and this chain.

        All records up to the highest id on the chain's first page belong to the chain. A page whose
        ids start below those, and end above them, but which has none of them, is no proof: the
        list may not ascend.
        """
        if not ids or self.highest is None:
            return False
        return (
            ids[-1] <= self.highest
            or ids[0] == self.highest + 1
            or not self.first_ids.isdisjoint(ids)
        )

    def is_too_low(self, page: Page, ids: list[int]) -> bool:
        """Return whether records that it has to read may be behind a page."""
        if not self._search or page.next is None or self._search.is_high_enough(self.number):
            return False
        return self.lowest is None or not ids or ids[-1] < self.lowest

    def following(self) -> int:
        """Return the number of the page to read next, after one that was accepted."""
        ids, _ = self.last or ([], None)
        repeated = 0
        if ids and self.lowest is not None:
            # The list became shorter, so that pages repeat: leave out as many as the ids suggest
            repeated = (ids[0] - self.lowest) // (ids[-1] - ids[0] + 1)
        if repeated:
            self._search = Search(end=self.number)
        return max(self.number - 1 - repeated, 1)

    def higher(self) -> int:
        """Return the number of the page to try, now that the last one is too low."""
        self._search = self._search or Search()
        return self._search.higher(self.number)

    def lower(self, last: int) -> int:
        """Return the number of the page to try, now that the last one is gone.

        Args:
            last: Number of the page where the list should end.
        """
        self._search = self._search or Search()
        return self._search.lower(self.number, last)

    def note_gone(self, count: int) -> int:
        """Take note that the page that was requested last is gone, although a page links to it.

        Args:
            count: Length of the list, as it was told last.

        Returns:
            int: How often that was so, without another page or another count in between.

        Raises:
            ReadError: If the server, and not a change of the list, is why it is gone.
        """
        times = self._gone.get((self.number, count), 0) + 1
        self._gone = {(self.number, count): times}
        if times == _MAX_TRIES:
            msg = "the list links to a page that is not there: report it to Cube"
            raise ReadError(msg)
        return times

    def accept(self, page: Page, ids: list[int]) -> None:
        """Take in its next page."""
        if self.highest is None:
            self.top, self.count = self.number, page.count if page.next is None else None
            self.first_ids = frozenset(ids)
            self.highest = ids[-1] if ids else -1
        if ids:
            self.lowest = ids[0] if self.lowest is None else min(ids[0], self.lowest)
        self.arrived.append(Arrival(page, self.number, ids, self.floor))
        self.last = ids, page.previous
        self._search = None
        self._gone.clear()
