"""One HTTP session that stays on Cube's own origin."""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy

from tap_cube.compat import override
from tap_cube.cube.origin import is_loopback, origin_of
from tap_cube.errors import TapCubeError


class CubeSession(requests.Session):
    """A session for one origin, shared by all workers.

    Args:
        origin: Scheme, host and port, such as `https://acme.headshed.com`.
        headers: Headers of every request.
        connections: Number of connections to keep open.
    """

    def __init__(self, origin: str, headers: dict[str, str], connections: int) -> None:
        super().__init__()
        self._origin = origin_of(origin)
        self.mount(origin, HTTPAdapter(pool_maxsize=connections))
        self.headers.update(headers)
        # The environment is read once. If requests read it for each request, a .netrc file could
        # replace the credentials.
        here = is_loopback(str(urlsplit(origin).hostname))
        self.proxies = {} if here else _proxies(origin)
        self.verify = _authorities() if origin.startswith("https:") else True
        self.trust_env = False

    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Follow redirects within the origin; any other is left as the response that it is."""
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        # A ValueError means that it is no URL
        with suppress(ValueError):
            if origin_of(urljoin(resp.url, target)) == self._origin:
                return target
        return None


def _proxies(origin: str) -> dict[str, str]:
    """Return the proxies that the environment names, by scheme.

    Raises:
        TapCubeError: If the one for the origin cannot be used. Requests would say so for each
            request only, in the words that it has for any other address and header.
    """
    proxies = get_environ_proxies(origin)
    proxy = select_proxy(origin, proxies)
    request = requests.Request("GET", "https://example.com").prepare()
    try:
        HTTPAdapter().get_connection_with_tls_context(
            request, verify=True, proxies={"all": proxy or ""}
        )
    except requests.exceptions.InvalidSchema:
        problem = "SOCKS needs a package: install `requests[socks]` where tap-cube is installed"
    except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError):
        problem = "the proxy is not an address of the form `http://host:port`"
    else:
        return proxies
    # It may hold a password, and is not quoted
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    variable = next((name for name in names if os.environ.get(name) == proxy), "HTTPS_PROXY")
    msg = f"{problem}: check the variable `{variable}`"
    raise TapCubeError(msg)


def _authorities() -> str | bool:
    """Return the file or folder of certificates that the environment names; `True` if none.

    Raises:
        TapCubeError: If it cannot be read. Requests would say so for each request only.
    """
    variables = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    variable = next((name for name in variables if os.environ.get(name, "").strip()), None)
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
        reason = "it holds no certificate" if holds_none else error.strerror or "it cannot be read"
        msg = f"{path}: {reason}: check the variable `{variable}`"
        raise TapCubeError(msg) from None
    return path
