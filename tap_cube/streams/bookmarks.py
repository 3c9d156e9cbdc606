"""What STATE says of a stream: never more than what was handed over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from tap_cube.cube.resources import Crm


class Bookmarks:
    """The bookmarks of a stream's CRMs.

    Args:
        state_of: Returns what STATE says of a CRM, to be changed in place.
        write: Writes STATE.
        interval: Seconds between two STATE messages in mid-read.
    """

    def __init__(
        self,
        state_of: Callable[[Crm | None], MutableMapping[str, Any]],
        write: Callable[[], None],
        interval: float,
    ) -> None:
        self._state_of = state_of
        self._write = write
        self._interval = interval
        self._written_at = time.monotonic()
        self._covered: dict[Crm | None, Mapping[str, Any]] = {}

    def cover(self, crm: Crm | None, bookmark: Mapping[str, Any]) -> None:
        """Note what STATE will say of a CRM once `commit` is called.

        Args:
            crm: The CRM.
            bookmark: The keys that change; `None` removes a key.
        """
        self._covered[crm] = bookmark

    def commit(self) -> None:
        """Let STATE say what was noted: all that it covers is written by now."""
        for crm, bookmark in self._covered.items():
            state = self._state_of(crm)
            for name, value in bookmark.items():
                if value is None:
                    state.pop(name, None)
                else:
                    state[name] = value
        self._covered.clear()

    def write_if_due(self) -> None:
        """Write STATE if the last one is old enough."""
        if time.monotonic() - self._written_at > self._interval:
            self._write()
            self._written_at = time.monotonic()
