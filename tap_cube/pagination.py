"""The `next` link decides: what a page is, where its link leads, when the list ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import ParseResult, urljoin, urlsplit

import msgspec
from singer_sdk.exceptions import FatalAPIError
from singer_sdk.pagination import BaseHATEOASPaginator

from tap_cube.compat import override

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests

    from tap_cube.session import CubeResponse

#: Number of the page that the first link of a list leads to, where pages have numbers.
FIRST_LINKED = 2

_PAGE_NUMBER = re.compile(r"(?:^|(?<=&))page=(\d+)(?=&|$)", re.ASCII)


T = TypeVar("T")


class Page(msgspec.Struct, Generic[T]):
    """One page of a list, as Cube sends it.

    Attributes:
        results: The records; `null` is an empty page.
        next: Link to the next page, `None` at the end of the list.
        count: Length of the whole list, where Cube tells it.
    """

    results: list[T] | None
    next: str | None = None
    count: Any = None

    def __post_init__(self) -> None:
        """Accept a count that is missing or odd: it only switches off what needs it."""
        if type(self.count) is not int or self.count < 0:
            self.count = None


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
        self._path: list[ParseResult | None] = [None]
        # Each page on the way here by its link, and by its URL as it went out
        self._read: list[tuple[str, str]] = []
        self._read_urls: set[str] = set()

    @property
    def position(self) -> int:
        """How many links lead from the start of the list to here, plus one."""
        return len(self._path)

    @override
    def get_next_url(self, response: requests.Response) -> str | None:
        """Where the link of a page leads, on the configured origin."""
        page: Page[Any] = response.body  # type: ignore[attr-defined]  # a CubeResponse
        return self._local(urljoin(str(response.request.url), page.next)) if page.next else None

    @override
    def advance(self, response: requests.Response) -> None:
        """Go where the link of the page that was just read leads.

        Raises:
            FatalAPIError: If it leads back to a page on the way here.
        """
        asked = self._path[-1]
        here = self._local(str(response.request.url))
        self._read.append((here, asked.geturl() if asked else ""))
        self._read_urls.update(self._read[-1])
        if self.get_next_url(response) in self._read_urls:
            msg = (
                f"the link `next` of page {self.position} leads back to a page already read: "
                "reading on would never end. This is a fault of the server: report it to Cube"
            )
            raise FatalAPIError(msg)
        super().advance(response)
        if not self.finished:
            self._path.append(self.current_value)

    def rewind(self, pages: int) -> None:
        """Go back, by the links that led here; at most to the start of the list."""
        del self._path[max(self.position - pages, 1) :]
        for urls in self._read[self.position - 1 :]:
            self._read_urls.difference_update(urls)
        del self._read[self.position - 1 :]
        self._value = self._path[-1]

    def jump(self, links: list[ParseResult]) -> None:
        """Go where links lead from the start of the list that were not read on the way."""
        self._path = [None, *links]
        self._read = [("", link.geturl() if link else "") for link in self._path[:-1]]
        self._read_urls = {url for urls in self._read for url in urls}
        self._value = self._path[-1]

    @override
    def continue_if_empty(self, response: requests.Response) -> bool:
        """An empty page is not the end of the list: only a page without a link is."""
        return True

    def _local(self, url: str) -> str:
        parts = urlsplit(url)
        return self._origin + (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def page_number(link: ParseResult | None) -> int | None:
    """The number of the page that a link leads to, where pages have numbers."""
    match = _PAGE_NUMBER.search(link.query) if link else None
    return int(match[1]) if match else None


def page_links(link: ParseResult, numbers: Iterable[int]) -> list[ParseResult]:
    """What the links to other pages of the same list will be, where pages have numbers."""
    return [
        link._replace(query=_PAGE_NUMBER.sub(f"page={number}", link.query)) for number in numbers
    ]


def sample_links(first: CubeResponse, origin: str, size: int) -> list[ParseResult] | None:
    """Links to pages that lie evenly spread over a list, its last page included.

    Args:
        first: The first page.
        origin: Scheme, host and port that every page is asked from.
        size: Number of records wanted, those of the first page included.

    Returns:
        The links, or `None` where pages cannot be reached but one after another.
    """
    page: Page[Any] = first.body
    link = NextLinkPaginator(origin).get_next(first)
    if link is None:
        return []
    length = len(page.results or ())
    if page_number(link) != FIRST_LINKED or not length or page.count is None:
        return None
    pages = spread(-(-page.count // length), -(-size // length))
    return page_links(link, (index + 1 for index in pages[1:]))


def spread(total: int, wanted: int) -> list[int]:
    """At most `wanted` of the indices below `total`, evenly spread, but the first and the last."""
    if total <= max(wanted, 2):
        return list(range(total))
    steps = max(wanted, 2) - 1
    return [(total - 1) * step // steps for step in range(steps + 1)]
