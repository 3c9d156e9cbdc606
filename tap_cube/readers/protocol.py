"""What all readers have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    from tap_cube.cube.pages import Link, Page

    #: Starts the request for a page; `None` requests the first page of the list.
    Request = Callable[[Link | None], Future[Page]]


#: A doubt about a list.
UNCOUNTED = "the list is empty, and does not tell its length: records may be missing"


class Reader(Protocol):
    """A complete read of one resource.

    The consumer writes each page, and calls `written` before it asks for the next one.
    """

    @property
    def state(self) -> Mapping[str, Any] | None:
        """Where to resume, after what was written; `None` if there is nothing to resume."""

    @property
    def resumed_at(self) -> int | None:
        """Number of the page where the read continues an earlier one; `None` otherwise."""

    @property
    def read_to(self) -> dt.date | None:
        """The last day until which all days were read; `None` if it does not read by days."""

    @property
    def doubts(self) -> list[str]:
        """After the iteration: why the read may be incomplete, as sentences without ids."""

    @property
    def done(self) -> int:
        """How far the read is, in records, or in days."""

    @property
    def total(self) -> int | None:
        """How far it has to go; `None` if that is not known."""

    def start(self) -> None:
        """Start the first requests without waiting for them; optional."""

    def __iter__(self) -> Iterator[Page]:
        """Return the pages. Each record comes at least once."""

    def written(self, page: Page, /) -> None:
        """Take note that a page was handed over."""
