"""The environments that the peers run in: one for each set of requirements, made once."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

from uv import find_uv_bin

if TYPE_CHECKING:
    from pathlib import Path


def environment(folder: Path, requires: tuple[str, ...]) -> Path:
    """The folder with the programs of an environment that has these requirements."""
    asked = "\n".join((sys.version, *requires))
    made = folder / hashlib.sha256(asked.encode()).hexdigest()[:12]
    # What is half-made must not be taken for made next time
    ready = made / "ready"
    if not ready.exists():
        _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(made))
        install = ("pip", "install", "--quiet", "--compile-bytecode", "--python", str(made))
        _uv(*install, *requires)
        ready.touch()
    return made / "bin"


def _uv(*arguments: str) -> None:
    subprocess.run([find_uv_bin(), *arguments], check=True)  # noqa: S603  # a tool of the benchmark
