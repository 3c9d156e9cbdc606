"""All campaigns of the account. They also tell which CRMs there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_cube.compat import override
from tap_cube.cube.resources import CAMPAIGNS
from tap_cube.readers.whole import WholeReader, as_one_page
from tap_cube.schema.documented import CAMPAIGN
from tap_cube.schema.keys import Key
from tap_cube.streams.base import CubeStream
from tap_cube.streams.tables import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cube.cube.resources import Crm
    from tap_cube.readers.protocol import Reader, Request


class Campaigns(CubeStream):
    """All campaigns of the account."""

    name = "campaigns"
    is_prefetched = False  # a single request, which the account starts
    resource = CAMPAIGNS
    forms = (Form(Key(("campaign__id",), "campaign__id"), {}, CAMPAIGN),)

    @override
    def request_sample(self, crm: Crm | None) -> Request:
        """Return what takes the list from those that the account requests once per run."""
        pages = self.services.account.start_campaigns()
        return lambda _: as_one_page(pages)

    @override
    def new_reader(self, crm: Crm | None, state: Mapping[str, Any]) -> Reader:
        return WholeReader(self.services.account.start_campaigns)
