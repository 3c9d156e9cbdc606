"""The record of each customer, which may have more fields than the list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tap_cube.compat import override
from tap_cube.cube.resources import CUSTOMER_DETAILS, Subject
from tap_cube.errors import CubeError
from tap_cube.readers.lists import ListReader
from tap_cube.readers.singles import Arrivals, ChosenReader, ListedReader, known_ids
from tap_cube.schema.documented import SINGLE_CUSTOMER
from tap_cube.schema.rows import as_dict, column
from tap_cube.streams.base import CubeStream
from tap_cube.streams.bookmarks import READING
from tap_cube.streams.customers import customer_forms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from singer_sdk import Tap

    from tap_cube.cube.pages import Page
    from tap_cube.cube.resources import Crm
    from tap_cube.readers.protocol import Reader
    from tap_cube.streams.customers import Customers
    from tap_cube.streams.services import Services
    from tap_cube.streams.tables import Form


class CustomerDetails(CubeStream):
    """The record of each customer, which may have more fields than the list."""

    name = "customer_details"
    resource = CUSTOMER_DETAILS
    selected_by_default = False
    # A CRM has more requests than there are workers, and STATE would know of none until its turn
    is_prefetched = False
    forms = customer_forms(SINGLE_CUSTOMER)

    def __init__(self, tap: Tap, services: Services, customers: Customers) -> None:
        super().__init__(tap, services)
        self._customers = customers
        self._chosen: list[ChosenReader] = []

    @override
    def likely_forms(self) -> Sequence[Form]:
        return self.forms[::-1] if self._customers.form.prefixed else self.forms

    @override
    def samples(self) -> Iterator[tuple[Crm | None, Sequence[Page]]]:
        """Yield nothing but the CRMs: each single customer would be a request."""
        for crm in self.services.account.crms():
            yield crm, []

    @override
    def conclude(self) -> Iterator[CubeError]:
        if not self._chosen:
            return
        missing = sorted(set.intersection(*(reader.missing for reader in self._chosen)))
        if missing:
            # By position: an id tells who is a customer
            entries = "entry" if len(missing) == 1 else "entries"
            positions = ", ".join(str(position + 1) for position in missing)
            yield CubeError(
                "the setting `customer_ids` names customers that no CRM read here has: "
                f"{entries} {positions} of {len(self.config['customer_ids'])}"
            )

    @override
    def new_reader(self, crm: Crm | None, state: Mapping[str, Any]) -> Reader:
        one = partial(self._request_one, crm)
        concurrency = self.services.concurrency
        if "customer_ids" in self.config:
            reader = ChosenReader(self.config["customer_ids"], one, concurrency=concurrency)
            self._chosen.append(reader)
            return reader
        arrivals = Arrivals(self._customers.request(crm))
        listed = ListReader(
            arrivals.request,
            lambda page: list(column(page.records, str(self.form.key.field))),
            concurrency=1,
            ascending=not self.form.prefixed,
            resume=state.get(READING),
        )
        return ListedReader(listed, self._ids, one, arrivals=arrivals, concurrency=concurrency)

    @property
    def _id_field(self) -> str:
        """The field of the list that goes into the URL of a single customer."""
        return str(self.config.get("customer_id_field") or self.form.key.field)

    def _ids(self, page: Page) -> Sequence[Any]:
        """Return the ids of a list's customers, without anonymised ones."""
        records = self.form.key.identified([as_dict(record) for record in page.records])
        return known_ids([record.get(self._id_field) for record in records], self._id_field)

    def _request_one(self, crm: Crm | None, customer_id: Any) -> Future[Page]:
        links = CUSTOMER_DETAILS.links(crm, id=customer_id)
        client = self.services.client
        return client.submit(client.get_single, Subject(CUSTOMER_DETAILS, crm), links)
