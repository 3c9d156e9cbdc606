"""What all streams share."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cube.cube.account import Account
    from tap_cube.cube.client import CubeClient
    from tap_cube.errors import CubeError
    from tap_cube.output.writer import MessageWriter


@dataclass(frozen=True)
class Runtime:
    """The clock of a run, and its intervals.

    Attributes:
        now: When the run began, for all that depends on the date.
        state_interval: Seconds between two STATE messages in mid-read.
        log_interval: Seconds between two lines of progress.
        first_delay: Seconds before the second attempt of a request.
        window_days: Days of events that are requested at a time.
    """

    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.timezone.utc))
    state_interval: float = 5.0
    log_interval: float = 10.0
    first_delay: float = 1.0
    window_days: int = 7


@dataclass(frozen=True)
class Services:
    """What all streams share.

    Attributes:
        client: Sends requests.
        account: The CRMs, and the definitions of their own fields.
        writer: Writes messages.
        runtime: Clock and intervals.
        catalog_columns: What the catalog's metadata remembers of columns, by stream.
        failures: What failed so far.
        undiscovered: What failed in discovery, by stream. It is tried again when it is read.
    """

    client: CubeClient
    account: Account
    writer: MessageWriter
    runtime: Runtime
    catalog_columns: Mapping[str, Any] = field(default_factory=dict)
    failures: list[CubeError] = field(default_factory=list)
    undiscovered: dict[str, list[CubeError]] = field(default_factory=dict)

    @property
    def concurrency(self) -> int:
        """Maximum requests in flight."""
        return self.client.connection.concurrency

    @property
    def crms_ahead(self) -> int:
        """Maximum number of CRMs whose requests are started before their turn."""
        return 2 * self.concurrency

    @property
    def records_ahead(self) -> int:
        """Maximum number of a CRM's records that are read before its turn."""
        return 500
