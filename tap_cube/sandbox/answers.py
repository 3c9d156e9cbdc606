"""The forms that answers have: JSON, errors, and pages as Django REST framework numbers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from tap_cube.sandbox.coding import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import URL


def json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of ready-made JSON."""
    return Response(body, status, headers, media_type="application/json")


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error in the framework's form."""
    return json(encode({"detail": detail}), status, headers)


def page_link(url: URL, number: int) -> str:
    """The URL of another page of the same list; the first page's has no number."""
    first = str(url.remove_query_params("page"))
    return first if number == 1 else f"{first}{'&' if '?' in first else '?'}page={number}"


def page(rows: list[bytes], number: str, size: int, url: URL) -> Response:
    """One page of the rows, with links to its neighbours.

    Args:
        rows: All rows, as JSON.
        number: The page that is asked for: a number from 1 on, `last`, or "" for the first.
        size: Rows a page.
        url: The page's own URL, from which the links are made.
    """
    pages = max(1, -(-len(rows) // size))
    try:
        current = pages if number == "last" else int(number or 1)
    except ValueError:
        current = 0
    if not 1 <= current <= pages:
        return problem(404, "Invalid page.")
    following = page_link(url, current + 1) if current < pages else None
    previous = page_link(url, current - 1) if current > 1 else None
    return json(
        b'{"count":%d,"next":%b,"previous":%b,"results":[%b]}'
        % (
            len(rows),
            encode(following),
            encode(previous),
            b",".join(rows[(current - 1) * size : current * size]),
        )
    )
