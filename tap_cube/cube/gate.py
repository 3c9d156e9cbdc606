"""When a request may be sent: one rule for all workers."""

from __future__ import annotations

import time
from contextlib import contextmanager
from itertools import count
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Pace:
    """How many requests may be in flight, and when the next one may be sent.

    Pure arithmetic over times in seconds, without threads. A pause ends with one request in flight,
    and each success admits one more, up to a ceiling. Each overload halves the ceiling, which grows
    by one with each round of successes. So a quota costs the pauses that the server asks for, and
    an error that is not due to the load costs little more than its pause.

    Args:
        concurrency: Maximum requests in flight.
        requests_per_second: Maximum rate; no limit if `None`.

    Attributes:
        total: Number of requests that were sent so far.
    """

    def __init__(self, concurrency: int, requests_per_second: float | None = None) -> None:
        self.total = 0
        self._concurrency = concurrency
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._ceiling = float(concurrency)
        self._limit = float(concurrency)
        self._in_flight = 0
        self._next = 0.0

    def delay(self, now: float) -> float | None:
        """Return the seconds until a request may be sent; `None` if another one has to end."""
        if self._in_flight >= int(self._limit):
            return None
        return max(self._next - now, 0.0)

    def sent(self, now: float) -> None:
        """Count a request that is sent."""
        self.total += 1
        self._in_flight += 1
        self._next = max(self._next, now + self._interval)

    def ended(self) -> None:
        """Count a request that has ended, with or without a response."""
        self._in_flight -= 1

    def succeeded(self) -> None:
        """Admit more requests again."""
        self._ceiling = min(self._ceiling + 1 / self._ceiling, self._concurrency)
        self._limit = min(self._limit + 1, self._ceiling)

    def overloaded(self) -> None:
        """Admit fewer requests."""
        self._ceiling = max(self._ceiling / 2, 1.0)
        self._limit = min(self._limit, self._ceiling)

    def pause(self, until: float) -> None:
        """Admit no request until then, and one by one afterwards. Pauses do not add up."""
        self._next = max(self._next, until)
        self._limit = 1.0


class Gate:
    """Lets the requests of all workers through at one `Pace`.

    The requests that wait are let through in the order in which they first came. So a request that
    was refused precedes those that came later: the others cannot use up a quota, time after time,
    until its attempts are exhausted.

    Args:
        pace: Decides when.
        clock: Returns seconds.
    """

    def __init__(self, pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._clock = clock
        self._changed = Condition()
        self._numbers = count()
        self._waiting: set[int] = set()

    def number(self) -> int:
        """Return the number of a request: its place in the order, for all of its attempts."""
        return next(self._numbers)

    @contextmanager
    def passed(self, number: int) -> Iterator[None]:
        """Block until an attempt of this request may be sent; it ends with the context."""
        with self._changed:
            self._waiting.add(number)
            try:
                while (seconds := self._seconds_to_wait(number)) != 0.0:
                    self._changed.wait(seconds)
            finally:
                self._waiting.discard(number)
                self._changed.notify_all()
            self._pace.sent(self._clock())
        try:
            yield
        finally:
            with self._changed:
                self._pace.ended()
                self._changed.notify_all()

    def _seconds_to_wait(self, number: int) -> float | None:
        """Return the seconds; `None` until there is a change."""
        if number != min(self._waiting):
            return None
        return self._pace.delay(self._clock())

    def pause(self, seconds: float) -> None:
        """Send no request for a while: an overloaded server is overloaded for every request."""
        with self._changed:
            self._pace.pause(self._clock() + seconds)
            self._changed.notify_all()

    def overloaded(self) -> None:
        """Reduce the requests in flight: the server refused one of them (429)."""
        with self._changed:
            self._pace.overloaded()

    def succeeded(self) -> None:
        """Send slowly more requests again."""
        with self._changed:
            self._pace.succeeded()
            self._changed.notify_all()
