"""What happens to each request apart from its response: log, latency, credentials, quota, hooks."""

from __future__ import annotations

from base64 import b64encode
from itertools import count
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from tap_cube.sandbox.asgi import request_target, wait
from tap_cube.sandbox.rate_limit import SlidingWindow
from tap_cube.sandbox.responses import error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tap_cube.sandbox.account import Account

# Bounds the memory of a server that runs for weeks.
_MAX_LOGGED = 100_000


class RequestLog:
    """Records each request in `Account.requests` and counts those in flight.

    It calls `Account.before_request`.
    """

    def __init__(self, app: ASGIApp, account: Account) -> None:
        self._app = app
        self._account = account
        self._numbers = count(1)
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record the request and pass it on."""
        number, target = next(self._numbers), request_target(scope)
        requests = self._account.requests
        requests.append((scope["method"], target))
        if len(requests) > _MAX_LOGGED:
            del requests[: _MAX_LOGGED // 2]
        if self._account.before_request is not None:
            self._account.before_request(number, target)
        self._in_flight += 1
        self._account.peak_in_flight = max(self._account.peak_in_flight, self._in_flight)
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1


class Latency:
    """Delays each request by `Account.latency`."""

    def __init__(self, app: ASGIApp, account: Account) -> None:
        self._app = app
        self._account = account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait and pass the request on."""
        if self._account.latency:
            await wait(self._account.latency, receive)
        await self._app(scope, receive, send)


class Authentication:
    """Answers requests without the account's token or user with 401."""

    def __init__(self, app: ASGIApp, account: Account) -> None:
        self._app = app
        self._account = account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or refuse it."""
        refusal = self._refusal(Headers(scope=scope).get("authorization", ""))
        response = error(401, refusal, {"WWW-Authenticate": "Token"}) if refusal else self._app
        await response(scope, receive, send)

    def _refusal(self, authorization: str) -> str | None:
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "token":
            return None if credentials.strip() == self._account.token else "Invalid token."
        if scheme.lower() == "basic":
            user = f"{self._account.username}:{self._account.password}"
            expected = b64encode(user.encode()).decode()
            return None if credentials.strip() == expected else "Invalid username/password."
        return "Authentication credentials were not provided."


class Quota:
    """Answers requests beyond `Account.quota` with 429 and `Retry-After` in whole seconds."""

    def __init__(self, app: ASGIApp, account: Account) -> None:
        self._app = app
        self._account = account
        self._window = SlidingWindow()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or reject it."""
        response = self._app
        quota = self._account.quota
        seconds = 0.0 if quota is None else self._window.admit(quota, monotonic())
        if seconds:
            detail = f"Request was throttled. Expected available in {ceil(seconds)} seconds."
            response = error(429, detail, {"Retry-After": str(ceil(seconds))})
        await response(scope, receive, send)


class ResponseHook:
    """Calls `Account.before_response`."""

    def __init__(self, app: ASGIApp, account: Account) -> None:
        self._app = app
        self._account = account
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the hook and pass the request on."""
        number = next(self._numbers)
        if self._account.before_response is not None:
            self._account.before_response(number, request_target(scope))
        await self._app(scope, receive, send)
