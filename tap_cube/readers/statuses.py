"""Reads a list without ids and without days: its records get their keys from the tap."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tap_cube.readers.events import KeyedReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cube.cube.pages import Page
    from tap_cube.readers.protocol import Request
    from tap_cube.readers.row_keys import StatusIdentity


class StatusReader:
    """Reads a whole list, as often as it takes to know that nothing is missing or listed twice.

    Args:
        request: Starts requests.
        identity: Digests what identifies a record.
        concurrency: Maximum number of requests in flight.

    Attributes:
        doubts: After the iteration: why the read may be incomplete, as sentences without ids.
        done: Number of records so far.
        total: Number of records in the list; `None` if the server does not tell.
    """

    state = None
    read_to = None
    resumed_at = None

    def __init__(self, request: Request, identity: StatusIdentity, *, concurrency: int) -> None:
        self.doubts: list[str] = []
        self.done = 0
        self.total: int | None = None
        self._reader = KeyedReader(
            request,
            identity,
            concurrency=concurrency,
            at_rest=True,
            needs_count=True,
        )

    def start(self) -> None:
        """Start the first request without waiting for it."""
        self._reader.start()

    def __iter__(self) -> Iterator[Page]:
        """Yield pages with keys.

        Raises:
            CubeError: If a page cannot be read.
        """
        for page, keys in self._reader:
            self.total = page.count
            yield replace(page, keys=keys)
        self.doubts = self._reader.doubts

    def written(self, page: Page, /) -> None:
        """Count the records of a page."""
        self.done += len(page.records)
