"""When the next request may go out: one rule for all workers."""

from __future__ import annotations

import datetime as dt
import time
from email.utils import parsedate_to_datetime
from threading import Lock

#: The longest pause, in seconds, that a server gets by asking for it.
LONGEST_PAUSE = 300.0


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
        while True:
            with self._lock:
                now = time.monotonic()
                turn = max(self._next, self._paused_until)
                if turn <= now:
                    self._next = now + self._interval
                    return
            time.sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Let no request out for some time: whatever ails the server ails it for all."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)


def retry_after(error: Exception) -> float:
    """The seconds that a server asks to be left alone for, in either form of `Retry-After`."""
    response = getattr(error, "response", None)
    value = response.headers.get("Retry-After", "") if response is not None else ""
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        if then.tzinfo is None:
            then = then.replace(tzinfo=dt.timezone.utc)
        seconds = (then - dt.datetime.now(dt.timezone.utc)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PAUSE)  # "nan" ends up as no pause at all
