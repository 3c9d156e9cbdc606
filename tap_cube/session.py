"""What lies under every request: one HTTP session that stays on Cube's own origin."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from tap_cube.compat import override
from tap_cube.config import is_loopback

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse


class CubeResponse(requests.Response):
    """A response that keeps what was parsed from its body, so that no body is parsed twice.

    Attributes:
        body: What the body holds, once it was parsed.
        received_at: When it came.
    """

    body: Any = None
    received_at: dt.datetime

    @override
    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Any:
        """As in any response, but the body in one piece: `content` asks for 10 KB each."""
        return super().iter_content(None, decode_unicode)


class _CubeAdapter(HTTPAdapter):
    @override
    def build_response(self, req: requests.PreparedRequest, resp: BaseHTTPResponse) -> CubeResponse:
        response = CubeResponse()
        vars(response).update(vars(super().build_response(req, resp)))
        response.received_at = dt.datetime.now(dt.timezone.utc)
        return response


class CubeSession(requests.Session):
    """A session for one origin, to be shared by all workers.

    Args:
        origin: Scheme, host and port, such as `https://acme.headshed.com`.
        connections: How many connections are kept open.
    """

    def __init__(self, origin: str, connections: int) -> None:
        super().__init__()
        self._origin = _origin(origin)
        self.mount(origin, _CubeAdapter(pool_maxsize=connections))
        # What the environment has to say is asked once. Asked at each request, it could also
        # replace the credentials by those of a .netrc file.
        here = is_loopback(str(urlsplit(origin).hostname))
        self.proxies = {} if here else get_environ_proxies(origin)
        self.verify = (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        )
        self.trust_env = False

    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Follow redirects within the origin only; any other is left as the response it is."""
        target = super().get_redirect_target(resp)
        if target is None or _origin(urljoin(resp.url, target)) != self._origin:
            return None
        return target


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port
