"""A tap as the template of singer-sdk makes one: each hook as its own documentation shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import APIKeyAuthenticator
from singer_sdk.pagination import BaseHATEOASPaginator
from typing_extensions import override

if TYPE_CHECKING:
    from urllib.parse import ParseResult

    import requests
    from singer_sdk.helpers.types import Context

INTEGERS = ("id", "customer_id", "crm_type_id", "address_street_no")
STRINGS = (
    *("name", "gender", "birth_date", "need_to_know", "care_of_name", "zone_name"),
    *("address_street", "address_entrance", "zip_code", "city", "municipality", "county"),
    *("country", "phone_1", "phone_2", "phone_3", "email", "company", "active products"),
    *("gen info 1", "gen info 2", "gen info 3", "gen info 5", "gen date 2"),
    *("Kontaktperson på møte", "Bransje/næring"),
)


class NextLink(BaseHATEOASPaginator):
    @override
    def get_next_url(self, response: requests.Response) -> str | None:
        link: str | None = response.json().get("next")
        return link


class CustomersStream(RESTStream["ParseResult"]):
    name = "customers"
    path = "/api/v1/data_owners/2/crm/B2B/customers/"
    primary_keys = ("id",)
    records_jsonpath = "$.results[*]"
    schema = th.PropertiesList(
        *(th.Property(name, th.IntegerType) for name in INTEGERS),
        *(th.Property(name, th.StringType) for name in STRINGS),
    ).to_dict()

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["url"])

    @property
    @override
    def authenticator(self) -> APIKeyAuthenticator:
        return APIKeyAuthenticator(key="Authorization", value=f"Token {self.config['token']}")

    @override
    def get_new_paginator(self) -> NextLink:
        return NextLink()

    @override
    def get_url_params(
        self, context: Context | None, next_page_token: ParseResult | None
    ) -> dict[str, Any]:
        return dict(parse_qsl(next_page_token.query)) if next_page_token else {}


class TapPlain(Tap):
    name = "tap-plain"
    config_jsonschema = th.PropertiesList(
        th.Property("url", th.StringType, required=True),
        th.Property("token", th.StringType, required=True, secret=True),
    ).to_dict()

    @override
    def discover_streams(self) -> list[CustomersStream]:
        return [CustomersStream(self)]


if __name__ == "__main__":
    TapPlain.cli()
