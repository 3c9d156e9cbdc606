"""The two shapes in which Cube is documented to write its customers.

Flat records have fields such as `id` and `name`, and the extra fields under their labels. Prefixed
records have `crm__customer_id`, `crm__standard_info__name`, `crm__custom_info__64`, and no `id`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from tap_cube.sandbox.plans import definitions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_cube.sandbox.plans import Plan

Shape = Literal["flat", "prefixed"]

# The field that tells a CRM's customers apart.
KEYS: dict[Shape, str] = {"flat": "id", "prefixed": "crm__customer_id"}

_STANDARD = ("name", "phone_1", "phone_2", "phone_3", "email")
# Written as integers where they are not empty; all others are strings.
_NUMBERS = {"active products", "Antall år"}


@lru_cache(maxsize=16)
def lookups(plan: Plan) -> Mapping[str, str]:
    """The prefixed names of the CRM's extra fields, by label."""
    return {field["key"]: field["lookup__id"] for field in definitions(plan)}


def note_field(plan: Plan, shape: Shape) -> str:
    """A field that colleagues write into."""
    return "need_to_know" if shape == "flat" else lookups(plan)["gen info 1"]


def standard(record: Mapping[str, Any]) -> dict[str, Any]:
    """The prefixed standard fields of a flat record."""
    return {f"crm__standard_info__{field}": _filled(record.get(field)) for field in _STANDARD}


def custom(plan: Plan, record: Mapping[str, Any], labels: Iterable[str]) -> dict[str, Any]:
    """The prefixed extra fields of a flat record."""
    names = lookups(plan)
    return {names[label]: _value(label, record.get(label)) for label in labels}


def prefixed(plan: Plan, record: Mapping[str, Any]) -> dict[str, Any]:
    """The flat list record as a prefixed one."""
    imported = {KEYS["prefixed"]: str(_filled(record.get("customer_id")))}
    return imported | standard(record) | custom(plan, record, plan.listed)


def _filled(value: object) -> object:
    return "" if value is None else value


def _value(label: str, value: object) -> object:
    is_number = label in _NUMBERS and isinstance(value, str) and value.isdecimal()
    return int(str(value)) if is_number else _filled(value)
