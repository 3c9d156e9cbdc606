"""Reading a list that changes meanwhile, several pages at a time, and missing nobody.

Page numbers count from the start of the list. Whenever a customer is deleted, all later ones move
up by one, and whoever stood first on the next page now stands last on a page already read. It
shows in `count`: if that drops between two answers, the pages that customers may have moved to
are read again.

Pages are asked for before their turn, by guessing what the link to them will be. Such answers pass
each other on the way, so that their order says little. As long as they all tell the same `count`,
nothing has changed between them. Once one does not, the guesses are thrown away, the reader goes
back further than anything in flight can reach, and it reads one page after another until the list
has come to rest.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, TypeVar

from singer_sdk.exceptions import FatalAPIError

from tap_cube.errors import NotFoundError
from tap_cube.pagination import FIRST_LINKED, page_links, page_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future
    from urllib.parse import ParseResult

    from tap_cube.pagination import NextLinkPaginator, Page
    from tap_cube.session import CubeResponse

    Fetch = Callable[[ParseResult | None], CubeResponse]

#: How often a reader goes back, at most, before it reads on in any case.
PATIENCE = 1000

T = TypeVar("T")
R = TypeVar("R")


class ListReader:
    """Reads a list once, from its start to its end.

    Args:
        paginator: Where the list starts, and how its links are followed.
        fetch: Asks for the page that a link leads to; called from several threads.
        pool: Where guesses are asked for.
        window: Guesses at most that are in flight, or waiting for their turn.
    """

    def __init__(
        self, paginator: NextLinkPaginator, fetch: Fetch, pool: Executor, window: int
    ) -> None:
        self._paginator = paginator
        self._fetch = fetch
        self._pool = pool
        self._window = window
        self._guesses: dict[ParseResult, Future[CubeResponse]] = {}
        # Every customer on the first so many pages was read, as these stood when `_count` came
        self._covered = 0
        self._count: int | None = None
        # Length of a full page: that of the first
        self._length = 0
        # How many answers in a row told the same count. It starts as if there had been enough.
        self._calm = window
        self._gone: tuple[ParseResult, int | None] | None = None
        # A server whose answers come from copies that differ would else be read for ever
        self._patience = PATIENCE

    @property
    def gave_up(self) -> bool:
        """Whether `count` went up and down so often that it was no longer heeded."""
        return self._patience <= 0

    @property
    def went_back(self) -> bool:
        """Whether pages were read again."""
        return self._patience < PATIENCE

    @property
    def page_number(self) -> int | None:
        """Number of the page that was read last, where pages have numbers."""
        link = self._paginator.current_value
        return page_number(link) if link else 1

    @property
    def records_before(self) -> int:
        """About how many records are on the pages before the one that comes next."""
        return (self._paginator.position - 1) * self._length

    @property
    def reach(self) -> int:
        """How many pages a change among the answers in flight may make it go back.

        Between two pages, at most as many others were in flight as may be at all, and each request
        may have met one change.
        """
        return self._window + 1 + -(-(2 * self._window + 2) // max(self._length, 1))

    def go_on_from(self, number: int, is_there: Callable[[Page[Any]], bool]) -> bool:
        """Start where another reader stopped, or further ahead as far as the list moved up.

        Args:
            number: Number of the page that it read last.
            is_there: Whether a page holds a customer by whom that place is recognised.

        Returns:
            Whether the place was found. If not, the list is read from its start.
        """
        first = self._fetch(None)
        link = self._paginator.get_next(first)
        page: Page[Any] = first.body
        if page_number(link) != FIRST_LINKED or link is None or page.count is None:
            return False
        self._length = len(page.results or ())
        for candidate in range(min(number, -(-page.count // max(self._length, 1))), 1, -1):
            links = page_links(link, range(FIRST_LINKED, candidate + 1))
            try:
                answer = self._fetch(links[-1])
            except NotFoundError:
                continue
            if is_there(answer.body):
                self._paginator.jump(links)
                self._covered = candidate - 1
                self._count = answer.body.count
                return True
        return False

    def __iter__(self) -> Iterator[CubeResponse]:
        """The pages in order. Pages that are read again come again, with what has moved there.

        Raises:
            FatalAPIError: If a page cannot be read, or the links lead in a circle.
        """
        try:
            while not self._paginator.finished:
                response = self._next()
                if response is not None:
                    yield response
                    self._paginator.advance(response)
                    self._guess(response.body)
        finally:
            for guess in self._guesses.values():
                guess.cancel()

    def _next(self) -> CubeResponse | None:
        """The page whose turn it is, or `None` where it became the turn of an earlier one."""
        link = self._paginator.current_value
        guess = self._guesses.pop(link, None) if link else None
        if guess is None:
            self._forget_guesses()
        try:
            response = (guess or self._pool.submit(self._fetch, link)).result()
        except NotFoundError:
            if link is None:
                raise
            self._find_the_end(link, guessed=guess is not None)
            return None
        page: Page[Any] = response.body
        self._length = self._length or len(page.results or ())
        if self.gave_up:
            page.count = None
        if page.count is not None and self._count is not None:
            if guess and page.count != self._count:
                self._go_back_beyond_guesses(page.count)
                return None
            self._calm = self._calm + 1 if page.count == self._count else 0
        return response if self._is_turn_of(page) else None

    def _is_turn_of(self, page: Page[Any]) -> bool:
        """Whether all that belongs before a page was read; otherwise go back to where it is."""
        position = self._paginator.position
        target = max(self._covered + 1 - self._pages_moved(page.count), 1)
        self._count = page.count
        self._covered = min(position, target - 1)
        if position > target:
            self._go_back(position - target)
            return False
        self._covered = position
        return True

    def _pages_moved(self, count: int | None) -> int:
        """By how many pages customers may have moved up since the last answer."""
        if self._count is None or count is None or not self._length:
            return 0
        return -(-max(self._count - count, 0) // self._length)

    def _find_the_end(self, link: ParseResult, *, guessed: bool) -> None:
        """A page is gone that was linked to: the list became shorter, and ends before it."""
        if self._gone == (link, self._count):
            msg = "the list links to a page that is not there: report it to Cube"
            raise FatalAPIError(msg)
        self._gone = (link, self._count)
        if guessed:
            self._go_back_beyond_guesses(self._count)
        else:
            self._go_back(1)

    def _go_back_beyond_guesses(self, count: int | None) -> None:
        """Go back as far as changes among the answers in flight may reach, and read calmly on."""
        self._forget_guesses()
        changes = abs((self._count or 0) - (count or 0))
        self._go_back(self.reach + changes // max(self._length, 1))
        self._covered = self._paginator.position - 1
        self._count = None
        self._calm = 0

    def _go_back(self, pages: int) -> None:
        self._patience -= 1
        self._paginator.rewind(pages)

    def _guess(self, page: Page[Any]) -> None:
        """Ask for the pages whose turn comes next."""
        link = self._paginator.current_value
        number = page_number(link)
        if (
            self._paginator.finished
            or link is None
            or number is None
            or page.count is None
            or not self._length
            or self._calm < self._window
        ):
            return
        last = -(-page.count // self._length)
        for guess in page_links(link, range(number, min(number + self._window, last + 1))):
            if guess not in self._guesses:
                self._guesses[guess] = self._pool.submit(self._fetch, guess)

    def _forget_guesses(self) -> None:
        """Throw away all that is in flight, and wait until it no longer is."""
        wait([guess for guess in self._guesses.values() if not guess.cancel()])
        self._guesses.clear()


def in_order(
    pool: Executor, function: Callable[[T], R], arguments: Iterable[T], window: int
) -> Iterator[R]:
    """As `map`, but at most `window` calls are under way or waiting to be asked for."""
    running: deque[Future[R]] = deque()
    try:
        for argument in arguments:
            running.append(pool.submit(function, argument))
            if len(running) >= window:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for call in running:
            call.cancel()
