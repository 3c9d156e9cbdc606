"""Responses as Django REST framework sends them: JSON, errors, and numbered pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from tap_cube.sandbox.json_codec import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import URL


def json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with this JSON."""
    return Response(body, status, headers, media_type="application/json")


def error(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error response."""
    return json(encode({"detail": detail}), status, headers)


def page_link(url: URL, number: int) -> str:
    """Return the URL of another page of the same list. The first page has no number."""
    first = str(url.remove_query_params("page"))
    return first if number == 1 else f"{first}{'&' if '?' in first else '?'}page={number}"


def page(rows: list[bytes], number: str, size: int, url: URL) -> Response:
    """Return one page of a list, with links to its neighbours.

    Args:
        rows: All records of the list, as JSON.
        number: The requested page: a number from 1, `last`, or "" for the first.
        size: Records per page.
        url: The URL of the request, from which the links are made.
    """
    pages = max(1, -(-len(rows) // size))
    try:
        current = pages if number == "last" else int(number or 1)
    except ValueError:
        current = 0
    if not 1 <= current <= pages:
        return error(404, "Invalid page.")
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
