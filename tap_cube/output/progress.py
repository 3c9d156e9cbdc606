"""How far the read of a stream is: a bar on a terminal, elsewhere a line in the log now and then.

A stream has one bar, or one line every ten seconds, however many CRMs it is read from. Its end is
one line, with the records, the CRMs, the seconds, the requests, and what was not as it should be.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_cube.compat import override
from tap_cube.errors import CubeError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    import tqdm

#: The bars of all streams begin in the same column.
_NAME_WIDTH = len("product_registrations")
#: The text is the unit of tqdm, which puts a comma before a postfix.
_BAR = "{desc} {percentage:3.0f}%|{bar:16}| {unit}"


@dataclass
class Part:
    """How far the read of one CRM is.

    Attributes:
        label: What is read, such as `CRM 2/B2B, customers`.
        done: How far it is, in the unit of its stream.
        total: How far it has to go; `None` if that is not known.
    """

    label: str
    done: int = 0
    total: int | None = None

    @property
    def share(self) -> float:
        """The share that is done; 0 if that is not known."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


class Progress:
    """Shows how far the read of a stream is. On stderr: stdout is for messages.

    Args:
        stream: What is read.
        crms: Number of CRMs that it is read from; 1 if it does not belong to CRMs.
        logger: Where the lines go.
        unit: What the read of a CRM is measured in.
        interval: Seconds between two lines in the log.
        requests: Returns the number of requests so far.
        shown: Whether a terminal gets a bar.
    """

    def __init__(  # noqa: PLR0913  # each is a fact of the stream
        self,
        stream: str,
        crms: int,
        logger: logging.Logger,
        unit: str = "records",
        *,
        interval: float = 10.0,
        requests: Callable[[], int] = lambda: 0,
        shown: bool = True,
    ) -> None:
        self._stream = stream
        self._crms = crms
        self._logger = logger
        self._unit = unit
        self._interval = interval
        self._requests = requests
        self._requests_before = requests()
        self._records = 0
        self._ended = 0
        #: The share of the stream that an earlier run has read.
        self._skipped = 0.0
        self._part = Part(stream)
        self._anomalies: Counter[str] = Counter()
        self._began = self._told = time.monotonic()
        self._stack = ExitStack()
        self._bar = self._new_bar() if shown and sys.stderr.isatty() else None

    def _new_bar(self) -> tqdm.tqdm[Any]:
        # Only here, as it takes its time
        import tqdm.contrib.logging  # noqa: PLC0415

        self._stack.enter_context(tqdm.contrib.logging.logging_redirect_tqdm())
        bar: tqdm.tqdm[Any] = tqdm.tqdm(
            unit="",
            desc=f"{self._stream:{_NAME_WIDTH}}",
            total=1.0,
            bar_format=_BAR,
            file=sys.stderr,
            dynamic_ncols=True,
            mininterval=0.2,
            # Not by a number of steps: they differ by orders of magnitude
            miniters=0,
        )
        self._stack.callback(bar.close)
        return bar

    @contextmanager
    def reading(self, label: str) -> Iterator[Progress]:
        """Show the read of one CRM. Any other error than that of the CRM ends the progress.

        Args:
            label: What is read, such as `CRM 2/B2B, customers`.
        """
        self._part = Part(label)
        try:
            yield self
        except CubeError:
            raise
        except BaseException:
            self._stack.close()
            raise
        finally:
            self._ended += 1

    def advance(self, records: int, done: int, total: int | None) -> None:
        """Show how far the read of the CRM is. It may also fall back.

        Args:
            records: Number of records written since the last call.
            done: How far it is, in its unit.
            total: How far it has to go; `None` if that is not known.
        """
        is_first = not self._part.done
        self._part = Part(self._part.label, done, total)
        if is_first and self._unit == "records" and done > records:
            # An earlier run's records took no time of this one
            self._skipped += self._part.share * (1 - records / done) / self._crms
        self._records += records
        self._tell()

    def anomaly(self, what: str, number: int = 1) -> None:
        """Count what is not as it should be, for the last line."""
        self._anomalies[what] += number

    def finish(self) -> None:
        """Say what was read."""
        seconds = time.monotonic() - self._began
        crms = f" of {_number(self._crms, 'CRM')}" if self._part.label != self._stream else ""
        found = [f"{number:,} {what}" for what, number in self._anomalies.items() if number]
        summary = (
            f"{_number(self._records, 'record')}{crms} in {seconds:,.1f} s, "
            f"{_number(self._requests() - self._requests_before, 'request')}"
        )
        if self._bar is not None:
            self._bar.unit = ", ".join([summary, *found])
            self._bar.n = 1.0
            self._bar.refresh()
        self._stack.close()
        if self._bar is None:
            self._logger.info(
                "%s: %s, %s", self._stream, summary, ", ".join(found) or "no anomalies"
            )

    def hide(self) -> None:
        """Remove the bar, without a last line."""
        if self._bar is not None:
            self._bar.leave = False
        self._stack.close()

    @property
    def _share(self) -> float:
        """The share of the stream that is done."""
        return min((self._ended + self._part.share) / self._crms, 1.0)

    def _tell(self) -> None:
        if self._bar is not None:
            self._bar.unit = self._short()
            self._bar.update(self._share - self._bar.n)
        elif time.monotonic() - self._told >= self._interval:
            self._told = time.monotonic()
            self._logger.info("%s: %s", self._part.label, self)

    def _short(self) -> str:
        """As a bar says it, such as `2/B2B (3 of 4), 500 records, 250/s, 0:00:30 left`."""
        place = self._part.label.removeprefix("CRM ").removesuffix(f", {self._stream}")
        if self._crms > 1:
            place += f" ({self._ended + 1} of {self._crms})"
        if self._unit == "CRMs":
            place += f", {self._part.done:,} of {self._part.total:,} CRMs"
        return ", ".join([place, *self._amounts])

    @property
    def _amounts(self) -> Iterator[str]:
        """Records, records per second, and the time that is left."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        if self._unit != "CRMs":
            yield f"{self._records:,} records"
            yield f"{self._records / seconds:,.0f}/s"
        read = self._share - self._skipped
        if read > 0:
            yield f"{timedelta(seconds=round(seconds * (1 - self._share) / read))} left"

    @override
    def __str__(self) -> str:
        """As a line in the log says it, such as `500 of 2,000 records (25 %), 0:00:30 left`."""
        part = self._part
        texts = [f"{part.done:,} {self._unit}"]
        if part.total:
            percent = 100 * part.done // part.total
            texts = [f"{part.done:,} of {part.total:,} {self._unit} ({percent} %)"]
        if self._crms > 1:
            texts.append(f"CRM {self._ended + 1} of {self._crms}")
        amounts = list(self._amounts)
        return ", ".join(texts + amounts[self._unit == "records" and self._crms == 1 :])


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
