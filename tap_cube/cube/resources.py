"""What Cube offers: CRMs, and the paths of their resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from tap_cube.compat import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cube.cube.pages import Link

_ROOT = "/api/v1/"


class Crm(NamedTuple):
    """A CRM: the customers of one data owner and one CRM type."""

    data_owner_id: int
    crm_type: str

    @override
    def __str__(self) -> str:
        """Return the CRM as log lines name it, such as `2/B2B`."""
        return f"{self.data_owner_id}/{self.crm_type}"


@dataclass(frozen=True)
class Resource:
    """A resource of the API.

    Attributes:
        name: Name in log lines and errors: that of the stream.
        paths: Templates of the paths below `/api/v1/`; accounts differ in which of them exists.
        per_crm: Whether each CRM has the resource.
    """

    name: str
    paths: tuple[str, ...]
    per_crm: bool = True

    def links(
        self, crm: Crm | None = None, query: Mapping[str, str] | None = None, **values: Any
    ) -> list[Link]:
        """Return the link for each of the paths.

        Args:
            crm: The CRM, where each has the resource.
            query: Parameters of the query.
            values: Further values of the templates.
        """
        if crm is not None:
            values = {**crm._asdict(), **values}
        quoted = {name: quote(str(value), safe="") for name, value in values.items()}
        suffix = f"?{urlencode(query)}" if query else ""
        return [_ROOT + path.format(**quoted) + suffix for path in self.paths]


@dataclass(frozen=True)
class Subject:
    """What a request is about, for log lines and errors."""

    resource: Resource
    crm: Crm | None = None

    @override
    def __str__(self) -> str:
        """Return `CRM 2/B2B, customers`, or the resource alone."""
        return f"CRM {self.crm}, {self.resource.name}" if self.crm else self.resource.name


_OWNER = "data_owners/{data_owner_id}/"

CUSTOMERS = Resource(
    "customers",
    (_OWNER + "crm/{crm_type}/customers/", _OWNER + "{crm_type}/customers/"),
)
CUSTOMER_DETAILS = Resource("customer_details", tuple(f"{path}{{id}}" for path in CUSTOMERS.paths))
CUSTOM_FIELDS = Resource("custom_fields", (_OWNER + "{crm_type}/crm_custom_fields/",))
CAMPAIGNS = Resource("campaigns", ("campaigns",), per_crm=False)
CALL_OUTCOMES = Resource("call_outcomes", (_OWNER + "crm/{crm_type}/call_outcomes/",))
PRODUCT_REGISTRATIONS = Resource(
    "product_registrations", (_OWNER + "crm/{crm_type}/product_registrations/",)
)
CUSTOMER_STATUSES = Resource("customer_statuses", (_OWNER + "crm/{crm_type}/callflow_customers/",))
