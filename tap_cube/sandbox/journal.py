"""Where requests arrive: each is counted, noted, and announced to the hook."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from tap_cube.sandbox.targets import target

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tap_cube.sandbox.cube import Cube

# A server that runs for weeks must not grow.
_MOST = 100_000


class Journal:
    """Notes each request in Cube's `requests`, and calls its `before_request`."""

    def __init__(self, app: ASGIApp, cube: Cube) -> None:
        self._app = app
        self._cube = cube
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Notes the request, and passes it on."""
        number, requested = next(self._numbers), target(scope)
        noted = self._cube.requests
        noted.append((scope["method"], requested))
        if len(noted) > _MOST:
            del noted[: _MOST // 2]
        if self._cube.before_request is not None:
            self._cube.before_request(number, requested)
        await self._app(scope, receive, send)
