"""Reads events of many days, window by window."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_cube.readers.dated import WindowReader

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from tap_cube.cube.pages import Page
    from tap_cube.readers.dated import DatedIdentity
    from tap_cube.readers.days import Window
    from tap_cube.readers.protocol import Request


class Timeline:
    """Reads all days from the first one until today. The first windows are requested ahead.

    Args:
        windows: The windows, in their order.
        over: The last day that is over.
        request: Returns what starts the requests for a window's list.
        identity: Digests what identifies a record.
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

    def __init__(
        self,
        windows: Sequence[Window],
        over: dt.date,
        request: Callable[[Window], Request],
        identity: DatedIdentity,
        *,
        concurrency: int,
    ) -> None:
        self.read_to: dt.date | None = None
        self.doubts: list[str] = []
        self.done = 0
        self.total: int | None = sum(window.days for window in windows)
        self._fetch = request
        self._identity = identity
        self._concurrency = concurrency
        self._over = over
        self._waiting = iter(windows)
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
            self.done += window.days
            is_complete &= reader.complete
            if is_complete and window.last <= self._over:
                self.read_to = window.last

    def written(self, page: Page, /) -> None:
        """Do nothing: what is read counts by windows, once the next one begins."""
