"""The two documented shapes of customer records.

Flat records have fields such as `id` and `name`, and the extra fields under their labels. Prefixed
records have `crm__customer_id`, `crm__standard_info__name`, `crm__custom_info__64`, and no `id`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from tap_cube.sandbox.crm_specs import definitions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_cube.sandbox.crm_specs import CrmSpec

Shape = Literal["flat", "prefixed"]

# The field that identifies a customer within a CRM.
KEYS: dict[Shape, str] = {"flat": "id", "prefixed": "crm__customer_id"}

_STANDARD = ("name", "phone_1", "phone_2", "phone_3", "email")
# Prefixed records have these as integers or ""; flat records have strings only.
_NUMBERS = {"active products", "Antall år"}


def note_field(spec: CrmSpec, shape: Shape) -> str:
    """Return a field for notes that change often."""
    if shape == "flat":
        return "need_to_know"
    return _prefixed_names(spec).get("gen info 1", "crm__standard_info__phone_3")


def to_prefixed(spec: CrmSpec, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prefixed form of a flat list record."""
    standard = {f"crm__standard_info__{field}": _not_null(record.get(field)) for field in _STANDARD}
    return {
        KEYS["prefixed"]: str(_not_null(record.get("customer_id"))),
        **standard,
        **prefixed_extras(spec, record, spec.listed),
    }


def prefixed_extras(
    spec: CrmSpec, record: Mapping[str, Any], labels: Iterable[str]
) -> dict[str, Any]:
    """Return the prefixed form of the extra fields of a flat record."""
    names = _prefixed_names(spec)
    return {names[label]: _prefixed_value(label, record.get(label)) for label in labels}


@lru_cache(maxsize=1024)
def _prefixed_names(spec: CrmSpec) -> Mapping[str, str]:
    return {field["key"]: field["lookup__id"] for field in definitions(spec)}


def _not_null(value: object) -> object:
    return "" if value is None else value


def _prefixed_value(label: str, value: object) -> object:
    is_number = label in _NUMBERS and isinstance(value, str) and value.isdecimal()
    return int(str(value)) if is_number else _not_null(value)
