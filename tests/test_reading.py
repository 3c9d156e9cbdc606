"""A simulated server that changes while it is read: nobody who is there throughout is missed."""

from __future__ import annotations

import random
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest
import requests
from singer_sdk.exceptions import FatalAPIError

from tap_cube.compat import override
from tap_cube.errors import NotFoundError
from tap_cube.pagination import NextLinkPaginator, Page, page_number
from tap_cube.reading import ListReader, in_order
from tap_cube.session import CubeResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from urllib.parse import ParseResult

ORIGIN = "http://127.0.0.1:1"


@dataclass
class Server:
    """A list of customers. Before each request that it handles, at most one of them changes.

    Attributes:
        ids: Who is there, in order.
        page_size: Customers a page.
        restlessness: Probability of a change before a request.
        versions: All that was ever true, as pairs of an id and a version.
    """

    ids: list[int]
    page_size: int
    restlessness: float
    chance: random.Random
    throughout: set[int] = field(init=False)
    version: dict[int, int] = field(init=False)
    versions: set[tuple[int, int]] = field(init=False)
    requests: int = 0

    def __post_init__(self) -> None:
        self.throughout = set(self.ids)
        self.version = dict.fromkeys(self.ids, 0)
        self.versions = set(self.version.items())
        self._next_id = len(self.ids) + 1
        self._lock = Lock()

    def change(self) -> None:
        match self.chance.choice(["delete", "delete", "insert", "update"]):
            case "delete" if self.ids:
                gone = self.ids.pop(self.chance.randrange(len(self.ids)))
                self.throughout.discard(gone)
            case "update" if self.ids:
                changed = self.chance.choice(self.ids)
                self.version[changed] += 1
                self.versions.add((changed, self.version[changed]))
            case _:
                self.ids.append(self._next_id)
                self.version[self._next_id] = 0
                self.versions.add((self._next_id, 0))
                self._next_id += 1

    def fetch(self, link: ParseResult | None) -> CubeResponse:
        with self._lock:
            self.requests += 1
            if self.chance.random() < self.restlessness:
                self.change()
            number = page_number(link) or 1
            start = (number - 1) * self.page_size
            end = start + self.page_size
            if number > 1 and start >= len(self.ids):
                raise NotFoundError
            rows: list[dict[str, Any]] = [
                {"id": id_, "version": self.version[id_]} for id_ in self.ids[start:end]
            ]
            following = f"/list/?page={number + 1}" if end < len(self.ids) else None
            page = Page(results=rows, next=following, count=len(self.ids))
        return answer(page, link)


def answer(page: Page[Any], link: ParseResult | None) -> CubeResponse:
    response = CubeResponse()
    response.body = page
    response.request = requests.PreparedRequest()
    response.request.url = link.geturl() if link else f"{ORIGIN}/list/"
    return response


class Shuffled(Executor):
    """Carries out calls in any order, by chance: as threads do, but the same each time."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._waiting: list[Call] = []

    @override
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Call:
        call = Call(self, partial(fn, *args, **kwargs))
        self._waiting.append(call)
        while self._waiting and self._chance.random() < 0.5:
            self.carry_out_one()
        return call

    def carry_out_one(self) -> None:
        call = self._waiting.pop(self._chance.randrange(len(self._waiting)))
        if not call.set_running_or_notify_cancel():
            return
        try:
            call.set_result(call.function())
        except Exception as error:  # noqa: BLE001  # as any executor does
            call.set_exception(error)


class Call(Future[Any]):
    def __init__(self, pool: Shuffled, function: Callable[[], Any]) -> None:
        super().__init__()
        self._pool = pool
        self.function = function

    @override
    def result(self, timeout: float | None = None) -> Any:
        while not self.done():
            self._pool.carry_out_one()
        return super().result(timeout)


def simulate(seed: int, pool: Executor | None = None) -> tuple[Server, list[tuple[int, int]]]:
    chance = random.Random(seed)  # noqa: S311  # not for secrets
    pool = pool or Shuffled(chance)
    server = Server(
        ids=list(range(1, chance.randint(0, 150) + 1)),
        page_size=chance.choice([1, 2, 3, 7, 10, 50]),
        restlessness=chance.choice([0.02, 0.1, 0.3]),
        chance=chance,
    )
    concurrency = chance.choice([1, 2, 4, 16])
    reader = ListReader(NextLinkPaginator(ORIGIN), server.fetch, pool, concurrency)
    read = [(row["id"], row["version"]) for r in reader for row in r.body.results]
    return server, read


SEEDS = 2000


def test_nobody_is_missed() -> None:
    for seed in range(SEEDS):
        server, read = simulate(seed)
        missed = server.throughout - {id_ for id_, _ in read}
        assert not missed, f"seed {seed}"
        assert set(read) <= server.versions, f"seed {seed}"


def test_nobody_is_missed_by_real_threads() -> None:
    with ThreadPoolExecutor(16) as pool:
        for seed in range(200):
            server, read = simulate(seed, pool)
            assert server.throughout <= {id_ for id_, _ in read}, f"seed {seed}"


def test_without_reading_again_that_test_finds_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that cannot fail is worth nothing."""
    monkeypatch.setattr(NextLinkPaginator, "rewind", lambda *_: None)
    monkeypatch.setattr(ListReader, "_is_turn_of", lambda *_: True)
    losses = 0
    for seed in range(300):
        try:
            server, read = simulate(seed)
        except FatalAPIError:
            continue
        losses += bool(server.throughout - {id_ for id_, _ in read})
    assert losses > 30


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_count_that_never_holds_still_does_not_keep_it_for_ever(concurrency: int) -> None:
    chance = random.Random(1)  # noqa: S311  # not for secrets
    server = Server(list(range(100)), 5, restlessness=0, chance=chance)

    def fetch(link: ParseResult | None) -> CubeResponse:
        response = server.fetch(link)
        response.body.count += server.requests % 2
        return response

    reader = ListReader(NextLinkPaginator(ORIGIN), fetch, Shuffled(chance), concurrency)
    read = {row["id"] for response in reader for row in response.body.results}
    assert reader.gave_up
    assert read == server.throughout


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_page_that_is_never_there_is_an_error(concurrency: int) -> None:
    chance = random.Random(1)  # noqa: S311  # not for secrets
    server = Server(list(range(100)), 5, restlessness=0, chance=chance)

    def fetch(link: ParseResult | None) -> CubeResponse:
        if page_number(link) == 13:
            raise NotFoundError
        return server.fetch(link)

    reader = ListReader(NextLinkPaginator(ORIGIN), fetch, Shuffled(chance), concurrency)
    with pytest.raises(FatalAPIError, match="links to a page that is not there"):
        list(reader)


@pytest.mark.parametrize("page_size", [1, 3, 50])
@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_a_list_at_rest_is_read_in_order_and_once(page_size: int, concurrency: int) -> None:
    chance = random.Random(page_size)  # noqa: S311  # not for secrets
    server = Server(list(range(100)), page_size, restlessness=0, chance=chance)
    reader = ListReader(NextLinkPaginator(ORIGIN), server.fetch, Shuffled(chance), concurrency)
    read = [row["id"] for response in reader for row in response.body.results]
    assert read == list(range(100))
    assert server.requests == -(-100 // page_size)


def test_answers_come_in_order_from_a_bounded_window() -> None:
    under_way: list[int] = []

    def call(number: int) -> int:
        under_way.append(number)
        return number * number

    with ThreadPoolExecutor(4) as pool:
        squares = in_order(pool, call, iter(range(100)), window=4)
        assert [next(squares) for _ in range(3)] == [0, 1, 4]
        assert max(under_way) <= 3 + 4
        assert list(squares) == [number * number for number in range(3, 100)]
