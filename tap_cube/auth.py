"""The Authorization header."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from requests.auth import AuthBase
from singer_sdk.exceptions import ConfigurationError

from tap_cube.compat import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests


class CubeAuthenticator(AuthBase):
    """Signs requests by the one way to authenticate that the settings hold.

    Not a subclass of the SDK's authenticators: those take the query of each URL apart and put it
    together in another form, which the links of Cube do not survive.

    Args:
        config: The settings.

    Raises:
        ConfigurationError: If the credentials hold what no HTTP header can.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._header = _header(config)

    @override
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = self._header
        return r


def _header(config: Mapping[str, Any]) -> str:
    if token := config.get("auth_token"):
        return f"Token {_word(token, 'auth_token', 'Token')}"
    if ready_made := config.get("basic_auth"):
        return f"Basic {_pair(_word(ready_made, 'basic_auth', 'Basic'))}"
    pair = f"{config['username']}:{config['password']}"
    return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"


def _pair(word: str) -> str:
    """A ready-made base64 string, which must be one."""
    try:
        pair = base64.b64decode(word, validate=True)
    except ValueError:
        pair = b""
    if b":" not in pair:
        msg = (
            "Setting `basic_auth` must be the base64 of user:password; for a user and a password "
            "as they are, there are the settings `username` and `password`"
        )
        raise ConfigurationError(msg)
    return word


def _word(value: str, setting: str, scheme: str) -> str:
    """A pasted value without what is often pasted around it."""
    word = re.sub(rf"^\s*{scheme}\s+", "", value, flags=re.IGNORECASE).strip()
    if not re.fullmatch(r"[!-~]+", word):
        msg = f"Setting `{setting}` holds spaces or letters that no token has: paste it once more"
        raise ConfigurationError(msg)
    return word
