"""What Cube offers, beside customers and calls; and the forms that its answers have."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tap_cube.compat import override
from tap_cube.fields import CAMPAIGN, CUSTOM_FIELD
from tap_cube.pagination import Page
from tap_cube.records import CubeStream

if TYPE_CHECKING:
    import requests
    from singer_sdk.helpers.types import Context, Record

    from tap_cube.session import CubeResponse


class PlainListStream(CubeStream):
    """A resource that comes as one plain list. Should it ever come in pages, so be it."""

    decoder = msgspec.json.Decoder(list[dict[str, Any]] | Page[dict[str, Any]], float_hook=Decimal)

    @override
    def validate_response(self, response: requests.Response) -> None:
        super().validate_response(response)
        answer = cast("CubeResponse", response)
        if isinstance(answer.body, list):
            answer.body = Page(results=answer.body)

    @override
    def sample(self, context: Context | None) -> list[Record]:
        return self.parse_response(self.fetch(context))


class Campaigns(PlainListStream):
    """All campaigns; they also tell which CRMs there are."""

    name = "campaigns"
    path = "campaigns"
    per_crm = False
    primary_keys = ("campaign__id",)
    documented = CAMPAIGN

    @override
    def get_url_params(self, context: Context | None, next_page_token: Any) -> dict[str, Any]:
        inactive = self.config["include_inactive_campaigns"]
        return {"include_inactive_campaigns": "True"} if inactive else {}


class CustomFields(PlainListStream):
    """The definitions of the fields that each CRM has of its own."""

    name = "custom_fields"
    path = "data_owners/{data_owner_id}/{crm_type}/crm_custom_fields/"
    primary_keys = ("data_owner_id", "crm_type", "id")
    documented = CUSTOM_FIELD
