"""The log on stderr, without lines of the SDK that mislead or repeat what others say."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from singer_sdk.exceptions import ConfigurationError

from tap_cube.compat import override

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLE = "SINGER_SDK_LOG_CONFIG"
_MISLEADING = (
    # The settings were read before the SDK says so
    "Skipping parse of env var settings",
    "Parsing env var for settings config",
    # The cause follows in a line that names it; a test that has its record also counts as an error
    "An unhandled error occurred while syncing",
    # The day that is read first follows from more than the bookmark
    "Starting incremental sync of",
    # Expressions may hold salts and names
    "Found '%s' filter rule",
    "Filter result for",
    "Stream eval result",
)
_METRICS = "singer_sdk.metrics"

#: The first parts of the names of the tap's, the SDK's and Python's own loggers.
_OWN = {"py", "root", "singer_sdk", "tap-cube"}


class Quiet(logging.Filter):
    """Drops misleading lines of the SDK, and what libraries say of their work.

    Libraries write URLs, headers and contents into the log, and so ids of customers and secrets.

    Args:
        metrics: Whether METRIC lines are written: they are for programs.
    """

    def __init__(self, *, metrics: bool) -> None:
        super().__init__()
        self._metrics = metrics

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        library = record.name.partition(".")[0]
        # urllib3 also quotes URLs in its warnings
        if library == "urllib3" or (library not in _OWN and record.levelno < logging.WARNING):
            return False
        if record.name == _METRICS and not self._metrics:
            return False
        return not str(record.msg).startswith(_MISLEADING)


@contextmanager
def configured() -> Iterator[None]:
    """Make the log safe that the SDK sets up meanwhile.

    Raises:
        ConfigurationError: If the file that `SINGER_SDK_LOG_CONFIG` names cannot be used.
    """
    # The SDK says so in each run, but this package says which Pythons it supports
    warnings.filterwarnings("ignore", r"Python \S+ (reached|will reach) its end of life")
    path = os.environ.get(_VARIABLE, "")
    try:
        if path.strip():
            # The SDK would go on without it
            Path(path).read_bytes()
        else:
            os.environ.pop(_VARIABLE, None)
        yield
    except Exception as error:
        if not path.strip():
            raise
        msg = f"{path}: {_reason(error)}: check the variable `{_VARIABLE}`"
        raise ConfigurationError(msg) from None
    finally:
        _restrict()


def _reason(error: Exception) -> str:
    """Return why the settings of the log cannot be used."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(f"{error}: {error.__cause__ or ''}".split()).removesuffix(":")
    if isinstance(error, TypeError) or "dictionary update" in text:
        return "it does not have the form of Python's logging.config.dictConfig"
    return text


def last_line(logger: logging.Logger, text: str) -> None:
    """Write why a run failed, whatever the levels of the log, and even if there is no log."""
    if levels := [handler.level for handler in _handlers(logger)]:
        logger.log(max(logging.ERROR, logger.getEffectiveLevel(), min(levels)), "%s", text)
    else:
        sys.stderr.write(f"{text}\n")


def _handlers(logger: logging.Logger | None) -> Iterator[logging.Handler]:
    """Yield the handlers that write what a logger is told."""
    while logger and not logger.disabled:
        for handler in logger.handlers:
            if not isinstance(handler, logging.NullHandler):
                yield handler
        logger = logger.parent if logger.propagate else None


def _restrict() -> None:
    """Let no handler write lines that are dropped, whatever logger it belongs to."""
    quiet = Quiet(metrics=not sys.stderr.isatty())
    for name in ["", *logging.Logger.manager.loggerDict]:
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(quiet)
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
                handler.setStream(sys.stderr)  # stdout is for messages
