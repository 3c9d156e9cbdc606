"""The Cube account that the sandbox serves: CRMs, campaigns, credentials and behaviour.

Its attributes are either single values or lists that are encoded in one go, so that a test may
change them from its own thread while the server's thread reads. Each `Crm` has a lock.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from tap_cube.sandbox.clock import today as norwegian_today
from tap_cube.sandbox.crm import Crm
from tap_cube.sandbox.crm_specs import default_campaigns, default_specs
from tap_cube.sandbox.random_changes import RandomChanges
from tap_cube.sandbox.shapes import KEYS, Shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from tap_cube.sandbox.faults import Faults

TOKEN = "sandbox-token"  # noqa: S105 - public: it protects invented data
USERNAME = "sandbox"
PASSWORD = "pass:ordæøå"  # noqa: S105 - public: it protects invented data


class Account:
    """An account. All attributes except `shape` may be changed while it is served.

    Attributes:
        crms: The CRMs by data owner and CRM type.
        shape: The shape of the customer records.
        campaigns: The campaigns, including inactive ones.
        page_size: Records per page.
        latency: Seconds before each response.
        token: The token for `Authorization: Token`.
        username: The user for `Authorization: Basic`.
        password: The password of that user.
        faults: Which requests fail, and how.
        random_changes: Changes the customer lists while they are read.
        before_request: Called in the server's thread when a request arrives, with the number of
            the request, from 1, and its path and query. The response shows what it changes.
        requests: The method and target of each request. Of very many, only the last ones are kept.
            May be cleared.
        address: The loopback address and the port to serve at; port 0 picks a free one.
    """

    before_request: Callable[[int, str], None] | None = None

    def __init__(  # noqa: PLR0913 - the options of the command line
        self,
        *,
        customers: int = 5000,
        page_size: int = 50,
        latency: float = 0.0,
        seed: int = 0,
        token: str = TOKEN,
        username: str = USERNAME,
        password: str = PASSWORD,
        faults: Faults | None = None,
        restless: float = 0.0,
        shape: Shape = "flat",
        today: date | None = None,
        outcomes: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if not _is_loopback(host):
            raise ValueError(f"{host} is not a loopback address such as 127.0.0.1")
        if shape not in KEYS:
            raise ValueError(f"unknown shape {shape!r}: use {' or '.join(KEYS)}")
        self.shape: Shape = shape
        self.page_size = page_size
        self.latency = latency
        self.token = token
        self.username = username
        self.password = password
        self.faults = faults
        self.random_changes = RandomChanges(restless, seed) if restless else None
        self.address = (host, port)
        self.requests: list[tuple[str, str]] = []
        self._today = today
        self.campaigns = default_campaigns()
        self.crms = {
            (spec.owner, spec.crm_type): Crm(
                spec,
                [
                    campaign
                    for campaign in self.campaigns
                    if campaign["data_owner__id"] == spec.owner
                    and campaign["campaign__crm_type"] == spec.crm_type
                ],
                seed=seed,
                shape=shape,
                today=self.today,
            )
            for spec in default_specs(customers, outcomes)
        }

    @property
    def today(self) -> date:
        """The default day of dated lists: the one that was set, or Norway's current one."""
        return self._today or norwegian_today()

    @today.setter
    def today(self, day: date | None) -> None:
        self._today = day


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
