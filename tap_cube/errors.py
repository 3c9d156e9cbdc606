"""Errors by what follows from them.

TapCubeError
├── TargetGoneError            the run ends
├── CredentialsRejectedError   the run ends after a last STATE
└── CubeError                  the CRM fails, the others are read, exit status 1
    ├── TransientError         the request is retried
    ├── ReadError
    └── UnavailableError       in discovery: the stream is left out if every CRM lacks it
        └── NotFoundError      the other path is tried
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class TapCubeError(Exception):
    """A failure with a message that names the cause and the way out."""


class TargetGoneError(TapCubeError):
    """The target closed the pipe."""


class CredentialsRejectedError(TapCubeError):
    """The credentials were rejected (401): no other request can succeed."""


class CubeError(TapCubeError):
    """A resource could not be read."""


class TransientError(CubeError):
    """A request failed in a way that may pass.

    Args:
        cause: What failed.
        advice: What to do if it keeps failing, with the mark that separates it from the cause.
        retry_after: Seconds that the server asks to wait.
        tries: Maximum attempts for an error of this kind; `None` for the setting `max_tries`.
    """

    def __init__(
        self, cause: str, advice: str = "", *, retry_after: float = 0.0, tries: int | None = None
    ) -> None:
        super().__init__(f"{cause}{advice}")
        self.cause = cause
        self.retry_after = retry_after
        self.tries = tries


class ReadError(CubeError):
    """A list cannot be read completely."""


class UnavailableError(CubeError):
    """These credentials have no access to the resource (403)."""


class NotFoundError(UnavailableError):
    """The resource does not exist (404)."""


def unexpected(error: BaseException) -> str:
    """Return a sentence about a defect, without the error's text, which may quote a customer."""
    return f"Unexpected {type(error).__name__}: LOGLEVEL=DEBUG shows where it came from"


def frames(error: BaseException) -> Iterator[str]:
    """Yield a traceback without the errors' texts, which may quote a customer."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause:
        yield from frames(cause)
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__}\n"
