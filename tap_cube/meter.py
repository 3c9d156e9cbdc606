"""How far a read is: a bar on a terminal, elsewhere a line in the log now and then."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_cube.compat import override

if TYPE_CHECKING:
    import logging

    from tqdm import tqdm
    from typing_extensions import Self

SECONDS_BETWEEN_LINES = 10.0


class Meter:
    """Shows, inside its `with` block, how far a read is. On stderr: stdout is for messages.

    Args:
        label: What is read.
        logger: Where the lines go.
        unit: What the read is measured in.
        leave: Whether the bar stays when the read is over.
    """

    def __init__(
        self, label: str, logger: logging.Logger, unit: str = "records", *, leave: bool = True
    ) -> None:
        self._label = label
        self._logger = logger
        self._unit = unit
        self._leave = leave
        self._done = self._skipped = self._records = 0
        self._total: int | None = None
        self._bar: tqdm[Any] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._began = self._told = time.monotonic()
        if sys.stderr.isatty():
            # Only here, as it takes its time
            from tqdm import tqdm  # noqa: PLC0415
            from tqdm.contrib.logging import logging_redirect_tqdm  # noqa: PLC0415

            self._stack.enter_context(logging_redirect_tqdm())
            self._bar = bar = tqdm(
                desc=self._label,
                unit=f" {self._unit}",
                file=sys.stderr,
                dynamic_ncols=True,
                smoothing=0,
                leave=self._leave,
            )
            self._stack.callback(bar.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def skip(self, done: int) -> None:
        """Start here: an earlier run did the rest."""
        self._done = self._skipped = done
        if self._bar is not None:
            self._bar.initial = self._bar.n = done

    def count(self, records: int) -> None:
        """So many more records were written."""
        self._records += records
        self._tell()

    def reach(self, done: int, total: int | None) -> None:
        """The read is so far, of so much in all. It may also be back to less."""
        self._done, self._total = done, total
        self._tell()

    def _tell(self) -> None:
        if self._bar is not None:
            self._bar.total = self._total
            if self._unit != "records":
                self._bar.set_postfix_str(f"{self._records:,} records", refresh=False)
            self._bar.update(self._done - self._bar.n)
        elif time.monotonic() - self._told >= SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            self._logger.info("%s: %s", self._label, self)

    @override
    def __str__(self) -> str:
        """As a line in the log says it, such as `500 of 2,000 records (25 %), 0:00:30 left`."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        parts = [f"{self._done:,} {self._unit}"]
        if self._total:
            share = 100 * self._done // self._total
            parts = [f"{self._done:,} of {self._total:,} {self._unit} ({share} %)"]
        if self._unit != "records":
            parts.append(f"{self._records:,} records")
        parts.append(f"{self._records / seconds:,.0f} records/s")
        if self._total and self._done > self._skipped:
            left = seconds * (self._total - self._done) / (self._done - self._skipped)
            parts.append(f"{timedelta(seconds=round(max(left, 0)))} left")
        return ", ".join(parts)
