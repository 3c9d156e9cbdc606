"""The customers: the lists of them, and the record of each."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from singer_sdk.exceptions import FatalAPIError

from tap_cube.compat import override
from tap_cube.errors import NotFoundError
from tap_cube.fields import LISTED_CUSTOMER, PREFIXED_CUSTOMER, SINGLE_CUSTOMER
from tap_cube.pagination import spread
from tap_cube.progress import Distinct, Progress
from tap_cube.reading import in_order
from tap_cube.records import CubeStream
from tap_cube.rows import values
from tap_cube.table import CRM_PROPERTIES, crm_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import requests
    from singer_sdk.helpers.types import Context, Record

    from tap_cube.session import CubeResponse
    from tap_cube.tap import TapCube

#: What customers are told apart by, in flat and in prefixed records.
FLAT_KEY = "id"
PREFIXED_KEY = "crm__customer_id"


class CustomerStream(CubeStream):
    """A stream of customers, whose records are flat or prefixed: the first look tells."""

    primary_keys = (*CRM_PROPERTIES, FLAT_KEY)
    has_defined_fields = True
    #: The documented fields of flat records.
    flat: ClassVar[Mapping[str, Any]]

    @property
    def key(self) -> str:
        """What customers are told apart by."""
        return PREFIXED_KEY if PREFIXED_KEY in self.primary_keys else FLAT_KEY

    @property
    @override
    def prefixed(self) -> bool:
        return self.key == PREFIXED_KEY

    @property
    @override
    def documented(self) -> Mapping[str, Any]:
        return PREFIXED_CUSTOMER if self.prefixed else self.flat

    @property
    def id_field(self) -> str:
        """The field that goes into the URL of a single customer."""
        return str(self.config.get("customer_id_field") or self.key)


class Customers(CustomerStream):
    """The customers of each CRM, with the fields that the CRM has of its own."""

    name = "customers"
    path = "data_owners/{data_owner_id}/crm/{crm_type}/customers/"
    other_path: ClassVar[str] = "data_owners/{data_owner_id}/{crm_type}/customers/"
    essential = True
    as_rows = True
    flat = LISTED_CUSTOMER

    def __init__(self, tap: TapCube) -> None:
        super().__init__(tap)
        #: The customers that discovery saw, by CRM.
        self.sampled: dict[tuple[Any, ...], list[Record]] = {}

    @override
    def look_at(self, sample: list[Record]) -> None:
        is_flat = any(FLAT_KEY in record for record in sample)
        is_prefixed = any(PREFIXED_KEY in record for record in sample)
        if not is_flat and (is_prefixed or (not sample and self.path == self.other_path)):
            self.primary_keys = (*CRM_PROPERTIES, PREFIXED_KEY)

    @override
    def sample(self, context: Context | None) -> list[Record]:
        records = super().sample(context)
        self.sampled[crm_of(context)] = records
        return records

    @override
    def parse_response(self, response: requests.Response) -> list[Record]:
        """The customers of a page, but not the anonymised ones, who lack the imported id."""
        records = super().parse_response(response)
        if self.prefixed:
            return [record for record in records if record.get(PREFIXED_KEY) not in {None, ""}]
        return records

    @override
    def read(self, context: Context | None) -> Iterator[CubeResponse]:
        """The list, from where an interrupted read stood; once more if customers are missing."""
        progress = Progress(self.get_context_state(context), self.key, self._stream_version)
        reader = self.reader(context)
        resumed = progress.resume(reader)
        before = 0
        if resumed:
            self.logger.info("%sgoing on from page %s", self.label(context), reader.page_number)
            before = reader.records_before
            self.meter.skip(before)
        seen = Distinct()
        for attempt in range(2):
            count = None
            anonymous = 0
            for response in reader:
                yield response
                progress.update(response.body, reader.page_number, reader.reach)
                keys = values(response.body.results or (), self.key)
                known = [key for key in keys if key not in {None, ""}]
                seen.update(known)
                anonymous += len(keys) - len(known)
                count = response.body.count
                self.meter.reach(before + len(seen) + anonymous, count)
            if reader.gave_up:
                self._complete = False
                self.logger.warning(
                    "%sthe number of customers goes up and down with each answer, so that nobody "
                    "can tell whether all were read",
                    self.label(context),
                )
            if resumed or count is None or len(seen) + anonymous >= count:
                break
            self._warn_of_missing(context, len(seen) + anonymous, count, last=attempt == 1)
            reader = self.reader(context)
        if anonymous:
            self.logger.warning(
                "%s%d customers have no `%s`, as anonymised ones do: they are left out, as no "
                "table could tell them apart",
                self.label(context),
                anonymous,
                self.key,
            )
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


class CustomerDetails(CustomerStream):
    """The record of one customer at a time, which may hold more than the list does."""

    name = "customer_details"
    path = f"{Customers.path}{{id}}"
    other_path = f"{Customers.other_path}{{id}}"
    selected_by_default = False
    flat = SINGLE_CUSTOMER
    decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
    #: Records read for discovery, each by a request of its own.
    sample_limit: ClassVar[int] = 50

    def __init__(self, tap: TapCube) -> None:
        super().__init__(tap)
        self._not_found = dict.fromkeys(self.config.get("customer_ids", ()), 0)
        self._expected: int | None = None

    @override
    def look_at(self, sample: list[Record]) -> None:
        self.primary_keys = self.tap.customers.primary_keys

    @override
    def sample(self, context: Context | None) -> list[Record]:
        listed = self.tap.customers.sampled.get(crm_of(context), [])
        ids = list(self._not_found) or [r[self.id_field] for r in listed if self.id_field in r]
        limit = min(self.config["sample_size"], self.sample_limit)
        chosen = [ids[i] for i in spread(len(ids), limit)]
        return [answer.body for answer in self._ask_for(chosen, context) if answer]

    @override
    def read(self, context: Context | None) -> Iterator[CubeResponse]:
        self._expected = len(self._not_found) or None
        for done, response in enumerate(self.pages(context), 1):
            yield response
            self.meter.reach(done, self._expected)

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
            self._expected = response.body.count
            for record in self.tap.customers.parse_response(response):
                if record.get(self.id_field) in {None, ""}:
                    msg = (
                        f"a customer has no `{self.id_field}`, which the setting "
                        "`customer_id_field` names"
                    )
                    raise FatalAPIError(msg)
                yield record[self.id_field]

    def _ask_for(
        self, ids: Iterable[Any], context: Context | None
    ) -> Iterator[CubeResponse | None]:
        """The customers with these ids, `None` for each that is not, or no longer, there."""
        ask = partial(self._ask_for_one, context)
        return in_order(self.tap.pool, ask, ids, self.window)

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
