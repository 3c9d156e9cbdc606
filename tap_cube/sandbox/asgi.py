"""Access to a request's target and its TCP connection, which ASGI does not offer."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tap_cube.compat import override

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

_TRANSPORT = "tap_cube.transport"
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Protocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, which also passes its connection to the application."""

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_TRANSPORT: {"transport": self.transport}}

    @override
    def shutdown(self) -> None:
        super().shutdown()
        # Without this, shutting down waits for every pending response.
        self.transport.close()


def request_target(scope: Scope) -> str:
    """Return the path and the query as sent, such as `/api/v1/campaigns?page=2`."""
    path, query = scope["raw_path"], scope["query_string"]
    return (b"%b?%b" % (path, query) if query else bytes(path)).decode("latin-1")


async def close_connection(scope: Scope, receive: Receive) -> None:
    """Close the connection after the bytes sent so far."""
    _transport(scope).close()
    await _disconnected(receive)


async def reset_connection(scope: Scope, receive: Receive) -> None:
    """End the connection with a TCP reset."""
    transport = _transport(scope)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
    await _disconnected(receive)


async def wait(seconds: float, receive: Receive) -> None:
    """Wait, but not longer than the client stays connected."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_disconnected(receive), seconds)


def _transport(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["extensions"][_TRANSPORT]["transport"]
    return transport


async def _disconnected(receive: Receive) -> None:
    # Uvicorn logs an error if an application returns without a response before this.
    while (await receive())["type"] != "http.disconnect":
        pass
