"""Reads lists whose records have no id, and gives each record a key."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from tap_cube.readers.alikes import Alikes
from tap_cube.readers.passes import Pass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_cube.readers.alikes import KeyedPage
    from tap_cube.readers.protocol import Request

    #: Returns a digest of the identity of each record.
    Identity = Callable[[Sequence[Any]], list[bytes]]


#: Maximum number of reads of one list.
MAX_PASSES = 3


class KeyedReader:
    """Reads one list, at most three times, until nothing can be missing or listed twice.

    A read is accepted if `count` was constant, as many records were listed, and no record is like
    one of another page; or if it lists the same identities, as often, as an earlier read. Each
    further read yields all records again, with what changed in the meantime.

    A server whose pages are in different orders may list a record twice, and another one not at
    all. That is found out, unless it does exactly the same in two reads.

    Args:
        request: Starts requests.
        identity: Digests what identifies a record.
        concurrency: Maximum number of requests in flight, and of pages that wait for their turn.
        at_rest: Whether the list should no longer change. If not, one read is enough unless it
            holds records back.
        max_passes: Maximum number of reads.
        needs_count: Whether the list is incomplete if it has fewer records than `count`. To be set
            where the target deletes what is missing.

    Attributes:
        complete: After the iteration: whether the list counts as read.
        doubts: After the iteration: sentences about what is in doubt, without ids.
    """

    def __init__(  # noqa: PLR0913  # each is a choice of the caller
        self,
        request: Request,
        identity: Identity,
        *,
        concurrency: int,
        at_rest: bool,
        max_passes: int = MAX_PASSES,
        needs_count: bool = False,
    ) -> None:
        self.complete = False
        self.doubts: list[str] = []
        self._fetch = request
        self._identity = identity
        self._concurrency = concurrency
        self._at_rest = at_rest
        self._max_passes = max_passes
        self._needs_count = needs_count
        self._passes: list[Pass] = []
        self._next = Pass(request, concurrency)
        self._alikes = Alikes()

    def start(self) -> None:
        """Start the first request without waiting for it."""
        self._next.start()

    def __iter__(self) -> Iterator[KeyedPage]:
        """Yield pages in order, read by read. To be iterated once.

        Raises:
            ReadError: If a link repeats, or too many pages are empty.
        """
        alikes = self._alikes
        while not self.complete and len(self._passes) < self._max_passes:
            self._passes.append(self._next)
            alikes.begin()
            with closing(iter(self._next)) as pages:
                for page in pages:
                    yield alikes.number(page, self._identity(page.records))
            self.complete = self._is_accepted(self._next)
            self._next = Pass(self._fetch, self._concurrency)
        if self.complete:
            yield from alikes.release()
        else:
            self._explain()

    def _is_accepted(self, current: Pass) -> bool:
        is_unknown = self._needs_count and not current.records and not current.counts
        if not current.is_complete or is_unknown:
            return False
        is_short = current.records < max(current.counts, default=0)
        if not self._alikes.held:
            is_snapshot = current.pages == 1 and current.calm and not current.counts
            if current.fits_count or is_snapshot:
                return True
            if not self._at_rest:
                self._doubt_count(current, doubtful=is_short)
                return True
        if not self._alikes.agree() or (self._needs_count and is_short):
            return False
        self._doubt_count(current, doubtful=bool(current.counts) and not current.fits_count)
        return True

    def _doubt_count(self, current: Pass, *, doubtful: bool) -> None:
        if doubtful:
            self.doubts.append(
                f"the server counts {_span(current.counts)} records, but lists {current.records}"
            )

    def _explain(self) -> None:
        lengths = {reading.records for reading in self._passes}
        counts = set().union(*(reading.counts for reading in self._passes))
        reads = len(self._passes)
        told = f"counted {_span(counts)}" if counts else "did not count them"
        self.doubts.append(
            f"the list could not be confirmed in {reads} read{'s' * (reads > 1)}: the server "
            f"listed {_span(lengths)} records and {told}"
        )
        if self._alikes.held:
            self.doubts.append(
                f"{self._alikes.held} records that are like others may be listed twice: they wait "
                "for the next run"
            )


def _span(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
