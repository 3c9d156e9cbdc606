"""The command `cube-sandbox`, which says what to install if its packages are missing."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command."""
    try:
        from tap_cube.sandbox.__main__ import main as command  # noqa: PLC0415
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        sys.exit(
            f"cube-sandbox: the package `{package}` is not installed. The sandbox is an extra: "
            "install tap-cube[sandbox] in place of tap-cube"
        )
    command()
