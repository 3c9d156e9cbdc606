"""Reads events of many days, window by window."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_cube.readers import days
from tap_cube.readers.dated import WindowReader

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from tap_cube.cube.pages import Page
    from tap_cube.readers.dated import DatedIdentity
    from tap_cube.readers.days import Window
    from tap_cube.readers.protocol import Request


class Timeline:
    """Reads all days from the first one until today. The first windows are requested ahead.

    Args:
        first: The first day.
        now: When the run began.
        request: Returns what starts the requests for a window's list.
        identity: Digests what identifies a record.
        window_days: Days that are requested at a time.
        concurrency: Maximum number of requests in flight.

    Attributes:
        read_to: The last day such that all days until then are over, and count as read; `None` if
            there is none.
        doubts: After the iteration: why days may be incomplete, as sentences without ids.
        done: Number of days that are read.
        total: Number of days.
    """

    state = None
    resumed_at = None

    def __init__(  # noqa: PLR0913  # each is a choice of the caller
        self,
        first: dt.date,
        now: dt.datetime,
        request: Callable[[Window], Request],
        identity: DatedIdentity,
        *,
        window_days: int,
        concurrency: int,
    ) -> None:
        self.read_to: dt.date | None = None
        self.doubts: list[str] = []
        self.done = 0
        self.total: int | None = (days.today(now) - first).days + 1
        self._fetch = request
        self._identity = identity
        self._concurrency = concurrency
        self._over = days.last_day_over(now)
        self._waiting = days.to_read(first, now, window_days)
        self._ahead: deque[tuple[Window, WindowReader]] = deque()

    def start(self) -> None:
        """Start the first requests without waiting for them."""
        while len(self._ahead) < self._concurrency and (window := next(self._waiting, None)):
            reader = WindowReader(
                window,
                self._fetch,
                self._identity,
                concurrency=self._concurrency,
                over=window.last <= self._over,
            )
            reader.start()
            self._ahead.append((window, reader))

    def __iter__(self) -> Iterator[Page]:
        """Yield pages with keys.

        Raises:
            CubeError: If a page cannot be read.
        """
        is_complete = True
        self.start()
        while self._ahead:
            window, reader = self._ahead.popleft()
            self.start()
            for keyed in reader:
                yield replace(keyed.page, keys=keyed.keys)
            self.doubts += reader.doubts
            self.done += (window.last - window.first).days + 1
            is_complete &= reader.complete
            if is_complete and window.last <= self._over:
                self.read_to = window.last

    def written(self, page: Page) -> None:
        """Do nothing: what is read counts by windows, once the next one begins."""
