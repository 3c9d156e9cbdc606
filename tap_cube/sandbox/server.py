"""Runs the stand-in on a loopback port, in a thread of its own."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING

import uvicorn

from tap_cube.sandbox.app import create_app
from tap_cube.sandbox.cube import PASSWORD, TOKEN, USERNAME, Cube
from tap_cube.sandbox.restless import Restless
from tap_cube.sandbox.wire import Protocol

if TYPE_CHECKING:
    from datetime import date

    from typing_extensions import Self

    from tap_cube.sandbox.faults import Faults
    from tap_cube.sandbox.shapes import Shape


class Sandbox(Cube):
    """A Cube that answers over HTTP inside its `with` block, on a free port unless told.

    Attributes:
        url: The origin, such as `http://127.0.0.1:54321`; set when the block is entered.
    """

    url: str

    def __init__(  # noqa: PLR0913 - the options of the command line
        self,
        *,
        customers: int = 5000,
        page_size: int = 50,
        latency: float = 0.0,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = TOKEN,
        username: str = USERNAME,
        password: str = PASSWORD,
        faults: Faults | None = None,
        restless: float = 0.0,
        shape: Shape = "flat",
        today: date | None = None,
        outcomes: int | None = None,
    ) -> None:
        if not _is_loopback(host):
            msg = f"the sandbox serves loopback addresses only, such as 127.0.0.1, and not {host}"
            raise ValueError(msg)
        super().__init__(
            customers=customers, seed=seed, shape=shape, today=today, outcomes=outcomes
        )
        self.page_size = page_size
        self.latency = latency
        self.token = token
        self.username = username
        self.password = password
        self.faults = faults
        if restless:
            self.before_request = Restless(self.crms, restless, seed)
        self._address = (host, port)

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family, backlog=2048)
        host, port = self._address[0], listener.getsockname()[1]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                create_app(self),
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # links say `http` whatever a proxy in front speaks
                timeout_keep_alive=60,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        # A server that is told to stop before it has started may never end.
        while not self._server.started:
            if not self._thread.is_alive():
                msg = "the sandbox's server could not start"
                raise RuntimeError(msg)
            sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
