"""A client of a server on the loopback."""

from __future__ import annotations

import json
import logging
from typing import Any

from tap_cube.cube.client import CubeClient
from tap_cube.cube.connection import Connection
from tap_cube.cube.resources import CUSTOMERS, Crm, Subject

CRM = Crm(2, "B2B")
CUSTOMERS_OF_CRM = Subject(CUSTOMERS, CRM)
LINKS = CUSTOMERS.links(CRM)
PERSON = "Kari Nordmann"
SECRET = "t0ken"  # noqa: S105  # invented
PAGE = json.dumps({"count": 1, "next": None, "results": [{"id": 4711, "name": PERSON}]}).encode()


def client_of(origin: str, **more: Any) -> CubeClient:
    """A client that hardly waits between its attempts."""
    settings = {"timeout": 5.0, "first_delay": 0.01, "max_tries": 3, **more}
    connection = Connection(origin, f"Token {SECRET}", "tap-cube/1", **settings)
    return CubeClient(connection, logging.getLogger("tests.cube"))
