"""The sandbox's server, which runs in a thread on a loopback port."""

from __future__ import annotations

import socket
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING

import uvicorn

from tap_cube.sandbox.account import Account
from tap_cube.sandbox.app import create_app
from tap_cube.sandbox.asgi import Protocol

if TYPE_CHECKING:
    from typing_extensions import Self


class Sandbox(Account):
    """An account that is served over HTTP inside its `with` block.

    Attributes:
        url: The origin, such as `http://127.0.0.1:54321`; set when the block is entered.
    """

    url: str

    def __enter__(self) -> Self:
        # The large CRM, and the first customers of each type, take long to invent.
        for crm in list(self.crms.values())[:2]:
            crm.prepare()
        host, port = self.address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
        port = listener.getsockname()[1]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                create_app(self),
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # links say `http` behind any proxy, as Cube's do
                timeout_keep_alive=60,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        # A server that is told to stop before it has started may never stop.
        while not self._server.started:
            if not self._thread.is_alive():
                msg = "the sandbox's server could not start"
                raise RuntimeError(msg)
            sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
