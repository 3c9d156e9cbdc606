"""Takes the pictures of the documentation: `python -m tests.pictures`, with the group `pictures`.

Real programs in a real terminal: what the terminal shows is what the pictures show.
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
from dataclasses import dataclass
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

from tap_cube.sandbox import Sandbox

COLUMNS, LINES = 100, 24
PICTURES = Path(__file__).parent.parent / ".github" / "pictures"
#: Stands for the sandbox, as in an account of the user's.
ORIGIN = "https://acme.headshed.com"


@dataclass(frozen=True)
class Picture:
    """What a picture shows.

    Attributes:
        name: Its file's name.
        command: The command as it is shown.
        arguments: The arguments of the tap.
        moment: What stands on the screen when the picture is taken; the end of the run if empty.
        variables: Environment variables.
        messages: Whether stdout goes into a file.
    """

    name: str
    command: str
    arguments: tuple[str, ...]
    moment: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    messages: bool = False


ALL = (
    Picture(
        "run",
        "LOGLEVEL=WARNING tap-cube --config ENV > messages.jsonl",
        ("--config", "ENV"),
        r"customers +6\d%.*2/B2B",
        (("LOGLEVEL", "WARNING"),),
        messages=True,
    ),
    Picture("test", "tap-cube --config config.json --test", ("--config", "ENV", "--test")),
    Picture(
        "error",
        "tap-cube --config config.json > messages.jsonl",
        ("--config", "ENV"),
        variables=(("TAP_CUBE_AUTH_TOKEN", "expired"), ("TAP_CUBE_USERNAME", "")),
        messages=True,
    ),
)


def main() -> None:
    """Take all pictures."""
    with Sandbox(customers=20_000, latency=0.1) as sandbox:
        for picture in ALL:
            screen = pyte.Screen(COLUMNS, LINES)
            _watch(picture, sandbox, screen)
            lines = [line.rstrip().replace(sandbox.url, ORIGIN) for line in screen.display]
            _draw(picture, lines)


def _draw(picture: Picture, lines: list[str]) -> None:
    while not lines[-1]:
        lines.pop()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere)
        text = "\n".join([f"$ {picture.command}", *lines])
        console.print(Text(text, overflow="crop", no_wrap=True))
    svg = console.export_svg(title="tap-cube", unique_id=picture.name)
    # Fonts of another host would tell it who reads the README
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    path = PICTURES / f"{picture.name}.svg"
    path.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")


def _watch(picture: Picture, sandbox: Sandbox, screen: pyte.Screen) -> None:
    """Run the tap until its moment, or its end, and show it on the screen."""
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    settings = {"TAP_CUBE_API_URL": sandbox.url, "TAP_CUBE_AUTH_TOKEN": sandbox.token}
    stream = pyte.ByteStream(screen)
    with (
        tempfile.TemporaryFile() as messages,
        subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "tap_cube", *picture.arguments],
            env={**os.environ, **settings, **dict(picture.variables)},
            stdout=messages if picture.messages else terminal,
            stderr=terminal,
        ) as process,
    ):
        os.close(terminal)
        while not (picture.moment and re.search(picture.moment, "\n".join(screen.display))):
            try:
                stream.feed(os.read(ours, 65536))
            except OSError:  # how Linux ends it
                break
        process.terminate()


if __name__ == "__main__":
    main()
