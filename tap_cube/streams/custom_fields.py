"""The definitions of the fields that each CRM has of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from tap_cube.compat import override
from tap_cube.cube.resources import CUSTOM_FIELDS
from tap_cube.readers.whole import WholeReader, as_one_page
from tap_cube.schema.documented import CRM_COLUMNS, CUSTOM_FIELD
from tap_cube.schema.keys import Key
from tap_cube.streams.base import CubeStream
from tap_cube.streams.tables import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cube.cube.resources import Crm
    from tap_cube.readers.protocol import Reader, Request


class CustomFields(CubeStream):
    """The definitions of the fields that each CRM has of its own."""

    name = "custom_fields"
    is_prefetched = False  # a single request, which the account starts
    resource = CUSTOM_FIELDS
    forms = (Form(Key((*CRM_COLUMNS, "id"), "id"), CRM_COLUMNS, CUSTOM_FIELD),)

    @override
    def request_sample(self, crm: Crm | None) -> Request:
        """Return what takes the list from those that the account requests once per run."""
        pages = self.services.account.start_definitions(cast("Crm", crm))
        return lambda _: as_one_page(pages)

    @override
    def new_reader(self, crm: Crm | None, state: Mapping[str, Any]) -> Reader:
        return WholeReader(partial(self.services.account.start_definitions, cast("Crm", crm)))
