"""Carries out the faults: answers that are wrong, late, broken off, or do not come."""

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

from tap_cube.sandbox.answers import json, page_link
from tap_cube.sandbox.coding import encode, split
from tap_cube.sandbox.faults import SECOND_PART
from tap_cube.sandbox.targets import target
from tap_cube.sandbox.wire import close, pause, reset

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tap_cube.sandbox.cube import Cube
    from tap_cube.sandbox.faults import Fault

_BODILESS = {204, 304}
_SECOND_PART = SECOND_PART.encode()


class _Rows(msgspec.Struct):
    results: list[msgspec.Raw]


_rows = msgspec.json.Decoder(_Rows).decode


class _Answer(NamedTuple):
    """What the application itself answers."""

    start: Message
    body: bytes


class Mishaps:
    """Lets requests pass, or does to them what Cube's `faults` draw."""

    def __init__(self, app: ASGIApp, cube: Cube) -> None:
        self._app = app
        self._cube = cube

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the request, passes it on, or ends its connection."""
        faults = self._cube.faults
        fault = None if faults is None else faults.draw(target(scope))
        inner = _without_second_part(scope)
        if fault is None:
            await self._app(inner, receive, send)
        elif fault.kind == "reset":
            await reset(scope, receive)
        elif fault.kind == "slow":
            await pause(float(fault.value), receive)
            await self._app(inner, receive, send)
        else:
            real = await self._ask(inner, receive)
            if fault.kind == "cut":
                await _cut(real, scope, receive, send)
            else:
                await self._instead(fault, real, URL(scope=scope))(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive) -> _Answer:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        start, *parts = messages
        return _Answer(start, b"".join(part.get("body", b"") for part in parts))

    def _instead(self, fault: Fault, real: _Answer, url: URL) -> Response:
        if fault.kind == "html":
            return _web_page(self._customer(real))
        if fault.kind == "self-link":
            return _changed_page(real, next=str(url))
        if fault.kind == "cycle":
            return _changed_page(real, next=page_link(url, int(fault.value)))
        if fault.kind == "empty":
            following = f"{url}{'&' if url.query else '?'}{SECOND_PART}"
            return _changed_page(real, next=following, results=[])
        return _error(int(fault.kind), fault.value, self._customer(real))

    def _customer(self, real: _Answer) -> bytes:
        """A customer of the page that was asked for, or else just any, as JSON."""
        try:
            found = _rows(real.body).results
        except msgspec.DecodeError:
            found = []
        if found:
            return bytes(found[0])
        return next((row for crm in self._cube.crms.values() for row in crm.rows()[:1]), b"null")


def _without_second_part(scope: Scope) -> Scope:
    """The request as it would be had no empty page come before."""
    query: bytes = scope["query_string"]
    if _SECOND_PART not in query:
        return scope
    kept = [part for part in query.split(b"&") if part != _SECOND_PART]
    return {**scope, "query_string": b"&".join(kept)}


async def _cut(real: _Answer, scope: Scope, receive: Receive, send: Send) -> None:
    await send(real.start)
    half = real.body[: len(real.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await close(scope, receive)


def _changed_page(real: _Answer, **changes: object) -> Response:
    """The page with these values; what is not a page, such as an error, stays as it is."""
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
