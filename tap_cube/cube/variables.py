"""The environment variables that decide how Cube is reached: proxies and certificates."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy

from tap_cube.cube.origin import is_loopback
from tap_cube.errors import TapCubeError

#: By precedence.
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_KEY_LOG = "SSLKEYLOGFILE"


def proxies(origin: str) -> dict[str, str]:
    """Return the proxies for an origin, by scheme; none for this machine itself.

    Raises:
        TapCubeError: If the one for the origin cannot be used. Requests would say so for each
            request only, in the words that it has for any other address and header.
    """
    found = _proxies(origin)
    request = requests.Request("GET", "https://example.com").prepare()
    proxy = select_proxy(origin, found) or ""
    try:
        HTTPAdapter().get_connection_with_tls_context(request, verify=True, proxies={"all": proxy})
    except requests.exceptions.InvalidSchema:
        problem = "SOCKS needs a package: install `requests[socks]` where tap-cube is installed"
    except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError):
        problem = "the proxy is not an address of the form `http://host:port`"
    else:
        return found
    msg = f"{problem}: check the variable `{proxy_variable(origin)}`"
    raise TapCubeError(msg)


def proxy_variable(origin: str) -> str | None:
    """Return the variable that holds the proxy for an origin; its value may hold a password."""
    proxy = select_proxy(origin, _proxies(origin))
    names = (name for name in _PROXIES if os.environ.get(name) == proxy)
    # Some systems have a proxy of their own, which the variable would replace
    return next(names, "HTTPS_PROXY") if proxy else None


def _proxies(origin: str) -> dict[str, str]:
    return {} if is_loopback(str(urlsplit(origin).hostname)) else get_environ_proxies(origin)


def authorities() -> str | bool:
    """Return the file or folder of trusted certificates; `True` if no variable names one.

    Raises:
        TapCubeError: If a file that TLS needs cannot be used. Requests would say so for each
            request only.
    """
    if key_log := os.environ.get(_KEY_LOG):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).keylog_filename = os.path.expandvars(key_log)
        except OSError as error:
            raise _unusable(key_log, error.strerror, _KEY_LOG) from None
    variable = next((name for name in _AUTHORITIES if os.environ.get(name, "").strip()), None)
    if variable is None:
        return True
    path = os.environ[variable]
    try:
        if (folder := Path(path)).is_dir():
            next(folder.iterdir(), None)
        else:
            ssl.create_default_context(cafile=path)
    except OSError as error:
        holds_none = isinstance(error, ssl.SSLError)
        reason = "it holds no certificate" if holds_none else error.strerror
        raise _unusable(path, reason, variable) from None
    return path


def _unusable(path: str, reason: str | None, variable: str) -> TapCubeError:
    return TapCubeError(f"{path}: {reason or 'unusable'}: check the variable `{variable}`")
