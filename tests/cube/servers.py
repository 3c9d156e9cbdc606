"""Servers on the loopback that respond in any way, byte by byte."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from email.parser import Parser
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_cube.compat import override

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from email.message import Message
    from types import TracebackType

    from typing_extensions import Self


class Request(NamedTuple):
    """A request: its method, its target, its headers, and its number from 1."""

    method: str
    target: str
    headers: Message
    number: int


class Loopback:
    """A server that calls `respond` with the connection of each request.

    Args:
        respond: Writes the response; a return value of bytes is written too.
        tls: Makes it an HTTPS server.

    Attributes:
        requests: The requests, in the order in which they came.
    """

    def __init__(
        self,
        respond: Callable[[socket.socket, Request], bytes | None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self._scheme = "https" if tls else "http"
        owner = self

        class Handler(StreamRequestHandler):
            @override
            def setup(self) -> None:
                if tls:
                    self.request = tls.wrap_socket(self.request, server_side=True)
                super().setup()

            @override
            def handle(self) -> None:
                if self.rfile.peek(1)[:1] == b"\x16":  # type: ignore[attr-defined]  # TLS
                    self.connection.sendall(response(status=400))
                    return
                while request := owner.read(self.rfile.readline):
                    if (data := respond(self.connection, request)) is not None:
                        self.connection.sendall(data)

            @override
            def finish(self) -> None:
                super().finish()
                self.connection.close()

        class Server(ThreadingTCPServer):
            daemon_threads = True

            @override
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that goes away is no error of the server."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self.origin = f"{self._scheme}://127.0.0.1:{self.port}"

    def read(self, readline: Callable[[], bytes]) -> Request | None:
        """Read the head of a request; `None` at the end of the connection."""
        words = readline().decode("latin-1").split()
        if not words:
            return None
        lines = []
        while (line := readline().decode("latin-1")).strip():
            lines.append(line)
        request = Request(
            words[0], words[1], Parser().parsestr("".join(lines)), len(self.requests) + 1
        )
        self.requests.append(request)
        return request

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def response(body: bytes = b"", status: int = 200, **headers: str) -> bytes:
    """A whole response."""
    fields = {"Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def close(connection: socket.socket) -> None:
    """Close in the middle of whatever was sent."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


def free_port() -> int:
    """A port at which no one listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
