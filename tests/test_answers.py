"""Answers that no list of customers is: each ends with one sentence, and nothing is quoted."""

from __future__ import annotations

import json
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Request, Response

from tests.support import program
from tests.test_pagination import LIST, config, page

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

    from tests.support import Tap

PERSON = "Kari Nordmann"
WHOLE = json.dumps({"count": 1, "next": None, "results": [{"id": 1, "name": PERSON}]})

NOT_JSON = (
    "the response is not JSON, or was cut short: check the setting `api_url`, or try again later"
)
FORM = "the response does not have the documented form"
BODIES: dict[str, tuple[str, str]] = {
    "HTML": (f"<html><body>{PERSON}</body></html>", NOT_JSON),
    "nothing": ("", NOT_JSON),
    "JSON cut short": (WHOLE[:-9], NOT_JSON),
    "an array": (json.dumps([PERSON]), FORM),
    "an object without results": (json.dumps({"detail": PERSON}), FORM),
    "results that hold a string": (json.dumps({"results": PERSON}), FORM),
    "a record that is a string": (json.dumps({"results": [PERSON]}), FORM),
    "a link that is a number": (json.dumps({"results": [], "next": 2}), FORM),
    "a customer without an id": (
        json.dumps({"next": None, "results": [{"name": PERSON}]}),
        "lacks `id`",
    ),
    "a customer without a value for its id": (
        json.dumps({"next": None, "results": [{"id": None, "name": PERSON}]}),
        "lacks `id`",
    ),
}


@pytest.fixture(autouse=True)
def _lacks_everything_else(httpserver: HTTPServer) -> None:
    httpserver.no_handler_status_code = 404


@pytest.mark.parametrize(("body", "sentence"), BODIES.values(), ids=BODIES)
def test_unusable_bodies(tap: Tap, httpserver: HTTPServer, body: str, sentence: str) -> None:
    httpserver.expect_request(LIST).respond_with_data(body, content_type="application/json")
    run = tap(config(httpserver), env={"LOGLEVEL": "DEBUG"})
    assert run.status == 1
    assert "CRM 2/B2B, customers: " in run.last_line
    assert sentence in run.last_line
    assert PERSON not in run.log


def cut_short(_request: Request) -> Response:
    """An iterator, so that the server does not put the length right."""
    return Response(iter([WHOLE[:30]]), headers={"Content-Length": str(len(WHOLE))})


def test_a_body_cut_short_by_the_connection(tap: Tap, httpserver: HTTPServer) -> None:
    httpserver.expect_request(LIST).respond_with_handler(cut_short)
    run = tap(config(httpserver), env={"LOGLEVEL": "DEBUG"})
    assert run.status == 1
    assert "CRM 2/B2B, customers: " in run.last_line
    assert (
        "the response was cut short. Check the setting `api_url` and the network" in run.last_line
    )
    assert PERSON not in run.log


STATUSES = {
    400: "Cube answered with status 400",
    403: "no access (403): ask Cube to open customers to these credentials, or list only CRMs",
    404: "not found (404): check the setting `crms`",
    429: "Cube asks for fewer requests (429): set `requests_per_second` (tried once)",
    503: "Cube answered with status 503: try again later (tried once)",
}


@pytest.mark.parametrize(("status", "sentence"), STATUSES.items(), ids=STATUSES)
def test_unwelcome_statuses(tap: Tap, httpserver: HTTPServer, status: int, sentence: str) -> None:
    httpserver.expect_request("/api/v1/campaigns").respond_with_json([])
    httpserver.expect_request(LIST).respond_with_data(PERSON, status=status)
    run = tap(config(httpserver), env={"LOGLEVEL": "DEBUG"})
    assert run.status == 1
    assert f"CRM 2/B2B, customers: {sentence}" in run.last_line
    assert PERSON not in run.log


@pytest.mark.parametrize(
    "passing",
    [
        lambda _: Response(status=503),
        lambda _: Response(status=429),
        lambda _: Response("<html>"),
        cut_short,
    ],
    ids=["503", "429", "HTML", "cut short"],
)
def test_what_passes_is_tried_again(tap: Tap, httpserver: HTTPServer, passing: Any) -> None:
    answers = chain([passing, passing], repeat(lambda _: Response(json.dumps(page(1)))))

    def answer(request: Request) -> Response:
        response: Response = next(answers)(request)
        return response

    httpserver.expect_request(LIST).respond_with_handler(answer)
    tap.program = ("-c", program(first_delay=0.1))
    run = tap(config(httpserver, max_tries=3), catalog=catalog()).check()
    assert [r["id"] for r in run.rows("customers")] == [1]
    assert run.log.count("CRM 2/B2B, customers: ") == 2
    assert "(try 3 of 3)" in run.log


def test_with_a_catalog_nothing_is_asked_to_learn_the_schema(
    tap: Tap, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(LIST, query_string="").respond_with_json(page(1, link="?page=2"))
    httpserver.expect_request(LIST, query_string="page=2").respond_with_json(page(2))
    run = tap(config(httpserver), catalog=catalog()).check()
    definitions = "/api/v1/data_owners/2/B2B/crm_custom_fields/?"
    paths = sorted(request.full_path for request, _ in httpserver.log)
    assert paths == [definitions, f"{LIST}?", f"{LIST}?page=2"]
    assert [r["id"] for r in run.rows("customers")] == [1, 2]
    (schema,) = run.of_type("SCHEMA", "customers")
    found = {name: column["type"] for name, column in schema["schema"]["properties"].items()}
    given = catalog()["streams"][0]["schema"]["properties"]
    assert found == {name: column["type"] for name, column in given.items()}


SURROGATES = {
    r"\ud83d\ude00": "😀",
    r"half \ud83d": "half \ufffd",
    r"half \ude00!": "half \ufffd!",
    r"\ud83d\ud83d\ude00": "\ufffd😀",
    r"\\ud83d and \ud83d": "\\ud83d and \ufffd",
}


def test_half_a_character_does_not_make_the_list_unreadable(
    tap: Tap, httpserver: HTTPServer
) -> None:
    rows = ", ".join(f'{{"id": {n}, "name": "{name}"}}' for n, name in enumerate(SURROGATES))
    body = f'{{"count": {len(SURROGATES)}, "next": null, "results": [{rows}]}}'
    httpserver.expect_request(LIST).respond_with_data(body)
    run = tap(config(httpserver), catalog=catalog()).check()
    assert [r["name"] for r in run.rows("customers")] == list(SURROGATES.values())


def test_the_other_place_of_the_list(tap: Tap, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v1/data_owners/2/B2B/customers/").respond_with_json(page(7))
    run = tap(config(httpserver)).check()
    assert [r["id"] for r in run.rows("customers")] == [7]


def test_an_account_without_definitions_and_campaigns(tap: Tap, httpserver: HTTPServer) -> None:
    httpserver.expect_request(LIST).respond_with_json(page(1))
    run = tap(config(httpserver)).check()
    assert {m["stream"] for m in run.messages if m["type"] == "SCHEMA"} == {"customers"}
    assert run.log.count("The stream is left out") == 5


def test_no_crms_and_no_campaigns_to_find_them_by(tap: Tap, httpserver: HTTPServer) -> None:
    settings = config(httpserver)
    del settings["crms"]
    run = tap(settings)
    assert run.status == 1
    assert "list the CRMs in the setting `crms`" in run.last_line


def catalog() -> dict[str, Any]:
    """A catalog made by hand, with the little that a catalog needs."""
    integer = {"type": ["integer"]}
    fields = {"data_owner_id": integer, "crm_type": {"type": ["string"]}, "id": integer}
    name = {"name": {"type": ["string", "null"]}}
    return {
        "streams": [
            {
                "tap_stream_id": "customers",
                "stream": "customers",
                "key_properties": list(fields),
                "schema": {"type": "object", "properties": {**fields, **name}},
                "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
            }
        ]
    }
