"""Takes the README's picture of a run: `python -m tests.pictures`, with the group `pictures`.

A real run in a real terminal: what it shows in mid-read is what the picture shows.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

from tap_cube.sandbox import Sandbox

COLUMNS, LINES = 100, 24
PICTURE = Path(__file__).parent.parent / ".github" / "pictures" / "run.svg"
COMMAND = "LOGLEVEL=WARNING tap-cube --config ENV > messages.jsonl"
#: What stands on the screen when the picture is taken.
MOMENT = re.compile(r"CRM 2/B2B, customers: +6\d%")


def main() -> None:
    """Run the tap in a terminal, and take the picture."""
    screen = pyte.Screen(COLUMNS, LINES)
    with Sandbox(customers=20_000, latency=0.1) as sandbox:
        _watch(sandbox, screen)
    lines = [f"$ {COMMAND}", *(line.rstrip() for line in screen.display)]
    while not lines[-1]:
        lines.pop()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere)
        console.print(Text("\n".join(lines), overflow="crop", no_wrap=True))
    svg = console.export_svg(title="tap-cube", unique_id="run")
    # Fonts of another host would tell it who reads the README
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    PICTURE.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")


def _watch(sandbox: Sandbox, screen: pyte.Screen) -> None:
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    settings = {"TAP_CUBE_API_URL": sandbox.url, "TAP_CUBE_AUTH_TOKEN": sandbox.token}
    stream = pyte.ByteStream(screen)
    with (
        tempfile.TemporaryFile() as messages,
        subprocess.Popen(  # our own program
            [sys.executable, "-m", "tap_cube", "--config", "ENV"],
            env={**os.environ, **settings, "LOGLEVEL": "WARNING"},
            stdout=messages,
            stderr=terminal,
        ) as process,
    ):
        os.close(terminal)
        while not MOMENT.search("\n".join(screen.display)):
            stream.feed(os.read(ours, 65536))
        process.terminate()


if __name__ == "__main__":
    main()
