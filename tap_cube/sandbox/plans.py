"""Which CRMs and campaigns the sandbox has, and which fields each CRM adds to the standard ones."""

from __future__ import annotations

from typing import Any, NamedTuple

_OWNERS = {1: "Blåskjell Kundesenter AS", 2: "Ræveskog Bredbånd AS"}


class Plan(NamedTuple):
    """What a CRM is to look like.

    Attributes:
        owner: The data owner's id.
        crm_type: `B2B` or `B2C`.
        crm_type_id: The number that its list records carry.
        first_customer: The first customer's id. The CRMs of owner 2 share some ids, as nothing in
            the documents says that they cannot.
        first_field: The first custom field definition's id.
        cap: The most customers it gets; None for the main CRM, which gets all that are asked for.
        listed: The extra fields of its list records; the single records have them too.
        detailed: The extra fields that only its single records have.
        announced: A field that is defined, but that no record has yet.
    """

    owner: int
    crm_type: str
    crm_type_id: int
    first_customer: int
    first_field: int
    cap: int | None
    listed: tuple[str, ...]
    detailed: tuple[str, ...]
    announced: str

    def size(self, customers: int) -> int:
        """How many customers this CRM gets when the main one gets `customers`."""
        if self.cap is None or not customers:
            return customers
        return min(self.cap, max(1, customers // 20))


PLANS = (
    Plan(
        owner=2,
        crm_type="B2B",
        crm_type_id=98,
        first_customer=971352,
        first_field=64,
        cap=None,
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
    Plan(
        owner=2,
        crm_type="B2C",
        crm_type_id=99,
        first_customer=971354,
        first_field=101,
        cap=250,
        listed=("active products", "gen info 1", "gen date 2", "Strømleverandør", "Forbruk pr. år"),
        detailed=("Antall år", "Bindingstid utløper"),
        announced="Ønsket kontakttid",
    ),
    Plan(
        owner=1,
        crm_type="B2B",
        crm_type_id=246,
        first_customer=20101,
        first_field=140,
        cap=60,
        listed=("gen info 1", "gen info 2", "Oppstartsdato", "Antall år", "Pris på dagens avtale"),
        detailed=("Bransje/næring", "Språk på faktura"),
        announced="Neste årsmøte",
    ),
    Plan(
        owner=1,
        crm_type="B2C",
        crm_type_id=247,
        first_customer=31007,
        first_field=171,
        cap=0,
        listed=("gen info 1", "Forbruk pr. år"),
        detailed=("Antall år",),
        announced="Beste tid på døgnet",
    ),
)


def definitions(plan: Plan) -> list[dict[str, Any]]:
    """The custom field definitions of a CRM."""
    labels = (*plan.listed, *plan.detailed, plan.announced)
    return [
        {
            "id": number,
            "key": label,
            "type": "text",
            "max_length": 200,
            "hint": "Kroner i måneden" if label.startswith("Pris") else "",
            "lookup__id": f"crm__custom_info__{number}",
        }
        for number, label in enumerate(labels, plan.first_field)
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


def campaigns() -> list[dict[str, Any]]:
    """All campaigns. Only an inactive one names 1/B2B."""
    return [
        {f"campaign__{field}": value for field, value in zip(_CAMPAIGN_FIELDS, row, strict=True)}
        | {
            "service__id": 10 + owner,
            "service__name": "Utgående salg",
            "data_owner__id": owner,
            "data_owner__name": _OWNERS[owner],
        }
        for *row, owner in _CAMPAIGNS
    ]
