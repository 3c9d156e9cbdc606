"""The command `tap-cube`: a signal ends it in good order, however early it comes."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

    from tap_cube.tap import TapCube


def main(tap: type[TapCube] | None = None) -> NoReturn:
    """Run the command line, and end with status 1 if it fails.

    Args:
        tap: Another tap than `TapCube`.
    """
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _end)
    # Not before: it takes long enough for a second thought and Ctrl-C
    from tap_cube import command  # noqa: PLC0415

    command.run(tap)


def _end(signum: int, _frame: FrameType | None) -> None:
    """End the process while nothing is read. The tap replaces this."""
    # Without stderr, or in the middle of a line
    with suppress(AttributeError, OSError, RuntimeError):
        sys.stderr.write(f"Ended by signal {signum}\n")
        sys.stderr.flush()
    os._exit(128 + signum)


if __name__ == "__main__":
    main()
