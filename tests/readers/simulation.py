"""A server whose list may change before each response, and that responds in any order.

Nothing waits: requests are answered when the reader waits for them. A request is first answered
and later delivered, both in random order, so that of two responses that were in flight together
the reader cannot know which one is older.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import Future
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.compat import override
from tap_cube.cube.pages import Page, page_number
from tap_cube.errors import NotFoundError
from tap_cube.readers.lists import ListReader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tap_cube.cube.pages import Link

    Change = Callable[["Server"], None]
    Respond = Callable[[Link | None], Page]

NOW = dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc)
LIST = "/api/list/"


def seeds(few: int, many: int) -> pytest.MarkDecorator:
    """Run a test with few seeds by default, and with the others if time does not matter."""
    rest = pytest.param(range(few, many), marks=pytest.mark.e2e, id=f"{few}-{many}")
    return pytest.mark.parametrize("seeds", [pytest.param(range(few), id=f"0-{few}"), rest])


@dataclass
class Server:
    """A list of ids, as Django REST framework serves it.

    Attributes:
        ids: The list.
        page_size: Records of a page.
        chance: Source of all randomness.
        change: Called before each response.
        count: Returns the `count` of a page from the length of the list and the page's number.
        throughout: Ids that were in the list all the time.
        responses: Number of responses so far.
        highest: The highest id so far.
    """

    ids: list[int]
    page_size: int
    chance: Random
    change: Change = lambda _: None
    count: Callable[[int, int], int | None] = lambda length, _number: length
    throughout: set[int] = field(init=False)
    responses: int = 0
    highest: int = field(init=False)

    def __post_init__(self) -> None:
        self.throughout = set(self.ids)
        self.highest = max(self.ids, default=0)

    def delete(self, start: int, end: int) -> None:
        self.throughout.difference_update(self.ids[start:end])
        del self.ids[start:end]

    def add(self, index: int | None = None) -> None:
        self.highest += self.chance.choice([1, 1, 3])
        self.ids.insert(len(self.ids) if index is None else index, self.highest)

    def respond(self, link: Link | None) -> Page:
        self.responses += 1
        self.change(self)
        return self.page(link or LIST)

    def page(self, link: Link) -> Page:
        number = page_number(link) or 1
        start, end = (number - 1) * self.page_size, number * self.page_size
        if number > 1 and start >= len(self.ids):
            raise NotFoundError
        following = f"{LIST}?page={number + 1}" if end < len(self.ids) else None
        previous = None if number == 1 else LIST if number == 2 else f"{LIST}?page={number - 1}"
        count = self.count(len(self.ids), number)
        return Page(link, self.ids[start:end], count, following, previous, NOW)


class Network:
    """Answers and delivers requests in random order.

    Attributes:
        most: Maximum number of requests that were in flight.
    """

    def __init__(self, respond: Respond, chance: Random) -> None:
        self.most = 0
        self._respond = respond
        self._chance = chance
        self._waiting: list[_Flight] = []

    def request(self, link: Link | None) -> Future[Page]:
        flight = _Flight(self, link)
        self._waiting.append(flight)
        self.most = max(self.most, len(self._waiting))
        while self._waiting and self._chance.random() < 0.3:
            self.proceed()
        return flight

    def wait(self, flights: Collection[Future[Page]]) -> None:
        assert flights
        while not any(flight.done() for flight in flights):
            self.proceed()

    def proceed(self) -> None:
        """Answer a request, or deliver an answer."""
        flight = self._waiting[self._chance.randrange(len(self._waiting))]
        if flight.answer is None:
            flight.answer = self._answer(flight.link)
            if self._chance.random() < 0.5:
                return
        self._waiting.remove(flight)
        flight.deliver()

    def drop(self, flight: _Flight) -> None:
        if flight in self._waiting:
            self._waiting.remove(flight)

    def _answer(self, link: Link | None) -> Page | Exception:
        try:
            return self._respond(link)
        except Exception as error:  # noqa: BLE001  # as any executor does
            return error


class _Flight(Future[Page]):
    def __init__(self, network: Network, link: Link | None) -> None:
        super().__init__()
        self.link = link
        self.answer: Page | Exception | None = None
        self._network = network

    def deliver(self) -> None:
        if isinstance(self.answer, Exception):
            self.set_exception(self.answer)
        elif self.answer:
            self.set_result(self.answer)

    @override
    def result(self, timeout: float | None = None) -> Page:
        self._network.wait([self])
        return super().result(timeout)

    @override
    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._network.wait([self])
        return super().exception(timeout)

    @override
    def cancel(self) -> bool:
        self._network.drop(self)
        return super().cancel()


@dataclass(frozen=True)
class Outcome:
    """What a read brought.

    Attributes:
        reader: The reader.
        read: The records that were written.
        pages: Number of pages that were written.
        records: Number of records that were written, repeated ones included.
        finished: Whether it came to its end.
    """

    reader: ListReader
    read: set[int]
    pages: int
    records: int
    finished: bool


def read(  # noqa: PLR0913  # all of them are independent of each other
    server: Server,
    *,
    concurrency: int,
    ascending: bool,
    resume: Any = None,
    stop_after: int | None = None,
    respond: Respond | None = None,
) -> Outcome:
    """Read the list, up to a number of pages."""
    network = Network(respond or server.respond, server.chance)
    reader = ListReader(
        network.request,
        lambda page: list(page.records),
        concurrency=concurrency,
        ascending=ascending,
        resume=resume,
        wait_for=network.wait,
    )
    ids: set[int] = set()
    pages = records = 0
    finished = True
    for page in reader:
        if pages == stop_after:
            finished = False
            break
        ids.update(int(id_) for id_ in page.records if id_ is not None)
        reader.written(page)
        pages += 1
        records += len(page.records)
    assert network.most <= concurrency
    return Outcome(reader, ids, pages, records, finished)


# Changes that keep a list in ascending order


def at_rest(_: Server) -> None:
    pass


def delete_some(number: int) -> Change:
    def change(server: Server) -> None:
        for _ in range(min(number, len(server.ids))):
            index = server.chance.randrange(len(server.ids))
            server.delete(index, index + 1)

    return change


def append_some(most: int) -> Change:
    def change(server: Server) -> None:
        for _ in range(server.chance.randint(1, most)):
            server.add()

    return change


def delete_and_append(server: Server) -> None:
    delete_some(1)(server)
    server.add()


def delete_in_bulk(server: Server) -> None:
    if server.ids and server.chance.random() < 0.1:
        start = server.chance.choice([0, server.chance.randrange(len(server.ids))])
        most = server.chance.choice([len(server.ids), len(server.ids) // 3, server.page_size])
        server.delete(start, start + server.chance.randint(0, most))


def purge(server: Server) -> None:
    """Delete records here and there, in chunks."""
    if server.ids and server.chance.random() < 0.15:
        delete_some(len(server.ids) // 8)(server)


def anything(server: Server) -> None:
    changes = [delete_some(1), delete_some(5), append_some(3), delete_and_append]
    server.chance.choice([*changes, delete_in_bulk, purge, at_rest])(server)


def sometimes(change: Change, probability: float) -> Change:
    def maybe(server: Server) -> None:
        if server.chance.random() < probability:
            change(server)

    return maybe


def up_to(responses: int, change: Change) -> Change:
    """Let a list come to rest, since a list that grows faster than it is read has no end."""

    def limited(server: Server) -> None:
        if server.responses < responses:
            change(server)

    return limited


CHANGES: dict[str, Change] = {
    "rest": at_rest,
    "one deletion": delete_some(1),
    "five deletions": delete_some(5),
    "additions": append_some(4),
    "masked": delete_and_append,
    "bulk": delete_in_bulk,
    "purges": purge,
    "anything": anything,
    "now and then": sometimes(anything, 0.1),
}


def some_server(seed: int, changes: dict[str, Change]) -> tuple[Server, int, str]:
    """Return a server with a list in ascending order, a concurrency, and how the list changes."""
    names = sorted(changes)
    name = names[seed % len(names)]
    chance = Random(seed)  # noqa: S311  # not for secrets
    size = chance.choice([1, 2, 3, 7, 10, 50, 500])
    length = chance.randint(0, min(300, 60 * size))
    server = Server(
        list(_ascending(length, chance)),
        size,
        chance,
        changes[name],
    )
    return server, chance.choice([1, 4, 16]), name


def _ascending(length: int, chance: Random) -> Iterable[int]:
    id_ = 0
    for _ in range(length):
        id_ += chance.choice([1, 1, 2, 9])
        yield id_
