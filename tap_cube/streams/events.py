"""Events of calls, such as outcomes and sales, read by windows of days."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tap_cube.compat import override
from tap_cube.readers import days
from tap_cube.readers.row_keys import MINUTE, EventIdentity
from tap_cube.readers.timeline import Timeline
from tap_cube.schema.documented import KEYED_COLUMNS
from tap_cube.schema.keys import ROW_KEY, Key
from tap_cube.schema.rows import column
from tap_cube.streams.base import CubeStream
from tap_cube.streams.tables import Form

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from singer_sdk import Tap

    from tap_cube.cube.resources import Crm, Resource
    from tap_cube.readers.days import Window
    from tap_cube.readers.protocol import Reader, Request
    from tap_cube.streams.services import Services

BOOKMARK = "replication_key_value"


class Events(CubeStream):
    """Events of calls, read by windows of days.

    Args:
        tap: The tap.
        services: What all streams share.
        resource: The resource, which also names the stream.
        documented: JSON Schema of its documented fields.
    """

    replication_key = MINUTE
    # Bookmarks are days. The SDK would compare them with values of the column
    is_timestamp_replication_key = False
    unit = "days"

    def __init__(
        self,
        tap: Tap,
        services: Services,
        resource: Resource,
        documented: Mapping[str, dict[str, Any]],
    ) -> None:
        self.name = resource.name
        self.resource = resource
        self.forms = (Form(Key((ROW_KEY,)), KEYED_COLUMNS, documented, has_defined_fields=True),)
        super().__init__(tap, services)

    @override
    def new_reader(self, crm: Crm | None, state: Mapping[str, Any]) -> Reader:
        first, warning = self._first_day(state)
        if warning:
            self.logger.warning("CRM %s, %s: %s", crm, self.name, warning)
        runtime = self.services.runtime
        return Timeline(
            list(days.to_read(first, runtime.now, runtime.window_days)),
            days.last_day_over(runtime.now),
            partial(self._request_days, crm),
            EventIdentity(crm or (), column),
            concurrency=self.services.concurrency,
        )

    def _first_day(self, state: Mapping[str, Any]) -> days.FirstDay:
        return days.first_day(
            state.get(BOOKMARK) if self._is_incremental else None,
            days.today(self.services.runtime.now),
            self.config["lookback_days"],
            self._start_date,
        )

    @override
    def introduce(self, crms: Sequence[Crm | None]) -> None:
        """Log from which day on the events are read: one line for all CRMs with the same reason."""
        begun = f"`start_date`{'' if self._start_date else ' is not set'}"
        firsts: dict[str, list[dt.date]] = {}
        for crm in crms:
            state = self._state_of(crm)
            is_next = self._is_incremental and state.get(BOOKMARK)
            reason = "where the last run stood" if is_next else begun
            firsts.setdefault(reason, []).append(self._first_day(state).day)
        for reason, all_days in firsts.items():
            number = f"{len(all_days)} CRM{'s' if len(all_days) > 1 else ''}"
            first, last = min(all_days), max(all_days)
            span = f"{first}" if first == last else f"{first} to {last}"
            self.logger.info("%s: reading %s from %s on (%s)", self.name, number, span, reason)

    @property
    def _is_incremental(self) -> bool:
        return self.replication_method == "INCREMENTAL"

    @property
    def _start_date(self) -> dt.date | None:
        return days.parse(self.config.get("start_date", ""))

    def _request_days(self, crm: Crm | None, window: Window) -> Request:
        query = {"from_date": f"{window.first:%Y%m%d}", "to_date": f"{window.last:%Y%m%d}"}
        return self.request(crm, query)

    @override
    def request_sample(self, crm: Crm | None) -> Request:
        today = days.today(self.services.runtime.now)
        start = self._start_date or days.shifted(today, -days.DEFAULT_DAYS)
        return self._request_days(crm, days.Window(start, today))

    @override
    def bookmark(self, reader: Reader) -> Mapping[str, Any]:
        """Return the last day until which all days were read completely."""
        if reader.read_to is None or not self._is_incremental:
            return {}
        return {"replication_key": self.replication_key, BOOKMARK: str(reader.read_to)}
