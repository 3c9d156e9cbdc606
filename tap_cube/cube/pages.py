"""Pages of a list, and the links between them: values, without HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from tap_cube.errors import ReadError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    #: A path with its query, on the configured origin: `/api/v1/.../customers/?page=2`.
    Link = str

#: Maximum number of consecutive empty pages.
MAX_EMPTY_PAGES = 100

_PAGE_NUMBER = re.compile(r"(?:^|(?<=[?&]))page=(\d+)(?=&|$)", re.ASCII)


@dataclass(frozen=True)
class Page:
    """One page of a list.

    Attributes:
        link: The link that was requested.
        records: The records, as dicts or as rows.
        count: Length of the whole list; `None` if the server does not tell, or tells nonsense.
        next: Link to the following page; `None` at the end of the list.
        previous: Link to the preceding page; `None` at the start of the list.
        received_at: Time at which the response arrived, aware of its zone.
        keys: Keys that the tap made for the records; `None` if they have keys of their own.
    """

    link: Link
    records: Sequence[Any]
    count: int | None
    next: Link | None
    previous: Link | None
    received_at: dt.datetime
    keys: Sequence[str] | None = None


def local_link(requested: Link, link: str) -> Link:
    """Reduce a link of a page to its path and query.

    Cube's links name `http://` where HTTPS is required, and behind a proxy a host that the proxy
    hides. The tap requests every link from the configured origin, so credentials never go
    elsewhere.

    Args:
        requested: The link of the page that contains `link`; a relative link is relative to it.
        link: An absolute or relative URL.

    Raises:
        ReadError: If it is none.
    """
    try:
        parts = urlsplit(urljoin(requested, link))
    except ValueError:
        msg = "a page links to something that is no URL: report it to Cube"
        raise ReadError(msg) from None
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def page_number(link: Link) -> int | None:
    """Return the number of the page that a link leads to; `None` if the link has none."""
    match = _PAGE_NUMBER.search(urlsplit(link).query)
    return int(match[1]) if match else None


def with_page_number(link: Link, number: int) -> Link:
    """Return the link to another page of the same list. The link must have a page number."""
    path, _, query = link.partition("?")
    return f"{path}?{_PAGE_NUMBER.sub(f'page={number}', query)}"


def spread(total: int, wanted: int) -> list[int]:
    """At most `wanted` of the indices below `total`, evenly spread, with the first and the last."""
    if total <= max(wanted, 2):
        return list(range(total))
    steps = max(wanted, 2) - 1
    return [(total - 1) * step // steps for step in range(steps + 1)]
