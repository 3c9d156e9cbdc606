"""A server for lists of events, as a value: its list may change between any two responses."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import Future
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tap_cube.compat import override
from tap_cube.cube.pages import Page
from tap_cube.errors import NotFoundError
from tap_cube.readers.days import Window
from tap_cube.readers.row_keys import (
    CAMPAIGN,
    CUSTOMER,
    MINUTE,
    STAMP,
    SUBMITTER,
    EventIdentity,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_cube.readers.alikes import KeyedPage
    from tap_cube.readers.protocol import Request

    Record = dict[str, Any]

CRM = (2, "B2B")
DAY = dt.timedelta(days=1)
MONDAY = dt.date(2024, 5, 6)
WEEK = Window(MONDAY, MONDAY + 6 * DAY)
COMMENT = "call_outcome__comment"
RECEIVED = dt.datetime(2024, 5, 20, 12, tzinfo=dt.timezone.utc)


def event(day: dt.date, second: int, *, stamp: bool = True, **fields: Any) -> Record:
    """An event of an invented customer; those with different seconds are not alike."""
    minute, rest = divmod(second, 60)
    time = f"{day}T{8 + minute // 60:02}:{minute % 60:02}"
    return {
        CUSTOMER: str(1000 + second),
        COMMENT: "",
        SUBMITTER: ("ingrid.aasen", "ola.dunk")[second % 2],
        MINUTE: time.replace("T", " "),
        **({STAMP: f"{time}:{rest:02}.{second % 1000:03}+0200"} if stamp else {}),
        CAMPAIGN: "Fiber",
        "segment__name": "Uke 12",
        **fields,
    }


class Server:
    """Answers requests for the events of a window of days, page by page.

    Args:
        events: The events, with their days.
        page_size: Records per page.
        seed: Decides in which order requests in flight are answered.
        change: Called before each response with the server and the number of the page.
        order: Returns the order in which a page's list is produced.
        count: Returns the `count` of a page.
    """

    def __init__(  # noqa: PLR0913  # each is a way in which servers differ
        self,
        events: Iterable[tuple[dt.date, Record]],
        *,
        page_size: int = 5,
        seed: int = 0,
        change: Callable[[Server, int], None] | None = None,
        order: Callable[[list[Any], int], list[Any]] | None = None,
        count: Callable[[int, int], int | None] = lambda length, _page: length,
    ) -> None:
        self.events = list(events)
        self.page_size = page_size
        self.random = Random(seed)  # noqa: S311  # not for secrets
        self.change = change
        self.order = order
        self.count = count
        self.links: list[str] = []
        #: Seconds of events that are added later, none of which is like another
        self.later = iter(range(15_000, 40_000))
        self.most_in_flight = 0
        self._flights: list[_Flight] = []

    def request(self, window: Window | None) -> Request:
        """Return what starts the requests for a window's list; `None` for the whole list."""
        query = f"from={window.first}&to={window.last}" if window else "all=1"

        def start(link: str | None) -> Future[Page]:
            link = link or f"/list/?{query}"
            self.links.append(link)
            flight = _Flight(self, link)
            self._flights.append(flight)
            self.most_in_flight = max(self.most_in_flight, len(self._flights))
            return flight

        return start

    @property
    def in_flight(self) -> int:
        """Requests that are not answered, or whose answers were not taken."""
        return len(self._flights)

    def land(self, flight: _Flight) -> None:
        """Answer requests in flight, in any order, until this one is answered."""
        while not flight.done():
            waiting = [other for other in self._flights if not other.done()]
            self.random.choice(waiting).answer()

    def consumed(self, flight: _Flight) -> None:
        if flight in self._flights:
            self._flights.remove(flight)

    def page(self, link: str) -> Page:
        query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        number = int(query.get("page", "1"))
        if self.change:
            self.change(self, number)
        first = dt.date.fromisoformat(query.get("from", "0001-01-01"))
        last = dt.date.fromisoformat(query.get("to", "9999-12-31"))
        found = [record for day, record in self.events if first <= day <= last]
        if self.order:
            found = self.order(found, number)
        start = (number - 1) * self.page_size
        if start and start >= len(found):
            raise NotFoundError
        base = link.partition("&page=")[0]
        records: list[Record] = json.loads(json.dumps(found[start : start + self.page_size]))
        is_last = start + self.page_size >= len(found)
        return Page(
            link=link,
            records=records,
            count=self.count(len(found), number),
            next=None if is_last else f"{base}&page={number + 1}",
            previous=f"{base}&page={number - 1}" if start else None,
            received_at=RECEIVED,
        )


class _Flight(Future[Page]):
    def __init__(self, server: Server, link: str) -> None:
        super().__init__()
        self._server = server
        self._link = link

    def answer(self) -> None:
        try:
            self.set_result(self._server.page(self._link))
        except NotFoundError as error:
            self.set_exception(error)

    @override
    def result(self, timeout: float | None = None) -> Page:
        self._server.land(self)
        self._server.consumed(self)
        return super().result(timeout)

    @override
    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._server.land(self)
        return super().exception(timeout)

    @override
    def cancel(self) -> bool:
        self._server.consumed(self)
        return super().cancel()


def identity(records: Any, day: dt.date | None) -> list[bytes]:
    return EventIdentity(CRM)(records, day)


def rows(pages: Iterable[KeyedPage]) -> Iterator[tuple[str, Record]]:
    """The records with their keys, in the order in which a target gets them."""
    for keyed in pages:
        yield from zip(keyed.keys, keyed.page.records, strict=True)
