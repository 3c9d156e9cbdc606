"""The customers of each CRM, as its list has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_cube.compat import override
from tap_cube.cube.resources import CUSTOMERS
from tap_cube.readers.lists import ListReader
from tap_cube.schema.documented import CRM_COLUMNS, LISTED_CUSTOMER, PREFIXED_CUSTOMER
from tap_cube.schema.keys import Key
from tap_cube.schema.rows import column
from tap_cube.streams.base import CubeStream
from tap_cube.streams.bookmarks import READING
from tap_cube.streams.tables import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cube.cube.pages import Page
    from tap_cube.cube.resources import Crm
    from tap_cube.readers.protocol import Reader

_FLAT, _PREFIXED = "id", "crm__customer_id"


def customer_forms(documented: Mapping[str, dict[str, Any]]) -> tuple[Form, Form]:
    """Return the forms of customer records: the flat one, and the prefixed one.

    Args:
        documented: JSON Schema of the documented fields of flat records.
    """
    flat = Key((*CRM_COLUMNS, _FLAT), _FLAT, other_shape=_PREFIXED)
    prefixed = Key((*CRM_COLUMNS, _PREFIXED), _PREFIXED, other_shape=_FLAT, may_be_missing=True)
    return (
        Form(flat, CRM_COLUMNS, documented, prefixed=False, has_defined_fields=True),
        Form(prefixed, CRM_COLUMNS, PREFIXED_CUSTOMER, has_defined_fields=True),
    )


class Customers(CubeStream):
    """The customers of each CRM, as its list has them."""

    name = "customers"
    resource = CUSTOMERS
    essential = True
    forms = customer_forms(LISTED_CUSTOMER)

    @override
    def new_reader(self, crm: Crm | None, state: Mapping[str, Any]) -> Reader:
        return ListReader(
            self.request(crm),
            self._keys,
            concurrency=self.services.concurrency,
            ascending=not self.form.prefixed,
            resume=state.get(READING),
        )

    def _keys(self, page: Page) -> list[Any]:
        return list(column(page.records, str(self.form.key.field)))
