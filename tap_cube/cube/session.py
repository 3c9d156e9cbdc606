"""One HTTP session that stays on Cube's own origin."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter

from tap_cube.compat import override
from tap_cube.cube import variables
from tap_cube.cube.origin import origin_of


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
        self.proxies = variables.proxies(origin)
        self.verify = variables.authorities() if origin.startswith("https:") else True
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
