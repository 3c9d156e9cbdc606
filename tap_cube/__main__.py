"""The command `tap-cube`: as the SDK's, but a failure is one line that says what to do."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from singer_sdk.exceptions import SingerSDKError

from tap_cube.tap import TapCube

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> NoReturn:
    """Run the command line, and end with status 1 if it fails."""
    try:
        status = _run()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    with suppress(BrokenPipeError):
        sys.stdout.flush()
    logging.shutdown()
    # Python would first wait for the requests that are still under way, a minute for each pause
    os._exit(status)


def _run() -> int:
    # At debug level urllib3 writes each URL into the log, and so the ids of customers
    logging.getLogger("urllib3").setLevel(logging.INFO)
    command = TapCube.cli
    try:
        command(prog_name=TapCube.name)
    except SingerSDKError as error:
        return _fail(str(error), error)
    except Exception as error:  # noqa: BLE001  # its text may quote a customer
        return _fail(
            f"Unexpected {type(error).__name__}: LOGLEVEL=DEBUG shows where it came from", error
        )
    return 0


def _fail(sentence: str, error: BaseException) -> int:
    TapCube.logger.debug("Where it came from:\n%s", "".join(_frames(error)))
    TapCube.logger.error("%s", sentence)
    return 1


def _frames(error: BaseException) -> Iterator[str]:
    """A traceback without the errors' texts, which may quote a customer."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause:
        yield from _frames(cause)
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__}\n"


if __name__ == "__main__":
    main()
