"""What Cube offers: one small class per resource."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from singer_sdk import typing as th
from singer_sdk.exceptions import FatalAPIError

from tap_cube.compat import override
from tap_cube.errors import NotFoundError
from tap_cube.pagination import Page, spread
from tap_cube.progress import Distinct, Progress
from tap_cube.reading import in_order
from tap_cube.records import CubeStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import requests
    from singer_sdk.helpers.types import Context, Record

    from tap_cube import schema as js
    from tap_cube.session import CubeResponse
    from tap_cube.tap import TapCube


def _documented(*properties: th.Property[Any]) -> dict[str, Any]:
    return dict(th.PropertiesList(*properties).to_dict()["properties"])


def _text(name: str, description: str) -> th.Property[Any]:
    return th.Property(name, th.StringType, description=description)


# The fields that a customer has in the list as well as in a record of its own
_CUSTOMER = (
    th.Property("id", th.IntegerType, required=True, description="Cube's id of the customer"),
    th.Property("crm_type_id", th.IntegerType, description="Cube's id of the CRM"),
    _text("name", "Name of the person or the company"),
    _text("gender", "Gender"),
    th.Property("birth_date", th.DateType, description="Date of birth"),
    _text("need_to_know", "What a caller needs to know"),
    _text("care_of_name", "Care of"),
    _text("zone_name", "Sales zone"),
    _text("address_street", "Street"),
    th.Property("address_street_no", th.IntegerType, description="House number"),
    _text("address_entrance", "Entrance, the letter behind the house number"),
    _text("zip_code", "Postal code, with its leading zeros"),
    _text("city", "Postal town"),
    _text("municipality", "Municipality"),
    _text("county", "County"),
    _text("country", "Country"),
    _text("phone_1", "First telephone number"),
    _text("phone_2", "Second telephone number"),
    _text("phone_3", "Third telephone number"),
    _text("email", "E-mail address"),
    _text("company", "Company"),
)


class PagedStream(CubeStream):
    """A resource that comes in pages."""

    decoder = msgspec.json.Decoder(Page, float_hook=Decimal)


class PlainListStream(CubeStream):
    """A resource that comes as one plain list. Should it ever come in pages, so be it."""

    decoder = msgspec.json.Decoder(list[dict[str, Any]] | Page, float_hook=Decimal)

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
    documented = _documented(
        th.Property("campaign__id", th.IntegerType, required=True, description="Cube's id"),
        _text("campaign__name", "Name of the campaign"),
        th.Property("campaign__start_date", th.DateType, description="First day"),
        th.Property("campaign__end_date", th.DateType, description="Last day"),
        th.Property("campaign__archived_date", th.DateType, description="Day of archiving"),
        th.Property("campaign__is_active", th.BooleanType, description="Whether it is active"),
        _text("campaign__crm_type", "Type of the CRM that it works on"),
        th.Property("service__id", th.IntegerType, description="Id of the service"),
        _text("service__name", "Name of the service"),
        th.Property("data_owner__id", th.IntegerType, description="Id of the data owner"),
        _text("data_owner__name", "Name of the data owner"),
    )

    @override
    def get_url_params(self, context: Context | None, next_page_token: Any) -> dict[str, Any]:
        inactive = self.config["include_inactive_campaigns"]
        return {"include_inactive_campaigns": "True"} if inactive else {}


class CustomFields(PlainListStream):
    """The definitions of the fields that each CRM has of its own."""

    name = "custom_fields"
    path = "data_owners/{data_owner_id}/{crm_type}/crm_custom_fields/"
    primary_keys = ("data_owner_id", "crm_type", "id")
    documented = _documented(
        th.Property("id", th.IntegerType, required=True, description="Cube's id of the field"),
        _text("key", "Label of the field: its name in `customers`"),
        _text("type", "Type of its values"),
        th.Property("max_length", th.IntegerType, description="Length limit of its values"),
        _text("hint", "Hint for those who fill it in"),
        _text("lookup__id", "Name of the field in accounts whose fields start with `crm__`"),
    )


class Customers(PagedStream):
    """The customers of each CRM, with the fields that the CRM has of its own."""

    name = "customers"
    path = "data_owners/{data_owner_id}/crm/{crm_type}/customers/"
    other_path: ClassVar[str] = "data_owners/{data_owner_id}/{crm_type}/customers/"
    primary_keys = ("data_owner_id", "crm_type", "id")
    essential = True
    documented = _documented(
        _CUSTOMER[0],
        th.Property("customer_id", th.IntegerType, description="Number of the customer"),
        *_CUSTOMER[1:],
    )

    def __init__(self, tap: TapCube) -> None:
        super().__init__(tap)
        #: The ids of the customers that discovery saw, by CRM.
        self.sampled_ids: dict[tuple[Any, ...], list[Any]] = {}

    @override
    def sample(self, context: Context | None) -> list[Record]:
        records = super().sample(context)
        field = self.config["customer_id_field"]
        self.sampled_ids[crm_of(context)] = [record[field] for record in records if field in record]
        return records

    def ids(self, records: Iterable[Record]) -> list[Any]:
        """What goes into the URLs of these customers."""
        field = self.config["customer_id_field"]
        ids = [record.get(field) for record in records]
        if any(id_ in (None, "") for id_ in ids):
            msg = f"a customer has no `{field}`, which the setting `customer_id_field` names"
            raise FatalAPIError(msg)
        return ids

    @override
    def defined(self, context: Context | None) -> dict[str, js.Property]:
        return self.tap.defined_fields(context)

    @override
    def read(self, context: Context | None) -> Iterator[CubeResponse]:
        """The list, from where an interrupted read stood; once more if customers are missing."""
        progress = Progress(self.get_context_state(context), "id", self._stream_version)
        reader = self.reader(context)
        resumed = progress.resume(reader)
        if resumed:
            self.logger.info("%sgoing on from page %s", self.label(context), reader.page_number)
        seen = Distinct()
        for attempt in range(2):
            count = None
            for response in reader:
                yield response
                progress.update(response.body, reader.page_number, reader.reach)
                seen.update(record["id"] for record in self.parse_response(response))
                count = response.body.count
            if reader.gave_up:
                self._complete = False
                self.logger.warning(
                    "%sthe number of customers goes up and down with each answer, so that nobody "
                    "can tell whether all were read",
                    self.label(context),
                )
            if resumed or count is None or len(seen) >= count:
                break
            self._warn_of_missing(context, len(seen), count, last=attempt == 1)
            reader = self.reader(context)
        progress.finish()

    def _warn_of_missing(
        self, context: Context | None, seen: int, count: int, *, last: bool
    ) -> None:
        self._complete = self._complete and not last
        self.logger.warning(
            "%sCube counts %d customers, but lists %d different ones%s",
            self.label(context),
            count,
            seen,
            "" if last else ": reading the list once more",
        )


class CustomerDetails(CubeStream):
    """The record of one customer at a time, which may hold more than the list does."""

    name = "customer_details"
    path = f"{Customers.path}{{id}}"
    other_path = f"{Customers.other_path}{{id}}"
    selected_by_default = False
    primary_keys = Customers.primary_keys
    documented = _documented(
        *_CUSTOMER,
        th.Property("external_customer_id", th.IntegerType, description="Number of the customer"),
    )
    decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
    #: Records read for discovery, each by a request of its own.
    sample_limit: ClassVar[int] = 50

    def __init__(self, tap: TapCube) -> None:
        super().__init__(tap)
        self._not_found = dict.fromkeys(self.config.get("customer_ids", ()), 0)

    @override
    def defined(self, context: Context | None) -> dict[str, js.Property]:
        return self.tap.defined_fields(context)

    @override
    def sample(self, context: Context | None) -> list[Record]:
        ids = list(self._not_found) or self.tap.customers.sampled_ids.get(crm_of(context), [])
        limit = min(self.config["sample_size"], self.sample_limit)
        chosen = [ids[i] for i in spread(len(ids), limit)]
        return [answer.body for answer in self._ask_for(chosen, context) if answer]

    @override
    def pages(self, context: Context | None) -> Iterator[CubeResponse]:
        if not self._not_found:
            yield from filter(None, self._ask_for(self._listed_ids(context), context))
            return
        for customer_id, answer in zip(
            self._not_found, self._ask_for(self._not_found, context), strict=True
        ):
            if answer:
                yield answer
            else:
                self._not_found[customer_id] += 1
        if context == self.tap.crms[-1]:
            self._report_not_found()

    def _listed_ids(self, context: Context | None) -> Iterator[Any]:
        for response in self.tap.customers.pages(context):
            yield from self.tap.customers.ids(response.body.results or ())

    def _ask_for(
        self, ids: Iterable[Any], context: Context | None
    ) -> Iterator[CubeResponse | None]:
        """The customers with these ids, `None` for each that is not, or no longer, there."""
        ask = partial(self._ask_for_one, context)
        return in_order(self.tap.pool, ask, ids, self.config["concurrency"])

    def _ask_for_one(self, context: Context | None, customer_id: Any) -> CubeResponse | None:
        with suppress(NotFoundError):
            return self.fetch({**(context or {}), "id": customer_id})
        return None

    def _report_not_found(self) -> None:
        crms = len(self.tap.crms)
        missing = [
            str(position)
            for position, misses in enumerate(self._not_found.values(), 1)
            if misses == crms
        ]
        if missing:
            # By position: an id tells who somebody's customer is
            msg = (
                "The setting `customer_ids` names customers that no CRM read here has: "
                f"{'entry' if len(missing) == 1 else 'entries'} {', '.join(missing)} "
                f"of {len(self._not_found)}"
            )
            self.fail(FatalAPIError(msg))

    @override
    def parse_response(self, response: requests.Response) -> list[Record]:
        return [cast("CubeResponse", response).body]


def crm_of(context: Context | None) -> tuple[Any, ...]:
    """What identifies a CRM, fit for a dictionary's key."""
    return tuple((context or {}).values())
