"""The connection below a request: waiting only while it lasts, and ending it early."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

_TRANSPORT = "tap_cube.transport"
_LINGER_NOT = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Protocol(HttpToolsProtocol):
    """The server's protocol, which also shows the application its connection."""

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_TRANSPORT: {"transport": self.transport}}

    @override
    def shutdown(self) -> None:
        super().shutdown()
        # An answer that is still being waited for would hold the end up.
        self.transport.close()


async def close(scope: Scope, receive: Receive) -> None:
    """Ends the connection after what was sent so far."""
    _transport(scope).close()
    await _gone(receive)


async def reset(scope: Scope, receive: Receive) -> None:
    """Ends the connection with a TCP reset."""
    transport = _transport(scope)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()
    await _gone(receive)


async def pause(seconds: float, receive: Receive) -> None:
    """Waits, but no longer than the client does."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_gone(receive), seconds)


def _transport(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["extensions"][_TRANSPORT]["transport"]
    return transport


async def _gone(receive: Receive) -> None:
    # The server takes an application for broken that returns without an answer before this.
    while (await receive())["type"] != "http.disconnect":
        pass
