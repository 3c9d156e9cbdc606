"""Requests for CRMs to come, so that small ones leave no worker idle."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_cube.cube.resources import Crm

T = TypeVar("T")


class Ahead(Generic[T]):
    """Starts something for each CRM, a few CRMs before it is asked for.

    Args:
        crms: The CRMs, in the order in which they will be asked for.
        start: Starts requests for a CRM, without waiting for them.
        most: Maximum number of CRMs that are started and not asked for.
    """

    def __init__(
        self, crms: Iterable[Crm | None], start: Callable[[Crm | None], T], most: int
    ) -> None:
        self._waiting = iter(crms)
        self._start = start
        self._most = most
        self._started: deque[tuple[Crm | None, T]] = deque()

    def of(self, crm: Crm | None) -> T:
        """Return what was started for a CRM; CRMs that precede it are passed over."""
        for each in islice(self._waiting, self._most - len(self._started)):
            self._started.append((each, self._start(each)))
        while self._started:
            each, started = self._started.popleft()
            if each == crm:
                return started
        return self._start(crm)
