"""The command line: as the SDK's, but a failure is one line that says what to do."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
import time
from typing import NoReturn, TextIO

from singer_sdk.exceptions import SingerSDKError

from tap_cube.config import environment
from tap_cube.errors import TapCubeError, TargetGoneError, frames, unexpected
from tap_cube.output import log
from tap_cube.tap import TapCube

_FIRST_STEPS = """\
tap-cube reads a Cube CRM, and writes Singer messages to stdout.

1. Put the settings into a file (or into variables such as TAP_CUBE_AUTH_TOKEN):
     echo '{"account": "acme", "auth_token": "..."}' > config.json
2. Check them (or those in variables: --config ENV):
     tap-cube --config config.json --test
3. Read:
     tap-cube --config config.json | target-jsonl

No Cube at hand? cube-sandbox exec -- tap-cube --config ENV --test
All options: tap-cube --help. All settings: tap-cube --about --format=markdown"""

#: Seconds in which other threads finish the lines that they have begun.
_PAUSE = 0.05
#: What a write to stdout may fail with.
_UNWRITABLE = {errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC}


def run(tap: type[TapCube] | None = None) -> NoReturn:
    """Run the command line, and end with status 1 if it fails.

    Args:
        tap: Another tap than `TapCube`.
    """
    if not _is_open(sys.stderr):
        sys.stderr = io.TextIOWrapper(io.FileIO(os.devnull, "w"), "utf-8")
    try:
        status = _run(tap or TapCube)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    if _is_open(sys.stdout):
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            pass  # as of `tap-cube --about | head`
        except OSError as error:
            # What failed first is what counts
            status = status or _fail(error)
    logging.shutdown()
    # Python would first wait for the requests that are still under way, a minute for each pause
    os._exit(status)


def _run(tap: type[TapCube]) -> int:
    if not sys.argv[1:]:
        return _help()
    try:
        _prepare()
        with log.configured():
            command = tap.cli
        command(prog_name=tap.name)
    except Exception as error:  # noqa: BLE001  # its text may quote a customer
        return _fail(error)
    return 0


def _help() -> int:
    text = _FIRST_STEPS
    if names := environment.variables_set(os.environ, TapCube.config_jsonschema):
        text += f"\n\nThe variables {', '.join(names)} are read with `--config ENV`."
    sys.stderr.write(f"{text}\n")
    return 2


def _is_open(stream: TextIO | None) -> bool:
    """Return whether the standard stream was open when the process began."""
    return stream is not None


def _prepare() -> None:
    if not _is_open(sys.stdout):
        msg = "stdout is closed: redirect it to a target or a file"
        raise TargetGoneError(msg)
    os.environ.update(environment.log_levels(os.environ))


def _fail(error: BaseException) -> int:
    TapCube.logger.debug("Where it came from:\n%s", "".join(frames(error)))
    # Requests that are still under way must not write the last line; some may be about to
    logging.disable(logging.WARNING)
    time.sleep(_PAUSE)
    log.last_line(TapCube.logger, _sentence(error))
    return 1


def _sentence(error: BaseException) -> str:
    """Return what failed, without text that may quote a customer."""
    if isinstance(error, (SingerSDKError, TapCubeError)):
        return str(error)
    if isinstance(error, OSError):
        return _system_error(error)
    return unexpected(error)


def _system_error(error: OSError) -> str:
    """Return what the operating system refused, and for which file."""
    reason = error.strerror or type(error).__name__
    if error.filename is not None:
        return f"{error.filename}: {reason}"
    if error.errno in _UNWRITABLE:
        return f"stdout cannot be written: {reason}"
    return f"The operating system refused a request of the tap: {reason}"
