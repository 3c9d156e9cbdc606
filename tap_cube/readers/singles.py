"""Reads records one by one: those that a list names, or those that the user names."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tap_cube.errors import NotFoundError, ReadError
from tap_cube.readers.distinct import is_blank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from tap_cube.cube.pages import Page
    from tap_cube.readers.lists import ListReader

    #: Starts the request for one record: a page with just this record.
    RequestOne = Callable[[Any], Future[Page]]


#: A larger share of customers is hardly deleted between the list and the single records.
_LARGEST_SHARE = 0.5


class ListedReader:
    """Reads the single record of each record in a list.

    Args:
        listed: Reads the list.
        ids: Returns the ids of a list's page, as they stand in URLs.
        request_one: Starts the request for a single record.
        concurrency: Maximum number of requests in flight.

    Attributes:
        done: Number of records so far.
    """

    def __init__(
        self,
        listed: ListReader,
        ids: Callable[[Page], Sequence[Any]],
        request_one: RequestOne,
        *,
        concurrency: int,
    ) -> None:
        self.read_to = None
        self.done = 0
        self._asked = self._missing = 0
        self._listed = listed
        self._ids = ids
        self._request_one = request_one
        self._concurrency = concurrency
        self._last: tuple[Page, Page] | None = None

    @property
    def state(self) -> Mapping[str, Any] | None:
        """Where to resume, after what was written; `None` if there is nothing to resume."""
        return self._listed.state

    @property
    def resumed_at(self) -> int | None:
        """Number of the page where the read continues an earlier one."""
        return self._listed.resumed_at

    @property
    def doubts(self) -> list[str]:
        """Why the read may be incomplete."""
        if self._missing <= _LARGEST_SHARE * self._asked:
            return self._listed.doubts
        gone = f"{self._missing} of {self._asked} customers in the list have no record of their own"
        return [*self._listed.doubts, f"{gone} (404), so that records may be missing"]

    @property
    def total(self) -> int | None:
        """Length of the list."""
        return self._listed.total

    def start(self) -> None:
        """Start the first request without waiting for it."""
        self._listed.start()

    def __iter__(self) -> Iterator[Page]:
        """Yield the single records of each page of the list as one page.

        Raises:
            CubeError: If a record cannot be read. Those that are gone meanwhile are left out.
        """
        for page in self._listed:
            records: list[Any] = []
            last = page
            for _, single in in_order(self._request_one, self._ids(page), 2 * self._concurrency):
                self._asked += 1
                if single is not None:
                    records += single.records
                    last = single
                else:
                    self._missing += 1
            singles = replace(page, records=records, received_at=last.received_at)
            self._last = page, singles
            yield singles
        if self._asked and self._missing == self._asked:
            msg = (
                f"none of the {self._asked} customers in the list has a record of its own "
                "(404): check the setting `customer_id_field`"
            )
            raise ReadError(msg)

    def written(self, page: Page, /) -> None:
        """Take note that a page was handed over."""
        self.done += len(page.records)
        if self._last and page is self._last[1]:
            self._listed.written(self._last[0])


class ChosenReader:
    """Reads the records that the user names.

    Args:
        ids: Their ids.
        request_one: Starts the request for a single record.
        concurrency: Maximum number of requests in flight.

    Attributes:
        missing: Positions in `ids` of those that do not exist.
    """

    state = None
    read_to = None
    resumed_at = None

    def __init__(self, ids: Sequence[Any], request_one: RequestOne, *, concurrency: int) -> None:
        self.missing: set[int] = set()
        self.doubts: list[str] = []
        self.done = 0
        self.total: int | None = len(ids)
        self._ids = ids
        self._request_one = request_one
        self._concurrency = concurrency

    def start(self) -> None:
        """Do nothing: the records of the next CRM are not requested ahead."""

    def __iter__(self) -> Iterator[Page]:
        """Yield each record as a page.

        Raises:
            CubeError: If a record cannot be read.
        """
        requests = in_order(self._request_one, self._ids, 2 * self._concurrency)
        for position, (_, page) in enumerate(requests):
            if page is None:
                self.missing.add(position)
            else:
                yield page

    def written(self, page: Page, /) -> None:
        """Count the records of a page."""
        self.done += len(page.records)


def in_order(
    request_one: RequestOne, ids: Iterable[Any], window: int
) -> Iterator[tuple[Any, Page | None]]:
    """Yield each id with its page, in order; `None` for records that do not exist.

    Args:
        request_one: Starts a request.
        ids: The ids.
        window: Maximum number of requests that are in flight, or wait for their turn.
    """
    running: deque[tuple[Any, Future[Page]]] = deque()
    waiting = iter(ids)
    try:
        while True:
            while len(running) < window and (id_ := next(waiting, running)) is not running:
                running.append((id_, request_one(id_)))
            if not running:
                return
            id_, future = running.popleft()
            try:
                page: Page | None = future.result()
            except NotFoundError:
                page = None
            yield id_, page
    finally:
        for _, future in running:
            future.cancel()


def known_ids(ids: Sequence[Any], field: str) -> Sequence[Any]:
    """Return the ids, all of which must be known.

    Raises:
        ReadError: If one is missing.
    """
    if any(map(is_blank, ids)):
        msg = f"a customer has no `{field}`, which the setting `customer_id_field` names"
        raise ReadError(msg)
    return ids
