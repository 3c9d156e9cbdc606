"""The log on stderr, without lines of the SDK that mislead or repeat what others say."""

from __future__ import annotations

import logging
import sys

from tap_cube.compat import override

_MISLEADING = (
    # The settings were read before the SDK says so
    "Skipping parse of env var settings",
    "Parsing env var for settings config",
    # The cause follows in a line that names it; a test that has its record also counts as an error
    "An unhandled error occurred while syncing",
    # The day that is read first follows from more than the bookmark
    "Starting incremental sync of",
)
_METRICS = "singer_sdk.metrics"


class Quiet(logging.Filter):
    """Drops lines of the SDK.

    Args:
        metrics: Whether METRIC lines are written: they are for programs.
    """

    def __init__(self, *, metrics: bool) -> None:
        super().__init__()
        self._metrics = metrics

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == _METRICS and not self._metrics:
            return False
        return not str(record.msg).startswith(_MISLEADING)


def install() -> None:
    """Let all handlers of the log drop those lines."""
    quiet = Quiet(metrics=not sys.stderr.isatty())
    for handler in logging.getLogger().handlers:
        handler.addFilter(quiet)
