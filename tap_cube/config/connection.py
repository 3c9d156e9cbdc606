"""What the settings say about the connection: the origin, the credentials, the limits."""

from __future__ import annotations

import base64
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import ConfigurationError

from tap_cube.cube.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The settings that belong to each way to authenticate.
AUTHENTICATION = {
    "`auth_token`": ("auth_token",),
    "`username` with `password`": ("username", "password"),
    "`basic_auth`": ("basic_auth",),
}


def connection(config: Mapping[str, Any]) -> Connection:
    """Return the connection that valid settings describe.

    Raises:
        ConfigurationError: If the credentials contain characters that no HTTP header can hold.
    """
    return Connection(
        origin=_origin(config),
        authorization=authorization(config),
        user_agent=_header(config, "user_agent") or f"tap-cube/{version('tap-cube')}",
        timeout=float(config["request_timeout"]),
        max_tries=int(config["max_tries"]),
        concurrency=int(config["concurrency"]),
        requests_per_second=config.get("requests_per_second"),
        origin_setting="`account`" if "account" in config else "`api_url`",
        credentials_settings=_named(
            next(names for names in AUTHENTICATION.values() if config.get(names[0]))
        ),
    )


def _named(settings: Sequence[str]) -> str:
    names = " and ".join(f"`{name}`" for name in settings)
    return f"the setting{'s' * (len(settings) > 1)} {names}"


def _origin(config: Mapping[str, Any]) -> str:
    if "account" in config:
        return f"https://{config['account']}.headshed.com"
    return str(config["api_url"]).rstrip("/")


def _header(config: Mapping[str, Any], setting: str) -> str:
    value = str(config.get(setting, "")).strip()
    if not re.fullmatch(r"[ -~]*", value):
        msg = (
            f"Setting `{setting}` contains a line break or a character outside ASCII, which no "
            "HTTP header can hold"
        )
        raise ConfigurationError(msg)
    return value


def authorization(config: Mapping[str, Any]) -> str:
    """Return the value of the Authorization header.

    Raises:
        ConfigurationError: If the credentials contain characters that no HTTP header can hold.
    """
    if token := config.get("auth_token"):
        return f"Token {_word(token, 'auth_token', 'Token')}"
    if ready_made := config.get("basic_auth"):
        return f"Basic {_pair(_word(ready_made, 'basic_auth', 'Basic'))}"
    pair = f"{config['username']}:{config['password']}"
    return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"


def _pair(word: str) -> str:
    """Check a ready-made base64 string."""
    try:
        pair = base64.b64decode(word, validate=True)
    except ValueError:
        pair = b""
    if b":" not in pair:
        msg = (
            "Setting `basic_auth` must be the base64 of user:password; for a plain user name and "
            "password, use the settings `username` and `password`"
        )
        raise ConfigurationError(msg)
    return word


def _word(value: str, setting: str, scheme: str) -> str:
    """Strip a pasted value of surrounding blanks and of the scheme's name."""
    word = re.sub(rf"^\s*{scheme}\s+", "", value, flags=re.IGNORECASE).strip()
    if not re.fullmatch(r"[!-~]+", word):
        msg = f"Setting `{setting}` contains spaces or characters that no token has: paste it again"
        raise ConfigurationError(msg)
    return word
