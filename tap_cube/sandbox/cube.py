"""What the sandbox holds: CRMs with their customers, campaigns, and who may read them.

Tests change all of it from their own thread while the server's thread reads. A CRM's customers and
events are therefore behind locks and handed out as lists that never change afterwards. Everything
else is either one value or a list that is encoded in one go, and the interpreter's lock covers
both.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

from tap_cube.sandbox import clock
from tap_cube.sandbox.calls import Calls
from tap_cube.sandbox.coding import decode, encode, split
from tap_cube.sandbox.data import invent, invent_details
from tap_cube.sandbox.events import Events
from tap_cube.sandbox.plans import PLANS, Plan, campaigns, definitions
from tap_cube.sandbox.shapes import KEYS, Shape, note_field

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from tap_cube.sandbox.faults import Faults

TOKEN = "sandbox-token"  # noqa: S105 - public: it guards invented data
USERNAME = "sandbox"
PASSWORD = "pass:ordæøå"  # noqa: S105 - public: it guards invented data


class Crm(Events):
    """A CRM: its customers, each kept as the JSON of its list record, its definitions and events.

    Changes take effect at once, for a reader between two pages too.

    Attributes:
        definitions: The definitions of the custom fields.
        key_field: The field that tells customers apart, by which they are changed, too.
        note_field: The field that colleagues write notes into.
    """

    def __init__(self, plan: Plan, *, seed: int, size: int, shape: Shape, today: date) -> None:
        super().__init__(Calls(plan, shape, seed=seed, today=today), self.rows)
        self.key_field = KEYS[shape]
        self.note_field = note_field(plan, shape)
        self.definitions = definitions(plan)
        self._plan = plan
        self._seed = seed
        self._shape = shape
        self._invented = invent(plan, seed, shape)
        self._rows: dict[str, bytes] = {}
        self._listing: list[bytes] | None = None
        self._lock = RLock()
        self.resize(size)

    def rows(self) -> list[bytes]:
        """The list records as JSON, in order. The list is not changed by later changes."""
        with self._lock:
            if self._listing is None:
                self._listing = list(self._rows.values())
            return self._listing

    def row(self, key: str) -> bytes | None:
        """The single record as JSON, or None when there is no such customer."""
        with self._lock:
            row = self._rows.get(key)
        if row is None:
            return None
        record: dict[str, Any] = split(row)
        if self._shape == "flat":
            record.pop("customer_id", None)
        details = invent_details(self._plan, self._seed, self._shape, key)
        # What a test has set holds against what is invented.
        return encode(record | details | record)

    def customers(self) -> list[dict[str, Any]]:
        """The list records, in order."""
        return [decode(row) for row in self.rows()]

    def customer(self, number: object, /) -> dict[str, Any]:
        """The single record of the customer with this id; KeyError when there is none."""
        row = self.row(str(number))
        if row is None:
            raise KeyError(number)
        return decode(row)

    def add(self, **fields: object) -> dict[str, Any]:
        """Invents one more customer at the end of the list, with these fields put over it.

        Returns:
            Its list record.
        """
        with self._lock:
            _, invented = next(self._invented)
            row = encode(split(invented) | fields)
            record = decode(row)
            number = record[self.key_field]
            if self._rows.setdefault(str(number), row) is not row:
                msg = f"there is a customer {number} already"
                raise ValueError(msg)
            self._listing = None
            return record

    def update(self, number: object, /, **fields: object) -> None:
        """Sets fields of a customer, new ones included, in its list and its single record.

        A new id is shown in the records, but the single record stays where it was.
        """
        key = str(number)
        with self._lock:
            self._rows[key] = encode(split(self._rows[key]) | fields)
            self._listing = None

    def delete(self, number: object, /) -> None:
        """Removes a customer, so that all later ones move up by one."""
        with self._lock:
            del self._rows[str(number)]
            self._listing = None

    def new_field(self, number: int) -> str:
        """The name of an extra field that is not defined."""
        if self._shape == "flat":
            return f"Nytt felt {number}"
        return f"crm__custom_info__{9000 + number}"

    def resize(self, size: int) -> None:
        """Keeps the first `size` customers, or invents more at the end until there are as many."""
        with self._lock:
            for key in list(self._rows)[size:]:
                del self._rows[key]
            while len(self._rows) < size:
                number, row = next(self._invented)
                self._rows.setdefault(str(number), row)
            self._listing = None


class Cube:
    """Everything that the stand-in answers from. All attributes may be changed while it serves.

    Attributes:
        crms: The CRMs by data owner and CRM type.
        shape: The shape of the customers, which cannot be changed.
        campaigns: The campaigns, inactive ones included.
        page_size: Records a page.
        latency: Seconds before each answer.
        token: What `Authorization: Token` must carry.
        username: The user of `Authorization: Basic`.
        password: That user's password.
        faults: What goes wrong with which requests.
        before_request: Called in the server's thread before each request is handled, with the
            request's number, from 1, and its path with the query. What it changes is seen by that
            very request.
        requests: The method and the path with the query of each request so far; of very many, only
            the later ones. May be cleared.
    """

    page_size = 50
    latency = 0.0
    token = TOKEN
    username = USERNAME
    password = PASSWORD
    faults: Faults | None = None
    before_request: Callable[[int, str], None] | None = None

    def __init__(
        self,
        *,
        customers: int,
        seed: int,
        shape: Shape = "flat",
        today: date | None = None,
        outcomes: int | None = None,
    ) -> None:
        if shape not in KEYS:
            raise ValueError(f"there is no shape {shape!r}; there are {' and '.join(KEYS)}")
        self.shape: Shape = shape
        self._today = today
        day = self.today
        self.crms = {
            (plan.owner, plan.crm_type): Crm(
                plan, seed=seed, size=plan.size(customers), shape=shape, today=day
            )
            for plan in PLANS
        }
        amount = min(600, customers) if outcomes is None else outcomes
        for crm in self.crms.values():
            # In proportion to the main CRM, but something wherever there are customers
            crm.add_events(-(-amount * len(crm.rows()) // max(1, customers)))
        self.campaigns = campaigns()
        self.requests: list[tuple[str, str]] = []

    @property
    def today(self) -> date:
        """The day that lists with dates default to: the one that was set, or Norway's current."""
        return self._today or clock.today()

    @today.setter
    def today(self, day: date | None) -> None:
        self._today = day
