"""What STATE says of a stream: never more than what was handed over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping

    from tap_cube.cube.resources import Crm

#: Keys of a CRM's STATE: where an interrupted read stood, and the version of its records.
READING, VERSION = "reading", "version"
#: Key of a stream's STATE: the columns, and the fields that they hold.
COLUMNS = "columns"


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

    def commit_and_write(self) -> None:
        """As `commit`, and write STATE if the last one is old enough."""
        self.commit()
        if time.monotonic() - self._written_at > self._interval:
            self._write()
            self._written_at = time.monotonic()


def place(mark: Mapping[str, Any] | None, version: int | None) -> Mapping[str, Any]:
    """Return the bookmark of a read that is under way; that of a complete one removes it.

    Args:
        mark: Where the read stands; `None` if it is complete.
        version: The version of its records; `None` if they have none.
    """
    return {READING: mark and {**mark, **({VERSION: version} if version else {})}}


def version_left(states: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the version of the records that interrupted reads have written, if any has one."""
    marks = (state.get(READING) for state in states)
    left = (mark.get(VERSION) for mark in marks if isinstance(mark, dict))
    return min((one for one in left if isinstance(one, int) and one > 0), default=None)


def resumable(state: Mapping[str, Any], version: int | None) -> Mapping[str, Any]:
    """Return STATE without the place of a read whose records have another version.

    Args:
        state: What STATE says of a CRM.
        version: The version of the records of this run; `None` if they have none.
    """
    mark = state.get(READING)
    if version is None or (isinstance(mark, dict) and mark.get(VERSION) == version):
        return state
    return {name: value for name, value in state.items() if name != READING}
