"""What every request passes first: the wait, and the look at its credentials."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from tap_cube.sandbox.answers import problem
from tap_cube.sandbox.wire import pause

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tap_cube.sandbox.cube import Cube


class Gate:
    """Lets through who shows Cube's token or user; answers all others with 401."""

    def __init__(self, app: ASGIApp, cube: Cube) -> None:
        self._app = app
        self._cube = cube

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the request, or passes it on."""
        if self._cube.latency:
            await pause(self._cube.latency, receive)
        refusal = self._refusal(Headers(scope=scope).get("authorization", ""))
        answer = problem(401, refusal, {"WWW-Authenticate": "Token"}) if refusal else self._app
        await answer(scope, receive, send)

    def _refusal(self, authorization: str) -> str | None:
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "token":
            return None if credentials.strip() == self._cube.token else "Invalid token."
        if scheme.lower() == "basic":
            user = f"{self._cube.username}:{self._cube.password}"
            expected = b64encode(user.encode()).decode()
            return None if credentials.strip() == expected else "Invalid username/password."
        return "Authentication credentials were not provided."
