"""What a request asks for: its target, that is, its path with its query."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope

_LIST = re.compile(
    r"/(customers|call_outcomes|product_registrations|callflow_customers)/(\?|$)", re.ASCII
)
_CUSTOMERS = re.compile(r"/data_owners/(\d+)/(?:crm/)?([^/]+)/customers/(?:\?|$)", re.ASCII)


def target(scope: Scope) -> str:
    """The path and the query as they came, such as `/api/v1/campaigns?page=2`."""
    path, query = scope["raw_path"], scope["query_string"]
    return (b"%b?%b" % (path, query) if query else bytes(path)).decode("latin-1")


def is_list(requested: str) -> bool:
    """Whether the target is a list that comes in pages."""
    return _LIST.search(requested) is not None


def crm_listed(requested: str) -> tuple[int, str] | None:
    """The data owner and the CRM type whose customers the target lists, if it does."""
    found = _CUSTOMERS.search(requested)
    return (int(found[1]), found[2]) if found else None
