"""The CRMs and campaigns of the sandbox, and the extra fields of each CRM."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

_OWNERS = {1: "Blåskjell Kundesenter AS", 2: "Ræveskog Bredbånd AS"}

# Extra fields of small CRMs, which pick some.
_LABELS = (
    "Kontaktperson på møte",
    "Bransje/næring",
    "Oppstartsdato",
    "Antall år",
    "Pris på dagens avtale",
    "Strømleverandør",
    "Forbruk pr. år",
    "Bindingstid utløper",
    "Språk på faktura",
)


class CrmSpec(NamedTuple):
    """What a CRM contains at the start.

    Attributes:
        owner: The data owner's id.
        crm_type: `B2B` or `B2C`.
        crm_type_id: The number in its list records.
        first_customer: The first customer's id. The CRMs of owner 2 share some ids, because the
            documents do not say that ids are unique.
        first_field: The id of the first custom field definition.
        listed: The labels of the extra fields of its list records and single records.
        detailed: The labels of the extra fields that only its single records have.
        announced: The label of a field that is defined, but that no record has yet; "" for none.
        customers: The number of customers.
        outcomes: The number of call outcomes; there are a fifth as many product registrations.
        statuses: The number of customers with a status.
        combinations: The number of combinations of values that its extra fields have.
    """

    owner: int
    crm_type: str
    crm_type_id: int
    first_customer: int
    first_field: int
    listed: tuple[str, ...] = ()
    detailed: tuple[str, ...] = ()
    announced: str = ""
    customers: int = 0
    outcomes: int = 0
    statuses: int = 0
    combinations: int = 3000


_CRMS = (
    CrmSpec(
        owner=2,
        crm_type="B2B",
        crm_type_id=98,
        first_customer=971352,
        first_field=64,
        listed=(
            "active products",
            "gen info 1",
            "gen info 2",
            "gen info 3",
            "gen info 5",
            "gen date 2",
            "Kontaktperson på møte",
            "Bransje/næring",
        ),
        detailed=("Oppstartsdato", "Antall år", "Pris på dagens avtale"),
        announced="Ønsket kontakttid",
    ),
    CrmSpec(
        owner=2,
        crm_type="B2C",
        crm_type_id=99,
        first_customer=971354,
        first_field=101,
        listed=("active products", "gen info 1", "gen date 2", "Strømleverandør", "Forbruk pr. år"),
        detailed=("Antall år", "Bindingstid utløper"),
        announced="Ønsket kontakttid",
    ),
    CrmSpec(
        owner=1,
        crm_type="B2B",
        crm_type_id=246,
        first_customer=20101,
        first_field=140,
        listed=("gen info 1", "gen info 2", "Oppstartsdato", "Antall år", "Pris på dagens avtale"),
        detailed=("Bransje/næring", "Språk på faktura"),
        announced="Neste årsmøte",
    ),
    CrmSpec(
        owner=1,
        crm_type="B2C",
        crm_type_id=247,
        first_customer=31007,
        first_field=171,
        listed=("gen info 1", "Forbruk pr. år"),
        detailed=("Antall år",),
        announced="Beste tid på døgnet",
    ),
)
# Maximum customers of the CRMs other than the first, which has as many as requested.
_MAX_CUSTOMERS = (250, 60, 0)


def default_specs(customers: int, outcomes: int | None) -> list[CrmSpec]:
    """Return the four default CRMs.

    Args:
        customers: The number of customers of the first CRM. The others have fewer.
        outcomes: The number of call outcomes of the first CRM; by default as many as customers,
            but not more than 600.
    """
    sizes = [customers]
    sizes += [min(size, customers, max(1, customers // 20)) for size in _MAX_CUSTOMERS]
    amount = min(600, customers) if outcomes is None else outcomes
    return [
        spec._replace(
            customers=size,
            # In proportion, but at least one for each CRM with customers.
            outcomes=-(-amount * size // max(1, customers)),
            statuses=min(1000, size),
        )
        for spec, size in zip(_CRMS, sizes, strict=True)
    ]


def small_specs(count: int, customers: int, outcomes: int | None, seed: int) -> list[CrmSpec]:
    """Return CRMs of 50 to 500 customers, alternately B2B and B2C. Every third has extra fields.

    Args:
        count: The number of CRMs. The first ones do not depend on it.
        customers: The maximum number of customers of a CRM.
        outcomes: The number of call outcomes of each CRM; 10 by default.
        seed: Determines the sizes and the extra fields.
    """
    rng = Random(f"{seed}/small CRMs")  # noqa: S311 - no secrets here
    amount = 10 if outcomes is None else outcomes
    specs = []
    for number in range(count):
        size = min(customers, rng.randint(50, 500))
        *listed, detailed = rng.sample(_LABELS, 4)
        spec = CrmSpec(
            owner=1 + number // 2,
            crm_type=("B2B", "B2C")[number % 2],
            crm_type_id=1000 + number,
            first_customer=1000 + 5000 * number,
            first_field=1000 + 5 * number,
            customers=size,
            outcomes=min(1, size) * amount,
            statuses=min(20, size),
            combinations=100,
        )
        if number % 3 == 2:  # noqa: PLR2004 - every third
            spec = spec._replace(
                listed=tuple(listed), detailed=(detailed,), announced="Ønsket kontakttid"
            )
        specs.append(spec)
    return specs


def definitions(spec: CrmSpec) -> list[dict[str, Any]]:
    """Return the custom field definitions of a CRM."""
    labels = filter(None, (*spec.listed, *spec.detailed, spec.announced))
    return [
        {
            "id": number,
            "key": label,
            "type": "text",
            "max_length": 200,
            "hint": "Kroner i måneden" if label.startswith("Pris") else "",
            "lookup__id": f"crm__custom_info__{number}",
        }
        for number, label in enumerate(labels, spec.first_field)
    ]


_CAMPAIGNS: tuple[tuple[Any, ...], ...] = (
    (311, "Vårkampanje bredbånd", "2024-03-01", "2024-06-30", "", True, "B2B", 2),
    (312, "Nysalg strøm", "2024-01-15", "", "", True, "B2C", 2),
    (298, "Høstkampanje", "2022-09-01", "2022-12-01", "2022-12-15", False, "B2B", 2),
    (305, "Møtebooking", "2023-02-01", "2023-11-30", "2023-12-31", False, "B2B", 1),
    (320, "Kundepleie på nyåret", "", "", "", "", "B2C", 1),
)
_CAMPAIGN_FIELDS = (
    "id",
    "name",
    "start_date",
    "end_date",
    "archived_date",
    "is_active",
    "crm_type",
)


def default_campaigns() -> list[dict[str, Any]]:
    """Return the campaigns of the default CRMs. Only an inactive one names 1/B2B."""
    return [_campaign(*row) for row in _CAMPAIGNS]


def small_campaigns(specs: list[CrmSpec]) -> list[dict[str, Any]]:
    """Return a campaign for each small CRM. Every tenth is inactive."""
    return [
        _campaign(
            *(number, f"Kampanje {number}", "2024-01-01", "2024-12-31"),
            *(("2025-01-15", False) if number % 10 == 0 else ("", True)),
            *(spec.crm_type, spec.owner),
        )
        for number, spec in enumerate(specs, 1)
    ]


def _campaign(*row: Any) -> dict[str, Any]:
    *values, owner = row
    campaign = {
        f"campaign__{field}": value for field, value in zip(_CAMPAIGN_FIELDS, values, strict=True)
    }
    return campaign | {
        "service__id": 10 + owner,
        "service__name": "Utgående salg",
        "data_owner__id": owner,
        "data_owner__name": _OWNERS.get(owner, f"Kundesenter {owner} AS"),
    }
