"""Invents customers: Norwegian, fictitious, and always the same for the same seed.

Drawing each value of each record would be slow. So pools of parts, groups of fields that are
already JSON, are made once, and a record joins one part of each pool.
"""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
from faker import Faker

from tap_cube.sandbox.coding import decode
from tap_cube.sandbox.shapes import custom, standard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_cube.sandbox.plans import Plan
    from tap_cube.sandbox.shapes import Shape

_POOL = 3000
_encode = msgspec.json.encode


def _gappy(values: Sequence[str]) -> tuple[str | None, ...]:
    """The values with gaps among them: Cube leaves null in some places and "" in others."""
    gaps = 1 + len(values) // 6
    return (*values, *[None] * gaps, *[""] * gaps)


def _dates(first_year: int, last_year: int) -> tuple[str, ...]:
    years, days = range(first_year, last_year + 1), (1, 8, 12, 15, 23, 28)
    return tuple(f"{y}-{m:02}-{d:02}" for y in years for m in range(1, 13) for d in days)


_BIRTHS = _dates(1940, 2005)
_STARTS = _gappy(_dates(2000, 2025))
_NEEDS = (
    *("", None, "OR", "500 mbps, 3990 kr", "Ringes etter påske", "Vil ha tilbud på e-post"),
    *(f"Startet {date}, termin {1 + n % 4} | OR" for n, date in enumerate(_dates(2000, 2001))),
)
_EXTRAS = {
    "active products": (None, None, "", "1", "2", "3"),
    "gen info 1": ("3.0", "2.0", "Standard giro", "eFaktura", "", None),
    "gen info 2": (None, None, "", "Ønsker SMS først"),
    "gen info 3": ("OR", "OR", "KØ", "", None),
    "gen info 5": ("AGD_101215_update", "AGD_150316_update", None),
    "gen date 2": _STARTS,
    "Kontaktperson på møte": ("Bjørn", "Åse", "Pål Ærlig", "", None),
    "Bransje/næring": ("Bygg og anlegg", "Fiskeoppdrett i sjø", "Frisør", "Gårdsdrift", "", None),
    "Oppstartsdato": _STARTS,
    "Antall år": _gappy([str(years) for years in range(31)]),
    "Pris på dagens avtale": _gappy([str(kroner) for kroner in range(90, 4000, 100)]),
    "Strømleverandør": ("Fossekall Kraft", "Ørneberg Energi", "Blåne Strøm", "", None),
    "Forbruk pr. år": _gappy([f"{kwh}.5" for kwh in range(3000, 30000, 450)]),
    "Bindingstid utløper": _gappy(_dates(2025, 2028)),
    "Språk på faktura": ("Bokmål", "Nynorsk", "Sørsamisk", "", None),
}


def invent(plan: Plan, seed: int, shape: Shape) -> Iterator[tuple[int, bytes]]:
    """The list records of a CRM, without end. Both shapes show the same customers.

    Yields:
        What tells the customer apart in that shape, and the record as JSON.
    """
    people, notes, addresses = _common_parts(plan.crm_type, seed)
    extras = _extra_parts(plan, seed)
    if shape == "prefixed":
        people, extras = _prefixed_people(plan.crm_type, seed), _prefixed_extras(plan, seed)
    pools = (people, notes, addresses, extras, (1, 1, 2, 2, 3, 5, 40))
    rng = Random(f"{seed}/{plan.owner}/{plan.crm_type}")  # noqa: S311 - no secrets here
    number = plan.first_customer
    while True:
        # Many draws at once are much faster than one by one.
        draws = zip(*(rng.choices(pool, k=256) for pool in pools), strict=True)
        for (name, contact), note, address, extra, gap in draws:
            # Multiplying modulo a prime shuffles the numbers and keeps them different.
            customer_id = number * 611_953 % 9_999_991
            if shape == "prefixed":
                row = b'{"crm__customer_id":"%d",%b,%b}' % (customer_id, name, extra)
                yield customer_id, row
                number += gap
                continue
            ids = b'"id":%d,"customer_id":%d,"crm_type_id":%d' % (
                number,
                customer_id,
                plan.crm_type_id,
            )
            yield number, b"{%b,%b,%b,%b,%b,%b}" % (ids, name, note, address, contact, extra)
            number += gap


def invent_details(plan: Plan, seed: int, shape: Shape, key: str) -> dict[str, Any]:
    """What only the single record of a customer has."""
    rng = Random(f"{seed}/{plan.owner}/{plan.crm_type}/{key}")  # noqa: S311 - no secrets here
    details: dict[str, Any] = {label: rng.choice(_EXTRAS[label]) for label in plan.detailed}
    if shape == "prefixed":
        return custom(plan, details, plan.detailed)
    return details | {"external_customer_id": rng.randrange(100_000, 10_000_000)}


def _part(**fields: object) -> bytes:
    return _encode(fields)[1:-1]


@lru_cache(maxsize=8)
def _common_parts(crm_type: str, seed: int) -> tuple[Sequence[Any], ...]:
    """Pools of the standard fields: who with how to reach them, notes, and addresses."""
    fake = Faker("no_NO")
    fake.seed_instance(seed)
    choice = fake.random.choice

    def who() -> tuple[bytes, bytes]:
        gender, birth_date = "", None
        if crm_type == "B2B":
            name = fake.company()
        else:
            gender, birth_date = choice(("kvinne", "mann", "")), choice((None, choice(_BIRTHS)))
            name = fake.name_male() if gender == "mann" else fake.name_female()
        latin = name.lower().translate({ord("æ"): "ae", ord("ø"): "o", ord("å"): "a"})
        # Nobody's: these domains are reserved for examples.
        email = f"{re.sub('[^a-z]+', '.', latin)}@example.{choice(('org', 'com', 'net'))}"
        phone = str(fake.random.randrange(40_000_000, 100_000_000))
        return _part(name=name, gender=gender, birth_date=birth_date), _part(
            phone_1=phone,
            phone_2=choice((phone, "", None)),
            phone_3=choice((None, None, "")),
            email=choice((email, email, "", None)),
            company=choice((None, None, "", name)) if crm_type == "B2B" else None,
        )

    def note() -> bytes:
        return _part(
            need_to_know=choice(_NEEDS),
            care_of_name=choice(("", "", "", None, "c/o Åse Bjørnsønn")),
            zone_name=choice(("", "", "Nord for Sjøen")),
        )

    def address() -> bytes:
        city = fake.city()
        return _part(
            address_street=fake.street_name(),
            address_street_no=choice((None, *range(1, 60))),
            address_entrance=choice(("", "", "", "A", "B", None)),
            zip_code=fake.postcode(),
            city=city,
            municipality=choice((None, "", city)),
            county=choice(("", "", "Møre og Romsdal", "Trøndelag", "Østfold", None)),
            country=choice(("", "", "Norge")),
        )

    return tuple([make() for _ in range(_POOL)] for make in (who, note, address))


@lru_cache(maxsize=8)
def _prefixed_people(crm_type: str, seed: int) -> Sequence[tuple[bytes, bytes]]:
    people, *_ = _common_parts(crm_type, seed)
    # All in the first part: nothing stands between these fields in this shape.
    return [(_part(**standard(_whole(*parts))), b"") for parts in people]


@lru_cache(maxsize=16)
def _prefixed_extras(plan: Plan, seed: int) -> Sequence[bytes]:
    return [_part(**custom(plan, _whole(part), plan.listed)) for part in _extra_parts(plan, seed)]


def _whole(*parts: bytes) -> dict[str, Any]:
    return decode(b"{%b}" % b",".join(parts))


@lru_cache(maxsize=16)
def _extra_parts(plan: Plan, seed: int) -> Sequence[bytes]:
    choice = Random(seed).choice  # noqa: S311 - no secrets here
    return [_part(**{label: choice(_EXTRAS[label]) for label in plan.listed}) for _ in range(_POOL)]
