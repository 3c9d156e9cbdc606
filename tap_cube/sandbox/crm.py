"""A CRM of the sandbox: customers, field definitions, and events.

Tests change a CRM from their own thread while the server's thread reads. One lock guards it, and
lists that are handed out never change afterwards.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from operator import itemgetter
from threading import RLock
from typing import TYPE_CHECKING, Any

from tap_cube.sandbox.clock import local
from tap_cube.sandbox.crm_specs import CrmSpec, definitions
from tap_cube.sandbox.invented_customers import invent_customers, invent_details
from tap_cube.sandbox.invented_events import EventInventor
from tap_cube.sandbox.json_codec import decode, decode_exactly, encode, split
from tap_cube.sandbox.shapes import KEYS, Shape, note_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime

    Record = dict[str, Any]

_DAY = itemgetter(0)


class Crm:
    """A CRM. Each record is kept as JSON. Changes take effect at once, also between two pages.

    Args:
        spec: What it contains at the start. Customers and events are invented at the first use.
        campaigns: Its campaigns.
        seed: Determines all random choices.
        shape: The shape of the customer records.
        today: The last day with events.

    Attributes:
        definitions: The custom field definitions.
        key_field: The field that identifies a customer.
        note_field: A field for notes that change often.
    """

    def __init__(
        self,
        spec: CrmSpec,
        campaigns: Iterable[Mapping[str, Any]],
        *,
        seed: int,
        shape: Shape,
        today: date,
    ) -> None:
        self.definitions = definitions(spec)
        self.key_field = KEYS[shape]
        self.note_field = note_field(spec, shape)
        self._spec, self._seed, self._shape = spec, seed, shape
        self._lock = RLock()
        self._invented = invent_customers(spec, seed, shape)
        self._has_customers = self._has_events = False
        self._rows: dict[str, bytes] = {}
        self._listing: list[bytes] | None = None
        self._events = EventInventor(spec, campaigns, shape=shape, seed=seed, today=today)
        # Ordered by day, and within a day by the order in which they were added.
        self._outcomes: list[tuple[date, bytes]] = []
        self._registrations: list[tuple[date, bytes]] = []
        self._statuses: list[bytes] = []

    def prepare(self) -> None:
        """Invent the initial customers and events, unless this has been done.

        It precedes each change, because the events name the initial customers.
        """
        with self._lock:
            if not self._has_events:
                self._has_events = True
                self._add_events(self._spec.outcomes, self._spec.statuses)

    def rows(self) -> list[bytes]:
        """Return the list records as JSON, in order."""
        with self._lock:
            self._invent_customers()
            if self._listing is None:
                self._listing = list(self._rows.values())
            return self._listing

    def row(self, key: str) -> bytes | None:
        """Return the single record as JSON, or None if there is no such customer."""
        with self._lock:
            self._invent_customers()
            row = self._rows.get(key)
        if row is None:
            return None
        record: Record = split(row)
        if self._shape == "flat":
            record.pop("customer_id", None)
        details = invent_details(self._spec, self._seed, self._shape, key)
        # Values set by a test take precedence, but the invented fields keep their position.
        return encode(record | details | record)

    def customers(self) -> list[Record]:
        """Return the list records, in order."""
        return [decode(row) for row in self.rows()]

    def customer(self, key: object, /) -> Record:
        """Return the single record of a customer.

        Raises:
            KeyError: There is no such customer.
        """
        row = self.row(str(key))
        if row is None:
            raise KeyError(key)
        return decode(row)

    def add(self, **fields: object) -> Record:
        """Invent a customer at the end of the list.

        Args:
            fields: Values that replace the invented ones.

        Returns:
            Its list record.

        Raises:
            ValueError: There is a customer with this key.
        """
        with self._lock:
            self.prepare()
            _, invented = next(self._invented)
            row = encode(split(invented) | fields)
            record = decode(row)
            key = record[self.key_field]
            if self._rows.setdefault(str(key), row) is not row:
                raise ValueError(f"customer {key} already exists")
            self._listing = None
            return record

    def update(self, key: object, /, **fields: object) -> None:
        """Set fields of a customer, also new ones, in its list record and its single record.

        A changed key shows in the records, but the URL of the single record keeps the old one.

        Raises:
            KeyError: There is no such customer.
        """
        with self._lock:
            self.prepare()
            self._rows[str(key)] = encode(split(self._rows[str(key)]) | fields)
            self._listing = None

    def delete(self, key: object, /) -> None:
        """Remove a customer, so that all later ones move up by one.

        Raises:
            KeyError: There is no such customer.
        """
        self.delete_many([key])

    def delete_many(self, keys: Iterable[object]) -> None:
        """Remove customers at once: no response shows only some of them removed.

        Raises:
            KeyError: One of the customers does not exist. None is removed.
        """
        with self._lock:
            self.prepare()
            removed = {str(key): self._rows[str(key)] for key in keys}
            for key in removed:
                del self._rows[key]
            self._listing = None

    def resize(self, size: int) -> None:
        """Keep the first `size` customers, or invent more at the end."""
        with self._lock:
            self.prepare()
            self._resize(size)

    def new_field(self, number: int) -> str:
        """Return the name of an extra field that is not defined."""
        if self._shape == "flat":
            return f"Nytt felt {number}"
        return f"crm__custom_info__{9000 + number}"

    def call_outcome_rows(self, first: date | None = None, last: date | None = None) -> list[bytes]:
        """Return the call outcomes as JSON; see `call_outcomes`."""
        with self._lock:
            self.prepare()
            return _between(self._outcomes, first, last)

    def product_registration_rows(
        self, first: date | None = None, last: date | None = None
    ) -> list[bytes]:
        """Return the product registrations as JSON; see `product_registrations`."""
        with self._lock:
            self.prepare()
            return _between(self._registrations, first, last)

    def status_rows(self) -> list[bytes]:
        """Return the customer statuses as JSON."""
        with self._lock:
            self.prepare()
            return self._statuses.copy()

    def call_outcomes(self, first: date | None = None, last: date | None = None) -> list[Record]:
        """Return the call outcomes from the first to the last day, both included."""
        return [decode_exactly(row) for row in self.call_outcome_rows(first, last)]

    def product_registrations(
        self, first: date | None = None, last: date | None = None
    ) -> list[Record]:
        """Return the product registrations from the first to the last day, both included."""
        return [decode_exactly(row) for row in self.product_registration_rows(first, last)]

    def statuses(self) -> list[Record]:
        """Return the customer statuses, in order."""
        return [decode_exactly(row) for row in self.status_rows()]

    def add_outcome(self, when: datetime, **fields: object) -> Record:
        """Invent a call outcome at the end of its day.

        Args:
            when: Its time, which determines its day. A naive time is taken as Norwegian.
            fields: Values that replace the invented ones.

        Returns:
            The record.
        """
        with self._lock:
            record = self._events.outcome(self._any_customer(), when) | fields
            row = encode(record)
            insort(self._outcomes, (local(when).date(), row), key=_DAY)
            return decode_exactly(row)

    def add_registration(self, when: datetime, **fields: object) -> Record:
        """Invent a product registration at the end of its day; see `add_outcome`."""
        with self._lock:
            record = self._events.registration(self._any_customer(), when) | fields
            row = encode(record)
            insort(self._registrations, (local(when).date(), row), key=_DAY)
            return decode_exactly(row)

    def add_status(self, **fields: object) -> Record:
        """Invent a customer status at the end of the list; see `add_outcome`."""
        with self._lock:
            row = encode(self._events.status(self._any_customer()) | fields)
            self._statuses.append(row)
            return decode_exactly(row)

    def add_events(self, outcomes: int) -> None:
        """Invent events of the current customers, over the days up to today.

        Args:
            outcomes: The number of call outcomes. There are a fifth as many product registrations,
                and a status for each of the first 1,000 customers.
        """
        with self._lock:
            self.prepare()
            self._add_events(outcomes, 1000)

    def clear_events(self) -> None:
        """Remove all call outcomes, product registrations and statuses."""
        with self._lock:
            self.prepare()
            self._outcomes.clear()
            self._registrations.clear()
            self._statuses.clear()

    def _any_customer(self) -> Record:
        self.prepare()
        return self._events.any_customer(self.rows())

    def _invent_customers(self) -> None:
        if not self._has_customers:
            self._has_customers = True
            self._resize(self._spec.customers)

    def _add_events(self, outcomes: int, statuses: int) -> None:
        rows = self.rows()
        amount = outcomes if rows else 0
        for day, record in self._events.outcomes(rows, amount):
            insort(self._outcomes, (day, encode(record)), key=_DAY)
        for day, record in self._events.registrations(rows, amount // 5):
            insort(self._registrations, (day, encode(record)), key=_DAY)
        customers = map(self._events.customer, rows[:statuses])
        self._statuses += [encode(self._events.status(customer)) for customer in customers]

    def _resize(self, size: int) -> None:
        for key in list(self._rows)[size:]:
            del self._rows[key]
        while len(self._rows) < size:
            self._rows.setdefault(*next(self._invented))
        self._listing = None


def _between(dated: list[tuple[date, bytes]], first: date | None, last: date | None) -> list[bytes]:
    start = 0 if first is None else bisect_left(dated, first, key=_DAY)
    end = None if last is None else bisect_right(dated, last, key=_DAY)
    return [row for _, row in dated[start:end]]
