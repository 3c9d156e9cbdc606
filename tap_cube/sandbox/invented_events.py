"""Invented call outcomes, product registrations and customer statuses.

They contain their customer in the prefixed shape, whatever the shape of the customer list.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any
from zlib import crc32

from tap_cube.sandbox.clock import local
from tap_cube.sandbox.json_codec import decode_exactly
from tap_cube.sandbox.shapes import KEYS, to_prefixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_cube.sandbox.crm_specs import CrmSpec
    from tap_cube.sandbox.shapes import Shape

    Record = dict[str, Any]
    Dated = list[tuple[date, Record]]

_DAYS = 60
_REPORT = "call_outcome__report_as__"
_COMMENT = "call_outcome__comment"
_PRICE = "product__price"

_COMMENTS = ("", "", "Ønsker tilbud på e-post", "Ringes etter påske", 'Sa "kanskje", spør Åse')
_OUTCOMES = (
    ("Salg", "Fiber"),
    ("Salg", "Strøm"),
    ("Møte", "Booket"),
    ("Nei", "Ikke interessert"),
    ("Nei", "Har bindingstid"),
    ("Ring tilbake", ""),
    ("Ikke svar", ""),
)
_AGENTS = (
    ("ingrid.aasen", "Team Øst"),
    ("pål.sørbø", "Team Øst"),
    ("kari.næss", "Team Vest"),
    ("ola.dunk", ""),
)
_SEGMENTS = ("Tidligere kunder", "Uke 12", "Små bedrifter i Trøndelag", "")
_CHANGE_FIELDS = tuple(
    f"crm__change_log__{field}" for field in ("updated", "updated_by", "update_method")
)
_CHANGES = (
    ("2024-05-01", "ingrid.aasen", "manual"),
    ("2023-11-17", "import", "import"),
    ("2025-02-28", "pål.sørbø", "manual"),
    ("2022-09-05", "", ""),
)
_PRODUCTS = (
    ("FIBER500", "Fiber 500 Mbps", (Decimal("599.90"), 599, Decimal("549.5"))),
    ("FIBER1000", "Fiber 1000 Mbps", (799, Decimal("749.25"))),
    ("STRØM-SPOT", "Strøm til spotpris", (Decimal("0.05"), 39, 0)),
)
# More digits than a float holds.
_LONG_PRICE = Decimal("1234567890.123456789")


class EventInventor:
    """Invents the events of one CRM, which depend on the seed, the day and the customers only.

    Args:
        spec: The CRM.
        campaigns: The campaigns of the CRM.
        shape: The shape of its customer list.
        seed: Determines all random choices.
        today: The last day with events.
    """

    def __init__(
        self,
        spec: CrmSpec,
        campaigns: Iterable[Mapping[str, Any]],
        *,
        shape: Shape,
        seed: int,
        today: date,
    ) -> None:
        self._spec, self._shape = spec, shape
        self._rng = Random(f"{seed}/{spec.owner}/{spec.crm_type}/calls")  # noqa: S311 - no secrets
        self._choice = self._rng.choice
        self._today = today
        fields = ("campaign__name", "campaign__crm_type", "data_owner__name")
        self._campaigns = [{field: campaign[field] for field in fields} for campaign in campaigns]

    def customer(self, row: bytes) -> Record:
        """Return the customer of a row of the list, as its events contain it."""
        record = decode_exactly(row)
        record = record if self._shape == "prefixed" else to_prefixed(self._spec, record)
        number = str(record[KEYS["prefixed"]])
        # All events of a customer show the same last change.
        change = _CHANGES[crc32(number.encode()) % len(_CHANGES)]
        return record | dict(zip(_CHANGE_FIELDS, change, strict=True))

    def any_customer(self, rows: Sequence[bytes]) -> Record:
        """Return a customer of these rows, or an anonymised one if there are none."""
        if rows:
            return self.customer(self._choice(rows))
        return _anonymous(to_prefixed(self._spec, {}) | dict.fromkeys(_CHANGE_FIELDS, ""))

    def outcome(self, customer: Record, when: datetime) -> Record:
        """Invent a call outcome at that time."""
        kind, subtype = self._choice(_OUTCOMES)
        by, team = self._choice(_AGENTS)
        moment = local(when)
        stamp = moment.isoformat(timespec="milliseconds")
        return {
            **customer,
            _COMMENT: self._choice(_COMMENTS),
            f"{_REPORT}submitted_by": by,
            f"{_REPORT}submitted_in_team": team,
            "call_outcome__type": kind,
            "call_outcome__subtype": subtype,
            f"{_REPORT}submitted_when": f"{moment:%Y-%m-%d %H:%M}",
            f"{_REPORT}submitted_when_timestamp": f"{stamp[:-3]}{stamp[-2:]}",  # +0100
            "call_outcome__extra__Ønsket møtedag": self._choice(("", "", "mandag", "lørdag")),
            "call_outcome__extra__Nåværende leverandør": self._choice(("", "Fossekall Kraft")),
            **self._campaign(),
        }

    def registration(self, customer: Record, when: datetime) -> Record:
        """Invent a product registration at that time."""
        code, title, prices = self._choice(_PRODUCTS)
        return self.outcome(customer, when) | {
            "call_outcome__type": "Salg",
            "product__code": code,
            "product__title": title,
            _PRICE: self._choice(prices),
            "product__extra__Bindingstid (måneder)": self._choice(("", "12", "24")),
            "product__extra__Montørbesøk": self._choice(("", "Ja", "Nei")),
        }

    def status(self, customer: Record) -> Record:
        """Invent the status of a customer in a campaign."""
        day = self._today - timedelta(days=self._rng.randrange(_DAYS))
        change = "callflow__last_change__"
        return {
            **customer,
            "callflow__attempts_status__attempts": self._choice(("", 0, 1, 2, 3, 5)),
            "callflow__callstate__name": self._choice(("Ny", "Ring tilbake", "Ferdig", "Sperret")),
            f"{change}user": self._choice(_AGENTS)[0],
            f"{change}when": f"{self._moment(day):%Y-%m-%d %H:%M}",
            f"{change}cause": self._choice(("", "Samtale", "Import")),
            f"{change}alternative": self._choice(("", "Ønsker SMS", "Opptatt")),
            f"{change}comment": self._choice(_COMMENTS),
            **self._campaign(),
            **{f"product__{code}": self._choice(("", "", "1", "2")) for code, *_ in _PRODUCTS},
        }

    def outcomes(self, rows: Sequence[bytes], amount: int) -> Dated:
        """Invent call outcomes, spread over the days up to today. Some are equal."""
        return _with_duplicates(
            [
                (when.date(), self.outcome(self.any_customer(rows), when))
                for when in self._moments(amount)
            ]
        )

    def registrations(self, rows: Sequence[bytes], amount: int) -> Dated:
        """Invent product registrations, as with `outcomes`. Some customers are anonymised."""
        made = [
            (when.date(), self.registration(self.any_customer(rows), when))
            for when in self._moments(amount)
        ]
        # Counted from the end, so that even a few records include both.
        for _, record in made[::-20]:
            record[_PRICE] = _LONG_PRICE
        for _, record in (*made[-2::-10], *made[-15::-20]):
            record.update(_anonymous(record))
        return _with_duplicates(made)

    def _moments(self, amount: int) -> list[datetime]:
        ages = [left * _DAYS // amount for left in reversed(range(amount))]
        return [self._moment(self._today - timedelta(days=age)) for age in ages]

    def _moment(self, day: date) -> datetime:
        """Return a time in working hours, when no clock is changed."""
        hour, thousandths = divmod(self._rng.randrange(9 * 3_600_000, 21 * 3_600_000), 3_600_000)
        minute, thousandths = divmod(thousandths, 60_000)
        second, thousandths = divmod(thousandths, 1000)
        return datetime.combine(day, time(hour, minute, second, thousandths * 1000))

    def _campaign(self) -> Record:
        return self._choice(self._campaigns) | {"segment__name": self._choice(_SEGMENTS)}


def _anonymous(record: Record) -> Record:
    return {field: "" for field in record if field.startswith("crm__")}


def _with_duplicates(made: Dated) -> Dated:
    """Make some events equal to the one before, and others equal except for the comment."""
    for number in range(len(made) - 4, 0, -10):
        made[number] = made[number - 1]
    for number in range(len(made) - 7, 0, -10):
        day, record = made[number - 1]
        made[number] = day, record | {_COMMENT: f"{record[_COMMENT]} Ringte igjen".strip()}
    return made
