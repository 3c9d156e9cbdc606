"""The limit of requests per second."""

from __future__ import annotations

from collections import deque
from math import floor


class SlidingWindow:
    """Accepts at most `rate` requests within any second, if the rate is an integer.

    For other rates, the window is shorter or longer than a second: 2.5 means 2 requests within any
    0.8 s, and 0.5 means 1 request within any 2 s. Rejected requests do not count.
    """

    def __init__(self) -> None:
        self._accepted: deque[float] = deque()

    def admit(self, rate: float, now: float) -> float:
        """Accept a request, or reject it.

        Args:
            rate: Requests per second, above 0.
            now: The time in seconds.

        Returns:
            0 if the request is accepted, otherwise the seconds until the next one is.
        """
        size = max(1, floor(rate))
        window = size / rate
        while self._accepted and self._accepted[0] + window <= now:
            self._accepted.popleft()
        if len(self._accepted) >= size:
            # The oldest of the last `size` requests leaves the window first. The same sum as above:
            # rounding never results in a rejection with a delay of 0.
            return self._accepted[-size] + window - now
        self._accepted.append(now)
        return 0.0
