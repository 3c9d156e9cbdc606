"""What can go wrong, by what is to be done about it."""

from __future__ import annotations

from singer_sdk.exceptions import FatalAPIError, SingerSDKError


class CredentialsRefusedError(FatalAPIError):
    """Cube knows these credentials not at all, so that no other request can succeed either."""


class UnavailableError(FatalAPIError):
    """Cube has no such resource for these credentials (403)."""


class NotFoundError(UnavailableError):
    """Cube has no such resource at all (404)."""


class TargetGoneError(SingerSDKError):
    """Nobody reads the messages any more."""
