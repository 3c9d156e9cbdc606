"""Reads the events of a window of days."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tap_cube.readers.events import MAX_PASSES, KeyedReader
from tap_cube.readers.row_keys import UndatedError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from tap_cube.readers.alikes import KeyedPage
    from tap_cube.readers.days import Window
    from tap_cube.readers.protocol import Request

    #: Returns a digest of the identity of each record. The day is given if the list covers one
    #: day only, and stands in for a missing time.
    DatedIdentity = Callable[[Sequence[Any], dt.date | None], list[bytes]]


class WindowReader:
    """Reads a window of days: as one list, and where that leaves a doubt day by day.

    One day of change then leaves no doubt on the others. No day is read more than three times.

    Args:
        window: The days.
        request: Returns what starts the requests for a window's list.
        identity: Digests what identifies a record.
        concurrency: Maximum number of requests in flight, and of pages that wait for their turn.
        over: Whether the days are over, so that their lists should no longer change.

    Attributes:
        complete: After the iteration: whether the days count as read. Irrelevant if they are not
            over.
        doubts: After the iteration: sentences about what is in doubt, without ids.
    """

    def __init__(
        self,
        window: Window,
        request: Callable[[Window], Request],
        identity: DatedIdentity,
        *,
        concurrency: int,
        over: bool,
    ) -> None:
        self.complete = False
        self.doubts: list[str] = []
        self._window = window
        self._fetch = request
        self._identity = identity
        self._concurrency = concurrency
        self._over = over
        self._whole = self._reader(window, MAX_PASSES if window.is_one_day else 1)

    def start(self) -> None:
        """Start the first request without waiting for it."""
        self._whole.start()

    def __iter__(self) -> Iterator[KeyedPage]:
        """Yield pages with keys. To be iterated once. A record may come again, with its key.

        Raises:
            ReadError: If a link repeats, or too many pages are empty.
        """
        passes = MAX_PASSES - 1
        try:
            yield from self._whole
        except UndatedError:
            # The whole window was not read: it does not count as one of the reads
            passes = MAX_PASSES
        if self._whole.complete or self._window.is_one_day:
            self.complete = self._whole.complete
            self._add_doubts(self._window, self._whole)
            return
        self.complete = True
        for day in self._window.single_days():
            reader = self._reader(day, passes)
            yield from reader
            self.complete &= reader.complete
            self._add_doubts(day, reader)

    def _reader(self, window: Window, passes: int) -> KeyedReader:
        day = window.first if window.is_one_day else None
        return KeyedReader(
            self._fetch(window),
            partial(self._identity_on, day),
            concurrency=self._concurrency,
            at_rest=self._over,
            max_passes=passes,
        )

    def _identity_on(self, day: dt.date | None, records: Sequence[Any]) -> list[bytes]:
        return self._identity(records, day)

    def _add_doubts(self, window: Window, reader: KeyedReader) -> None:
        days = str(window.first) if window.is_one_day else f"{window.first} to {window.last}"
        self.doubts += [f"{days}: {doubt}" for doubt in reader.doubts]
