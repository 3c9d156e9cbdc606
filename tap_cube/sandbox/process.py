"""Run a command as a child process, with its signals and its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command to its end and pass SIGINT and SIGTERM on to it.

    Returns:
        Its exit status as a shell reports it: 128 + n if signal n ended it.

    Raises:
        OSError: The command cannot be started.
    """
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and _terminal_interrupts():
            return
        if child is None:
            early.append(number)
        else:
            child.send_signal(number)

    previous = {n: signal.signal(n, forward) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        child = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's own command
        for number in early:
            child.send_signal(number)
        status = child.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def _terminal_interrupts() -> bool:
    """Whether a terminal sends Ctrl-C to the command itself, as part of its foreground group.

    A second SIGINT would make many commands exit without cleaning up.
    """
    try:
        with open("/dev/tty", "rb") as terminal:  # noqa: PTH123 - a device
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return os.name == "nt"
