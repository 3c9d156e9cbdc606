"""Reads a short resource before its turn comes, so that small CRMs leave no worker idle."""

from __future__ import annotations

from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from tap_cube.cube.pages import Page
    from tap_cube.readers.protocol import Reader


@dataclass(frozen=True)
class _Mark:
    """Where a reader stood once a page was handed over: what `Reader` says, at that time."""

    state: Mapping[str, Any] | None
    resumed_at: int | None
    read_to: dt.date | None
    doubts: list[str]
    done: int
    total: int | None

    @classmethod
    def of(cls, reader: Reader) -> _Mark:
        return cls(
            state=reader.state,
            resumed_at=reader.resumed_at,
            read_to=reader.read_to,
            doubts=list(reader.doubts),
            done=reader.done,
            total=reader.total,
        )


@dataclass(frozen=True)
class _End:
    """The end of what a thread has read: all of it, or a failure, or as much as may be kept."""

    mark: _Mark
    failure: Exception | None = None
    goes_on: bool = False


class Prefetched:
    """Reads in a thread of its own until its consumer asks for more than was read by then.

    A reader of which much is to come stops early: the consumer reads the rest itself. The pages and
    their order are those of the reader. It is a `Reader`, too, and says of itself what holds once
    the pages are written that its consumer has got so far.

    Args:
        reader: Reads the resource. Its thread is the only one that touches it, until it stops.
        most: Maximum number of records of a resource to be read ahead as a whole. Of others, not
            much more is read ahead.
    """

    def __init__(self, reader: Reader, most: int) -> None:
        self._reader = reader
        self._most = most
        self._view: _Mark | Reader = _Mark.of(reader)
        self._next: _Mark | Reader = self._view
        self._pages = iter(reader)
        self._read: SimpleQueue[tuple[Page, _Mark] | _End] = SimpleQueue()
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start to read."""
        if self._thread.ident is None:
            self._thread.start()

    def __iter__(self) -> Iterator[Page]:
        """Return the pages of the reader. Errors are those of the reader, where they occur."""
        self.start()
        while not isinstance(got := self._read.get(), _End):
            page, self._next = got
            yield page
        self._view = got.mark
        if got.failure:
            raise got.failure
        if got.goes_on:
            self._view = self._next = self._reader
            yield from self._pages

    def written(self, page: Page, /) -> None:
        """Take note that a page was handed over."""
        self._view = self._next
        if self._view is self._reader:
            self._reader.written(page)

    def _run(self) -> None:
        """Read ahead. The pages count as handed over: the marks of the next ones are kept apart."""
        reader, records = self._reader, 0
        try:
            for page in self._pages:
                reader.written(page)
                self._read.put((page, _Mark.of(reader)))
                records += len(page.records)
                if max(records, reader.total or 0) > self._most:
                    self._read.put(_End(_Mark.of(reader), goes_on=True))
                    return
        except Exception as failure:  # noqa: BLE001  # the consumer raises it in its own thread
            self._read.put(_End(_Mark.of(reader), failure))
        else:
            self._read.put(_End(_Mark.of(reader)))

    @property
    def state(self) -> Mapping[str, Any] | None:
        """Where to resume, after what was written; `None` if there is nothing to resume."""
        return self._view.state

    @property
    def resumed_at(self) -> int | None:
        """Number of the page where the read continues an earlier one; `None` otherwise."""
        return self._next.resumed_at

    @property
    def read_to(self) -> dt.date | None:
        """The last day until which all days were read; `None` if it does not read by days."""
        return self._view.read_to

    @property
    def doubts(self) -> list[str]:
        """After the iteration: why the read may be incomplete, as sentences without ids."""
        return self._view.doubts

    @property
    def done(self) -> int:
        """How far the read is, in records, or in days."""
        return self._view.done

    @property
    def total(self) -> int | None:
        """How far it has to go; `None` if that is not known."""
        return self._view.total
