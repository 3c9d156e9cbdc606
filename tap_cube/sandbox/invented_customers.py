"""Invented Norwegian customers, which depend on the seed only.

Drawing each value of each record would be slow. Instead, pools of parts (a few fields as JSON) are
made once, and a record is made from one part of each pool.
"""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any

from faker import Faker

from tap_cube.sandbox.json_codec import decode, encode
from tap_cube.sandbox.shapes import prefixed_extras, to_prefixed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_cube.sandbox.crm_specs import CrmSpec
    from tap_cube.sandbox.shapes import Shape

# The number of combinations of names, notes and addresses.
_POOL = 3000


def _gappy(values: Sequence[str]) -> tuple[str | None, ...]:
    """Return the values and some empty ones: Cube has null in some places and "" in others."""
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


def invent_customers(spec: CrmSpec, seed: int, shape: Shape) -> Iterator[tuple[str, bytes]]:
    """Invent list records of a CRM, without end. Both shapes show the same customers.

    Yields:
        The customer's key in that shape, and the record as JSON.
    """
    for number, customer_id, row in _flat_customers(spec, seed):
        if shape == "flat":
            yield str(number), row
        else:
            yield str(customer_id), encode(to_prefixed(spec, decode(row)))


def invent_details(spec: CrmSpec, seed: int, shape: Shape, key: str) -> dict[str, Any]:
    """Invent the fields that only the single record of a customer has."""
    rng = Random(f"{seed}/{spec.owner}/{spec.crm_type}/{key}")  # noqa: S311 - no secrets here
    details: dict[str, Any] = {label: rng.choice(_EXTRAS[label]) for label in spec.detailed}
    if shape == "prefixed":
        return prefixed_extras(spec, details, spec.detailed)
    return details | {"external_customer_id": rng.randrange(100_000, 10_000_000)}


def _flat_customers(spec: CrmSpec, seed: int) -> Iterator[tuple[int, int, bytes]]:
    pools = (*_common_parts(spec.crm_type, seed), _extra_parts(spec, seed), (1, 1, 2, 2, 3, 5, 40))
    rng = Random(f"{seed}/{spec.owner}/{spec.crm_type}")  # noqa: S311 - no secrets here
    number = spec.first_customer
    while True:
        # Many draws at once are much faster than one by one.
        draws = zip(*(rng.choices(pool, k=256) for pool in pools), strict=True)
        for (name, contact), note, address, extra, gap in draws:
            # Multiplication modulo a prime: the ids are different and in no order.
            customer_id = number * 611_953 % 9_999_991
            row = b'{"id":%d,"customer_id":%d,"crm_type_id":%d,%b,%b,%b,%b%b}' % (
                *(number, customer_id, spec.crm_type_id),
                *(name, note, address, contact, extra),
            )
            yield number, customer_id, row
            number += gap


def _part(**fields: object) -> bytes:
    return encode(fields)[1:-1]


@lru_cache(maxsize=8)
def _common_parts(crm_type: str, seed: int) -> tuple[Sequence[Any], ...]:
    """Return the pools of the standard fields: name and contact, notes, addresses."""
    fake = Faker("no_NO")
    fake.seed_instance(seed)
    choice = fake.random.choice

    def person() -> tuple[bytes, bytes]:
        gender, birth_date = "", None
        if crm_type == "B2B":
            name = fake.company()
        else:
            gender, birth_date = choice(("kvinne", "mann", "")), choice((None, choice(_BIRTHS)))
            name = fake.name_male() if gender == "mann" else fake.name_female()
        latin = name.lower().translate({ord("æ"): "ae", ord("ø"): "o", ord("å"): "a"})
        # Domains that are reserved for examples.
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

    return tuple([make() for _ in range(_POOL)] for make in (person, note, address))


@lru_cache(maxsize=16)
def _extra_parts(spec: CrmSpec, seed: int) -> Sequence[bytes]:
    choice = Random(seed).choice  # noqa: S311 - no secrets here
    if not spec.listed:
        return [b""]
    return [
        b"," + _part(**{label: choice(_EXTRAS[label]) for label in spec.listed})
        for _ in range(spec.combinations)
    ]
