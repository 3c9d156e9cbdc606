"""When the next request may go out: one rule for all workers."""

from __future__ import annotations

import time
from threading import Lock


class Throttle:
    """Lets requests out one by one, not too many a second, and none during a pause.

    Args:
        requests_per_second: How many may go out, over all workers; no limit if `None`.
    """

    def __init__(self, requests_per_second: float | None) -> None:
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._lock = Lock()
        self._next = 0.0
        self._paused_until = 0.0

    def wait(self) -> None:
        """Return when it is the caller's turn."""
        with self._lock:
            turn = max(time.monotonic(), self._next)
            self._next = turn + self._interval
        while (delay := max(turn, self._paused_until) - time.monotonic()) > 0:
            time.sleep(delay)

    def pause(self, seconds: float) -> None:
        """Let no request out for some time: whatever ails the server ails it for all."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)
