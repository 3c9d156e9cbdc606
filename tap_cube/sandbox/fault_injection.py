"""Middleware that makes requests fail as `faults` determines."""

from __future__ import annotations

import html
from email.utils import formatdate
from http import HTTPStatus
from math import ceil
from time import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from starlette.datastructures import URL
from starlette.responses import HTMLResponse, Response

from tap_cube.sandbox.asgi import close_connection, request_target, reset_connection, wait
from tap_cube.sandbox.faults import AFTER_EMPTY
from tap_cube.sandbox.json_codec import encode, split
from tap_cube.sandbox.responses import json, page_link

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tap_cube.sandbox.account import Account
    from tap_cube.sandbox.faults import Fault

_BODILESS = {204, 304}


class _Page(msgspec.Struct):
    results: list[msgspec.Raw]


_decode_page = msgspec.json.Decoder(_Page).decode


class _Response(NamedTuple):
    """The response of the application."""

    start: Message
    body: bytes


class FaultInjection:
    """Passes requests on, or makes them fail as `Account.faults` determines."""

    def __init__(self, app: ASGIApp, account: Account) -> None:
        self._app = app
        self._account = account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, pass it on, or end its connection."""
        faults = self._account.faults
        fault = None if faults is None else faults.draw(request_target(scope))
        inner = _without_marker(scope)
        if fault is None:
            await self._app(inner, receive, send)
        elif fault.kind == "reset":
            await reset_connection(scope, receive)
        elif fault.kind == "slow":
            await wait(float(fault.value), receive)
            await self._app(inner, receive, send)
        else:
            real = await self._respond(inner, receive)
            if fault.kind == "cut":
                await _cut(real, scope, receive, send)
            else:
                await self._replacement(fault, real, URL(scope=scope))(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive) -> _Response:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        start, *parts = messages
        return _Response(start, b"".join(part.get("body", b"") for part in parts))

    def _replacement(self, fault: Fault, real: _Response, url: URL) -> Response:
        if fault.kind == "html":
            return _web_page(self._customer(real))
        if fault.kind == "self-link":
            return _changed_page(real, next=str(url))
        if fault.kind == "cycle":
            return _changed_page(real, next=page_link(url, int(fault.value)))
        if fault.kind == "empty":
            following = f"{url}{'&' if url.query else '?'}{AFTER_EMPTY}"
            return _changed_page(real, next=following, results=[])
        return _error(int(fault.kind), fault.value, self._customer(real))

    def _customer(self, real: _Response) -> bytes:
        """Return a customer of the requested page as JSON, or else any customer."""
        try:
            found = _decode_page(real.body).results
        except msgspec.DecodeError:
            found = []
        if found:
            return bytes(found[0])
        return next((row for crm in self._account.crms.values() for row in crm.rows()[:1]), b"null")


def _without_marker(scope: Scope) -> Scope:
    """Return the request without the mark of a link on an empty page."""
    query: bytes = scope["query_string"]
    kept = [part for part in query.split(b"&") if part != AFTER_EMPTY.encode()]
    return {**scope, "query_string": b"&".join(kept)}


async def _cut(real: _Response, scope: Scope, receive: Receive, send: Send) -> None:
    await send(real.start)
    half = real.body[: len(real.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await close_connection(scope, receive)


def _changed_page(real: _Response, **changes: object) -> Response:
    """Return the page with these values changed. Other responses are returned unchanged."""
    status: int = real.start["status"]
    content = split(real.body)
    return json(encode(content | changes) if "results" in content else real.body, status)


def _error(status: int, retry_after: str, customer: bytes) -> Response:
    headers = {"Retry-After": _retry_after(retry_after)} if retry_after else None
    if status in _BODILESS:
        return Response(status_code=status, headers=headers)
    detail = encode(_phrase(status))
    return json(b'{"detail":%b,"customer":%b}' % (detail, customer), status, headers)


def _web_page(customer: bytes) -> Response:
    shown = html.escape(customer.decode(), quote=False)
    return HTMLResponse(f"<!DOCTYPE html>\n<title>Cube</title>\n<pre>{shown}</pre>\n")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _retry_after(value: str) -> str:
    kind, _, seconds = value.rpartition("+")
    return formatdate(ceil(time() + int(seconds)), usegmt=True) if kind else seconds
