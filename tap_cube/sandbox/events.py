"""What a CRM keeps of its calls, which have no ids: outcomes, registrations, and statuses."""

from __future__ import annotations

from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

from tap_cube.sandbox.clock import local
from tap_cube.sandbox.coding import decode_exactly, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from tap_cube.sandbox.calls import Calls

_MOST_STATUSES = 1000


class Days:
    """Records as JSON, in order of their day, and within a day in order of being added."""

    def __init__(self) -> None:
        self._days: dict[date, list[bytes]] = {}
        self._lock = Lock()

    def rows(self, first: date | None = None, last: date | None = None) -> list[bytes]:
        """The records from the first day to the last, both included; None leaves an end open."""
        with self._lock:
            days = [
                day
                for day in sorted(self._days)
                if (first is None or first <= day) and (last is None or day <= last)
            ]
            return [row for day in days for row in self._days[day]]

    def add(self, day: date, record: Mapping[str, object]) -> dict[str, Any]:
        """Puts a record at the end of its day, and returns it as it will be read."""
        row = encode(record)
        with self._lock:
            self._days.setdefault(day, []).append(row)
        return decode_exactly(row)

    def clear(self) -> None:
        """Removes all records."""
        with self._lock:
            self._days.clear()


class Events:
    """The part of a CRM that its calls leave behind.

    Args:
        calls: Invents them.
        customers: Gives the customers, whom they are about, as JSON.

    Attributes:
        outcome_days: The call outcomes.
        registration_days: The product registrations.
    """

    def __init__(self, calls: Calls, customers: Callable[[], list[bytes]]) -> None:
        self.outcome_days = Days()
        self.registration_days = Days()
        self._statuses: list[bytes] = []
        self._calls = calls
        self._customers = customers
        # Held while something is invented, too: each draw is for one thread.
        self._events_lock = RLock()

    def status_rows(self) -> list[bytes]:
        """The statuses as JSON, in order. The list is not changed by later changes."""
        with self._events_lock:
            return self._statuses.copy()

    def call_outcomes(
        self, first: date | None = None, last: date | None = None
    ) -> list[dict[str, Any]]:
        """The call outcomes of these days, both included; None leaves an end open."""
        return [decode_exactly(row) for row in self.outcome_days.rows(first, last)]

    def product_registrations(
        self, first: date | None = None, last: date | None = None
    ) -> list[dict[str, Any]]:
        """The product registrations of these days, as with `call_outcomes`."""
        return [decode_exactly(row) for row in self.registration_days.rows(first, last)]

    def statuses(self) -> list[dict[str, Any]]:
        """The customers' statuses, in order."""
        return [decode_exactly(row) for row in self.status_rows()]

    def add_outcome(self, when: datetime, **fields: object) -> dict[str, Any]:
        """Invents one more call outcome at the end of its day, with these fields put over it.

        Args:
            when: In Norway's time, unless it has a zone of its own. It alone decides the day.
            fields: What is put over.

        Returns:
            The record.
        """
        with self._events_lock:
            invented = self._calls.outcome(self._calls.any_customer(self._customers()), when)
            return self.outcome_days.add(local(when).date(), invented | fields)

    def add_registration(self, when: datetime, **fields: object) -> dict[str, Any]:
        """Invents one more product registration, as with `add_outcome`."""
        with self._events_lock:
            invented = self._calls.registration(self._calls.any_customer(self._customers()), when)
            return self.registration_days.add(local(when).date(), invented | fields)

    def add_status(self, **fields: object) -> dict[str, Any]:
        """Invents one more status at the end of the list, with these fields put over it."""
        with self._events_lock:
            invented = self._calls.status(self._calls.any_customer(self._customers()))
            row = encode(invented | fields)
            self._statuses.append(row)
            return decode_exactly(row)

    def add_events(self, outcomes: int) -> None:
        """Invents so many call outcomes, a fifth as many registrations, and statuses.

        There are none without customers, and a status each of the first customers only.
        """
        with self._events_lock:
            rows = self._customers()
            if not rows:
                return
            for day, record in self._calls.outcomes(rows, outcomes):
                self.outcome_days.add(day, record)
            for day, record in self._calls.registrations(rows, outcomes // 5):
                self.registration_days.add(day, record)
            customers = map(self._calls.customer, rows[:_MOST_STATUSES])
            self._statuses += [encode(self._calls.status(customer)) for customer in customers]

    def clear_events(self) -> None:
        """Removes all call outcomes, registrations, and statuses."""
        with self._events_lock:
            self.outcome_days.clear()
            self.registration_days.clear()
            self._statuses.clear()
