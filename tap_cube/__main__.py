"""The command `tap-cube`: as the SDK's, but a failure is one line that says what to do."""

from __future__ import annotations

import logging
import os
import sys

from singer_sdk.exceptions import SingerSDKError

from tap_cube.tap import TapCube


def main() -> None:
    """Run the command line, and end with status 1 if it fails."""
    # At debug level urllib3 writes each URL into the log, and so the ids of customers
    logging.getLogger("urllib3").setLevel(logging.INFO)
    command = TapCube.cli
    try:
        command(prog_name=TapCube.name)
    except SingerSDKError as error:
        _fail(str(error), error)
    except BrokenPipeError as error:
        # Else Python would stumble over the closed pipe once more while it shuts down
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail("The target stopped reading: its own log says why", error)
    except Exception as error:  # noqa: BLE001  # its text may quote a customer
        _fail(f"Unexpected {type(error).__name__}: LOGLEVEL=DEBUG shows where it came from", error)


def _fail(sentence: str, error: Exception) -> None:
    logger = TapCube.logger
    logger.debug("The failure, in full", exc_info=error)
    logger.error("%s", sentence)
    sys.exit(1)


if __name__ == "__main__":
    main()
