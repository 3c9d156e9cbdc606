"""The limit of requests per second."""

from __future__ import annotations

from collections import deque
from math import floor


class SlidingWindow:
    """Accepts at most `rate` requests within any second.

    A rate that is not an integer applies to the longest window of a whole number of requests: 2.5
    means 2 requests in 0.8 s, and 0.5 means 1 request in 2 s. Rejected requests do not count.
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
        while self._accepted and self._accepted[0] <= now - window:
            self._accepted.popleft()
        if len(self._accepted) < size:
            self._accepted.append(now)
            return 0.0
        # The oldest of the last `size` requests leaves the window first.
        return self._accepted[-size] + window - now
