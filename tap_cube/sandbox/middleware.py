"""What happens to each request apart from its response: log, latency, credentials, quota, hooks.

Each function wraps an ASGI application.
"""

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


def request_log(app: ASGIApp, account: Account) -> ASGIApp:
    """Record each request, count those in flight, and call `Account.before_request`."""
    numbers, in_flight = count(1), 0

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal in_flight
        number, target = next(numbers), request_target(scope)
        account.requests.append((scope["method"], target))
        if len(account.requests) > _MAX_LOGGED:
            del account.requests[: _MAX_LOGGED // 2]
        if account.before_request is not None:
            account.before_request(number, target)
        in_flight += 1
        account.peak_in_flight = max(account.peak_in_flight, in_flight)
        try:
            await app(scope, receive, send)
        finally:
            in_flight -= 1

    return handle


def latency(app: ASGIApp, account: Account) -> ASGIApp:
    """Delay each request by `Account.latency`."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if account.latency:
            await wait(account.latency, receive)
        await app(scope, receive, send)

    return handle


def authentication(app: ASGIApp, account: Account) -> ASGIApp:
    """Answer requests without the account's token or user with 401."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(account, Headers(scope=scope).get("authorization", ""))
        response = error(401, refusal, {"WWW-Authenticate": "Token"}) if refusal else app
        await response(scope, receive, send)

    return handle


def quota(app: ASGIApp, account: Account) -> ASGIApp:
    """Answer requests beyond `Account.quota` with 429 and `Retry-After` in whole seconds."""
    window = SlidingWindow()

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        response = app
        seconds = 0.0 if account.quota is None else window.admit(account.quota, monotonic())
        if seconds:
            detail = f"Request was throttled. Expected available in {ceil(seconds)} seconds."
            response = error(429, detail, {"Retry-After": str(ceil(seconds))})
        await response(scope, receive, send)

    return handle


def response_hook(app: ASGIApp, account: Account) -> ASGIApp:
    """Call `Account.before_response`."""
    numbers = count(1)

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        number = next(numbers)
        if account.before_response is not None:
            account.before_response(number, request_target(scope))
        await app(scope, receive, send)

    return handle


def _refusal(account: Account, authorization: str) -> str | None:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "token":
        return None if credentials.strip() == account.token else "Invalid token."
    if scheme.lower() == "basic":
        user = f"{account.username}:{account.password}"
        expected = b64encode(user.encode()).decode()
        return None if credentials.strip() == expected else "Invalid username/password."
    return "Authentication credentials were not provided."
