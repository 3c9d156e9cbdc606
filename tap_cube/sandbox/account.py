"""The Cube account that the sandbox serves: CRMs, campaigns, credentials and behaviour.

Its attributes are either single values or lists that are encoded in one go, so that a test may
change them from its own thread while the server's thread reads. Each `Crm` has a lock.
"""

from __future__ import annotations

from collections import defaultdict
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from tap_cube.sandbox.clock import today as norwegian_today
from tap_cube.sandbox.crm import Crm
from tap_cube.sandbox.crm_specs import (
    default_campaigns,
    default_specs,
    small_campaigns,
    small_specs,
)
from tap_cube.sandbox.random_changes import RandomChanges
from tap_cube.sandbox.shapes import KEYS, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from tap_cube.sandbox.crm_specs import CrmSpec
    from tap_cube.sandbox.faults import Faults

    Record = dict[str, Any]

TOKEN = "sandbox-token"  # noqa: S105 - public: it protects invented data
USERNAME = "sandbox"
PASSWORD = "pass:ordæøå"  # noqa: S105 - public: it protects invented data


class Account:
    """An account. All attributes except `shape` may be changed while it is served.

    Args:
        customers: The number of customers of the CRM 2/B2B; the three others have fewer. With
            `crms`, the maximum for each CRM.
        seed: Determines all random choices.
        restless: The share of responses with a customer list before which it is changed, 0 to 1.
        outcomes: The number of call outcomes of the CRM 2/B2B within the last 60 days, by default
            as many as customers, but at most 600. With `crms`, the number of each CRM, by default
            10. There are a fifth as many product registrations.
        crms: The number of CRMs of 50 to 500 customers, instead of the default four CRMs.
        host: A loopback address to serve at.
        port: The port to serve at; 0 picks a free one.

    Attributes:
        crms: The CRMs by data owner and CRM type.
        shape: The shape of the customer records.
        campaigns: The campaigns, including inactive ones.
        page_size: Records per page.
        latency: Seconds before each response.
        quota: Maximum requests per second; the response to others is 429 with `Retry-After`. None
            for no limit.
        token: The token for `Authorization: Token`.
        username: The user for `Authorization: Basic`.
        password: The password of that user.
        faults: Which requests fail, and how.
        random_changes: Changes the customer lists while they are read.
        before_request: Called in the server's thread when a request arrives, with the number of
            the request, from 1, and its path and query. Of several requests in flight, none that
            waits for `latency` or a slow fault has a response yet.
        before_response: Called in the server's thread immediately before a response is made, with
            the number of the response, from 1, and the path and query of its request. What it
            changes falls between two responses, however many requests are in flight. Requests
            that are rejected (401, 429) or reset do not count.
        requests: The method and target of each request. Of very many, only the last ones are kept.
            May be cleared.
        peak_in_flight: The maximum number of requests in flight so far. May be set to 0.
        address: `host` and `port`.
    """

    before_request: Callable[[int, str], None] | None = None
    before_response: Callable[[int, str], None] | None = None

    def __init__(  # noqa: PLR0913 - the options of the command line
        self,
        *,
        customers: int = 5000,
        page_size: int = 50,
        latency: float = 0.0,
        quota: float | None = None,
        seed: int = 0,
        token: str = TOKEN,
        username: str = USERNAME,
        password: str = PASSWORD,
        faults: Faults | None = None,
        restless: float = 0.0,
        shape: Shape = "flat",
        today: date | None = None,
        outcomes: int | None = None,
        crms: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if not _is_loopback(host):
            raise ValueError(f"{host} is not a loopback address such as 127.0.0.1")
        if shape not in KEYS:
            raise ValueError(f"unknown shape {shape!r}: use {' or '.join(KEYS)}")
        if quota is not None and quota <= 0:
            raise ValueError(f"the quota must be more than 0 requests per second, not {quota}")
        self.shape: Shape = shape
        self.page_size = page_size
        self.latency = latency
        self.quota = quota
        self.token = token
        self.username = username
        self.password = password
        self.faults = faults
        self.random_changes = RandomChanges(restless, seed) if restless else None
        self.address = (host, port)
        self.requests: list[tuple[str, str]] = []
        self.peak_in_flight = 0
        self._today = today
        if crms is None:
            specs, self.campaigns = default_specs(customers, outcomes), default_campaigns()
        else:
            specs = small_specs(crms, customers, outcomes, seed)
            self.campaigns = small_campaigns(specs)
        self.crms = {
            (spec.owner, spec.crm_type): Crm(
                spec, campaigns, seed=seed, shape=shape, today=self.today
            )
            for spec, campaigns in _with_campaigns(specs, self.campaigns)
        }

    @property
    def today(self) -> date:
        """The default day of dated lists: the one that was set, or Norway's current one."""
        return self._today or norwegian_today()

    @today.setter
    def today(self, day: date | None) -> None:
        self._today = day


def _with_campaigns(
    specs: list[CrmSpec], campaigns: list[Record]
) -> Iterator[tuple[CrmSpec, list[Record]]]:
    by_crm: defaultdict[tuple[int, str], list[Record]] = defaultdict(list)
    for campaign in campaigns:
        by_crm[campaign["data_owner__id"], campaign["campaign__crm_type"]].append(campaign)
    for spec in specs:
        yield spec, by_crm[spec.owner, spec.crm_type]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
