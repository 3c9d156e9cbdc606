"""The `next` link decides, whatever it looks like, and whatever a page holds."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from pytest_httpserver import HTTPServer

from tap_cube.cube.pages import spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Run, Tap

LIST = "/api/v1/data_owners/2/crm/B2B/customers/"


def page(*ids: int, link: str | None = None, **more: Any) -> dict[str, Any]:
    """A page that leaves open how many customers there are; `test_reading` is about that."""
    return {"count": None, "next": link, "previous": None, "results": customers(*ids), **more}


def customers(*ids: int) -> list[dict[str, Any]]:
    return [{"id": id_, "name": f"Customer {id_}"} for id_ in ids]


def config(server: HTTPServer, **more: Any) -> dict[str, Any]:
    return {
        "api_url": server.url_for("").rstrip("/"),
        "auth_token": "t0ken",
        "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
        "max_tries": 1,
        **more,
    }


def serve(server: HTTPServer, pages: dict[str, Any]) -> None:
    """Serve pages by their query, in the form of `{"page=2": page}`."""
    for query, content in pages.items():
        server.expect_request(LIST, query_string=query).respond_with_json(content)


def ids(run: Run) -> list[int]:
    return [record["id"] for record in run.check().rows("customers")]


@pytest.fixture
def elsewhere() -> Iterator[HTTPServer]:
    """A second server, which must never be asked anything."""
    with HTTPServer() as server:
        yield server
        assert server.log == []


@pytest.fixture(autouse=True)
def _lacks_everything_else(httpserver: HTTPServer) -> None:
    httpserver.no_handler_status_code = 404


LINKS = [
    "http://127.0.0.1:{port}{path}?page=2",  # as in Cube's documents
    "?page=3",
    "{path}?page=4",
    "https://127.0.0.1:{port}{path}?page=5",
    "http://cube.internal{path}?page=6",
    "http://me:secret@cube.internal{path}?page=7",
    "{path}?page=8#top",
]


def test_every_form_of_a_link_is_followed_on_the_same_origin(
    tap: Tap, httpserver: HTTPServer
) -> None:
    """One list, each of whose pages links to the next in another form."""
    links = [link.format(port=httpserver.port, path=LIST) for link in LINKS]
    for number, link in enumerate([*links, None], 1):
        query = f"page={number}" if number > 1 else ""
        serve(httpserver, {query: page(number, link=link)})
    assert ids(tap(config(httpserver))) == list(range(1, len(LINKS) + 2))


def test_a_link_to_another_host_gets_nothing(
    tap: Tap, httpserver: HTTPServer, elsewhere: HTTPServer
) -> None:
    link = elsewhere.url_for(f"{LIST}?page=2")
    serve(httpserver, {"": page(1, link=link), "page=2": page(2)})
    assert ids(tap(config(httpserver))) == [1, 2]
    assert all(r.headers["Authorization"] == "Token t0ken" for r, _ in httpserver.log)


def test_a_redirect_to_another_host_gets_nothing(
    tap: Tap, httpserver: HTTPServer, elsewhere: HTTPServer
) -> None:
    headers = {"Location": elsewhere.url_for(LIST)}
    httpserver.expect_request(LIST).respond_with_data(status=302, headers=headers)
    run = tap(config(httpserver))
    assert run.status == 1
    assert "CRM 2/B2B, customers: Cube redirects to another port of its host (302)" in run.last_line


def test_a_redirect_on_the_same_host_is_followed(tap: Tap, httpserver: HTTPServer) -> None:
    httpserver.expect_request(LIST, query_string="").respond_with_data(
        status=301, headers={"Location": f"{LIST}?page=1"}
    )
    serve(httpserver, {"page=1": page(1)})
    assert ids(tap(config(httpserver))) == [1]


def test_a_second_question_mark_is_part_of_the_query(tap: Tap, httpserver: HTTPServer) -> None:
    serve(
        httpserver,
        {
            "": page(1, link=f"http://cube.internal{LIST}?a=&response_type=Sale/?page=2"),
            "a=&response_type=Sale/?page=2": page(2),
        },
    )
    assert ids(tap(config(httpserver))) == [1, 2]


def test_a_link_to_another_collection_is_followed(tap: Tap, httpserver: HTTPServer) -> None:
    serve(httpserver, {"": page(1, link="/api/v1/archive/?page=2")})
    httpserver.expect_request("/api/v1/archive/").respond_with_json(page(2))
    assert ids(tap(config(httpserver))) == [1, 2]


def test_only_a_page_without_a_link_ends_the_list(tap: Tap, httpserver: HTTPServer) -> None:
    serve(
        httpserver,
        {
            "": page(link="?page=2"),
            "page=2": page(1, link="?page=3"),
            "page=3": {"results": None, "next": "?page=4"},
            "page=4": page(2, link="?page=5"),
            "page=5": page(),
        },
    )
    assert ids(tap(config(httpserver))) == [1, 2]


def test_an_odd_count_does_no_harm(tap: Tap, httpserver: HTTPServer) -> None:
    counts: list[Any] = [None, "many", -1, 2.5, [], {}]
    for number, count in enumerate(counts, 1):
        query = f"page={number}" if number > 1 else ""
        link = f"?page={number + 1}" if number < len(counts) else None
        serve(httpserver, {query: page(number, link=link, count=count)})
    assert ids(tap(config(httpserver))) == list(range(1, len(counts) + 1))


LOOPS = {
    "to itself": {"": page(1, link="?")},
    "to itself by number": {"": page(1, link="?page=2"), "page=2": page(2, link="?page=2")},
    "over two pages": {
        "": page(1, link="?page=2"),
        "page=2": page(2, link="?page=3"),
        "page=3": page(3, link="?page=2"),
    },
}


@pytest.mark.parametrize("pages", LOOPS.values(), ids=LOOPS)
def test_a_loop_ends_with_an_error(tap: Tap, httpserver: HTTPServer, pages: dict[str, Any]) -> None:
    serve(httpserver, pages)
    run = tap(config(httpserver, sample_size=1))
    assert run.status == 1
    assert "CRM 2/B2B, customers: the link `next` of page" in run.last_line
    assert "leads back to a page already read" in run.last_line
    assert len(httpserver.log) < 15


@pytest.mark.parametrize("total", [0, 1, 2, 3, 10, 997])
@pytest.mark.parametrize("wanted", [1, 2, 3, 7, 1000])
def test_a_spread_holds_both_ends_and_is_even(total: int, wanted: int) -> None:
    indices = spread(total, wanted)
    assert indices == sorted(set(indices))
    assert len(indices) == min(total, max(wanted, 2))
    if total:
        assert (indices[0], indices[-1]) == (0, total - 1)
    gaps = {b - a for a, b in pairwise(indices)}
    assert not gaps or max(gaps) - min(gaps) <= 1
