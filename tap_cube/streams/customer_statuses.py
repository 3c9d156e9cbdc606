"""Where each customer stands in each campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_cube.compat import override
from tap_cube.cube.resources import CUSTOMER_STATUSES
from tap_cube.readers.row_keys import StatusIdentity
from tap_cube.readers.statuses import StatusReader
from tap_cube.schema.documented import CUSTOMER_STATUS, KEYED_COLUMNS
from tap_cube.schema.keys import ROW_KEY, Key
from tap_cube.schema.rows import column
from tap_cube.streams.base import CubeStream
from tap_cube.streams.tables import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cube.cube.resources import Crm
    from tap_cube.readers.protocol import Reader


class CustomerStatuses(CubeStream):
    """Where each customer stands in each campaign."""

    name = "customer_statuses"
    resource = CUSTOMER_STATUSES
    forms = (Form(Key((ROW_KEY,)), KEYED_COLUMNS, CUSTOMER_STATUS, has_defined_fields=True),)

    @override
    def new_reader(self, crm: Crm | None, state: Mapping[str, Any]) -> Reader:
        return StatusReader(
            self.request(crm),
            StatusIdentity(crm or (), column),
            concurrency=self.services.concurrency,
        )
