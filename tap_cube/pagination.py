"""The `next` link decides: where it leads, and when the list ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import ParseResult, parse_qsl, urlencode, urljoin, urlsplit

import msgspec
from singer_sdk.exceptions import FatalAPIError
from singer_sdk.pagination import BaseHATEOASPaginator

from tap_cube.compat import override

if TYPE_CHECKING:
    import requests

    from tap_cube.session import CubeResponse


class Page(msgspec.Struct):
    """One page of a list, as Cube sends it.

    Attributes:
        results: The records; `null` is an empty page.
        next: Link to the next page, `None` at the end of the list.
        count: Length of the whole list, where Cube tells it.
    """

    results: list[dict[str, Any]] | None
    next: str | None = None
    count: Any = None

    def __post_init__(self) -> None:
        """Accept a count that is missing or odd: it only switches off what needs it."""
        if type(self.count) is not int or self.count < 0:
            self.count = None


def sample_links(first: CubeResponse, origin: str, size: int) -> list[ParseResult] | None:
    """Links to pages that lie evenly spread over a list, its last page included.

    Args:
        first: The first page.
        origin: Scheme, host and port that every page is asked from.
        size: Number of records wanted, those of the first page included.

    Returns:
        The links, or `None` where pages cannot be reached but one after another.
    """
    page: Page = first.body
    link = NextLinkPaginator(origin).get_next(first)
    if link is None:
        return []
    parameters = dict(parse_qsl(link.query))
    length = len(page.results or ())
    if parameters.get("page") != "2" or not length or page.count is None:
        return None
    last = -(-page.count // length)
    return [
        link._replace(query=urlencode(parameters | {"page": str(index + 1)}))
        for index in spread(last, -(-size // length))[1:]
    ]


def spread(total: int, wanted: int) -> list[int]:
    """At most `wanted` of the indices below `total`, evenly spread, but the first and the last."""
    if total <= max(wanted, 2):
        return list(range(total))
    steps = max(wanted, 2) - 1
    return [(total - 1) * step // steps for step in range(steps + 1)]


class NextLinkPaginator(BaseHATEOASPaginator):
    """Follows `next` links, but on the configured origin only.

    The links name `http://` where HTTPS is required, and behind a proxy the host that the proxy
    hides. So a link's path and query count, and its scheme and host do not: the connection never
    gets weaker, and the credentials never go elsewhere.

    Args:
        origin: Scheme, host and port that every page is asked from.
    """

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = origin
        self._read: set[str] = set()

    @override
    def get_next_url(self, response: requests.Response) -> str | None:
        """Where the link of a page that was just read leads.

        Raises:
            FatalAPIError: If it leads back to a page that was read before.
        """
        page: Page = response.body  # type: ignore[attr-defined]  # a CubeResponse
        here = str(response.request.url)
        self._read.add(self._local(here))
        if not page.next:
            return None
        there = self._local(urljoin(here, page.next))
        if there in self._read:
            msg = (
                f"the link `next` of page {self.count} leads back to a page already read: "
                "reading on would never end. This is a fault of the server: report it to Cube"
            )
            raise FatalAPIError(msg)
        self._read.add(there)
        return there

    @override
    def continue_if_empty(self, response: requests.Response) -> bool:
        """An empty page is not the end of the list: only a page without a link is."""
        return True

    def _local(self, url: str) -> str:
        parts = urlsplit(url)
        return self._origin + (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
