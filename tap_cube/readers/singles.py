"""Reads records one by one: those that a list names, or those that the user names."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tap_cube.errors import NotFoundError, ReadError
from tap_cube.readers.distinct import is_blank

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from tap_cube.cube.pages import Link, Page
    from tap_cube.readers.lists import ListReader
    from tap_cube.readers.protocol import Request

    #: Starts the request for one record: a page with just this record.
    RequestOne = Callable[[Any], Future[Page]]


#: A larger share of customers is hardly deleted between the list and the single records.
_LARGEST_SHARE = 0.5


class Arrivals:
    """The pages of a list in the order in which they arrive, so that one can look ahead.

    Args:
        request: Starts the requests for the list.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._pages: deque[Page] = deque()

    def request(self, link: Link | None) -> Future[Page]:
        """Start a request, and take note of its page."""
        future = self._request(link)
        future.add_done_callback(self._note)
        return future

    def again(self, page: Page) -> Page | None:
        """Request a page again, aside; `None` if the list no longer has it.

        Raises:
            CubeError: If the list cannot be read.
        """
        with suppress(NotFoundError):
            return self._request(page.link).result()
        self._request(None).result()
        return None

    def _note(self, future: Future[Page]) -> None:
        if not future.cancelled() and not future.exception():
            self._pages.append(future.result())

    def after(self, page: Page) -> Page | None:
        """Return the page that arrived after this one, which is most likely read next."""
        pages = self._pages
        while len(pages) > 1 and pages[0].link != page.link:
            pages.popleft()
        return pages[1] if len(pages) > 1 else None


class Window:
    """The requests for single records that are in flight, or wait for their turn.

    Args:
        request_one: Starts a request.
        size: How many there are at most.
    """

    def __init__(self, request_one: RequestOne, size: int) -> None:
        self._request_one = request_one
        self.size = size
        self._futures: dict[Any, Future[Page]] = {}

    def take(
        self,
        ids: Sequence[Any],
        position: int,
        following: Callable[[], Sequence[Any]] = tuple,
    ) -> Page | None:
        """Wait for the record at a position; those behind it are requested meanwhile.

        Args:
            ids: The ids of the records that are read one after the other.
            position: That of the record.
            following: Returns the ids that most likely come after them.

        Returns:
            Page | None: A page with the record; `None` if it does not exist.
        """
        id_ = ids[position]
        future = self._futures.pop(id_, None) or self._request_one(id_)
        self._start(ids[position + 1 : position + self.size])
        if self._has_room:
            self._start(following())
        try:
            return future.result()
        except NotFoundError:
            return None

    @property
    def _has_room(self) -> bool:
        # Beside the request whose turn it is
        return len(self._futures) < self.size - 1

    def _start(self, ids: Sequence[Any]) -> None:
        for id_ in ids:
            if not self._has_room:
                return
            if id_ not in self._futures:
                self._futures[id_] = self._request_one(id_)

    def keep(self, ids: Collection[Any]) -> None:
        """Cancel the requests for other records than these."""
        for id_ in self._futures.keys() - ids:
            self._futures.pop(id_).cancel()


class ListedReader:
    """Reads the single record of each record in a list.

    Args:
        listed: Reads the list.
        ids: Returns the ids of a list's page, as they stand in URLs.
        request_one: Starts the request for a single record.
        arrivals: The pages of the list that have arrived.
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
        arrivals: Arrivals,
        concurrency: int,
    ) -> None:
        self.read_to = None
        self.done = 0
        self._asked = self._missing = 0
        self._is_credible = True
        self._listed = listed
        self._ids = ids
        self._arrivals = arrivals
        self._window = Window(request_one, 2 * concurrency)
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
            CubeError: If a record, or the list, cannot be read. Records that are gone meanwhile
                are left out.
        """
        try:
            for page in self._listed:
                singles = self._singles(page)
                self._last = page, singles
                yield singles
        finally:
            self._window.keep(())
        if self._asked and self._missing == self._asked:
            msg = (
                f"none of the {self._asked} customers in the list has a record of its own "
                "(404): check the setting `customer_id_field`"
            )
            raise ReadError(msg)

    def _singles(self, listed: Page) -> Page:
        """Return the single records of a page of the list."""
        ids = self._ids(listed)
        self._window.keep(ids)
        coming: Sequence[Any] = ()

        def following() -> Sequence[Any]:
            nonlocal coming
            coming = coming or self._coming(listed)
            return coming

        records: list[Any] = []
        last = listed
        missing = set()
        for position, id_ in enumerate(ids):
            single = self._window.take(ids, position, following)
            if single is None:
                missing.add(id_)
            else:
                records += single.records
                last = single
        missing = self._listed_still(listed, missing)
        self._asked += len(records) + len(missing)
        self._missing += len(missing)
        self._is_credible = self._is_credible and len(missing) <= _LARGEST_SHARE * len(ids)
        return replace(listed, records=records, received_at=last.received_at)

    def _listed_still(self, listed: Page, missing: set[Any]) -> set[Any]:
        """Return those of the missing records that were not deleted meanwhile.

        So a server that finds nothing any more is not taken for one without records: the list
        cannot be read then, and the page counts as not read.
        """
        page = self._arrivals.again(listed) if missing else None
        return missing.intersection(self._ids(page)) if page else set()

    def _coming(self, listed: Page) -> Sequence[Any]:
        """Return the ids of the page that most likely comes next, if it has arrived."""
        if len(listed.records) <= self._window.size:
            return ()  # short pages: an interruption would waste a large share of the requests
        page = self._arrivals.after(listed)
        with suppress(ReadError):  # it is raised when the page is read
            return self._ids(page) if page else ()
        return ()

    def written(self, page: Page, /) -> None:
        """Take note that a page was handed over."""
        self.done += len(page.records)
        # The next run goes on before the first page that lacks most records
        if self._last and page is self._last[1] and self._is_credible:
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
        self._window = Window(request_one, 2 * concurrency)

    def start(self) -> None:
        """Do nothing: the records of the next CRM are not requested ahead."""

    def __iter__(self) -> Iterator[Page]:
        """Yield each record as a page.

        Raises:
            CubeError: If a record cannot be read.
        """
        try:
            for position in range(len(self._ids)):
                page = self._window.take(self._ids, position)
                if page is None:
                    self.missing.add(position)
                else:
                    yield page
        finally:
            self._window.keep(())

    def written(self, page: Page, /) -> None:
        """Count the records of a page."""
        self.done += len(page.records)


def known_ids(ids: Sequence[Any], field: str) -> Sequence[Any]:
    """Return the ids, all of which must be known.

    Raises:
        ReadError: If one is missing, or cannot be part of a URL.
    """
    if any(map(is_blank, ids)):
        msg = f"a customer has no `{field}`, which the setting `customer_id_field` names"
        raise ReadError(msg)
    if not all(isinstance(id_, str | int) for id_ in ids):
        msg = (
            f"`{field}`, which the setting `customer_id_field` names, is neither text nor a whole "
            "number"
        )
        raise ReadError(msg)
    return ids
