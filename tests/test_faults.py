"""A storm of faults that pass changes nothing; a fault that does not pass ends the run."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.support import Run, program
from tests.test_answers import catalog
from tests.test_pagination import LIST, config, customers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGES = 200
PAGE_SIZE = 5

# The pauses of a real run, a hundred times as short
PROGRAM = program(state_interval=0, first_delay=0.01)


def reset(request: Request, _body: str) -> Response:
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return Response()


def cut(_request: Request, body: str) -> Response:
    return Response(iter([body[: len(body) // 2]]), headers={"Content-Length": str(len(body))})


def slow(_request: Request, body: str) -> Response:
    time.sleep(0.3)
    return Response(body)


def half(_request: Request, body: str) -> Response:
    return Response(body[: len(body) // 2])


def html(_request: Request, _body: str) -> Response:
    return Response("<html><h1>Bad Gateway</h1></html>")


def status(code: int, **headers: str) -> Callable[[Request, str], Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request, _body: Response("sorry", code, named)


FAULTS = [
    reset,
    cut,
    half,
    html,
    slow,
    status(429),
    status(429, Retry_After="0"),
    status(500),
    status(502),
    status(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
]


class Storm:
    """A list of customers, of which a share of all requests fails in one way or another."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.broken_to = 0
        self.failed = 0
        self._chance = random.Random(1)  # noqa: S311  # not for secrets
        self._lock = Lock()

    def answer(self, request: Request) -> Response:
        number = int(request.args.get("page", 1))
        first = (number - 1) * PAGE_SIZE + 1
        body = json.dumps(
            {
                "count": PAGES * PAGE_SIZE,
                "next": f"http://cube.internal{LIST}?page={number + 1}" if number < PAGES else None,
                "previous": f"http://cube.internal{LIST}?page={number - 1}" if number > 1 else None,
                "results": customers(*range(first, first + PAGE_SIZE)),
            }
        )
        with self._lock:
            fails = 1 < number <= self.broken_to or self._chance.random() < self.share
            fault = self._chance.choice(FAULTS) if number > self.broken_to else status(503)
            self.failed += fails
        return fault(request, body) if fails else Response(body)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(threaded=True) as running:
        running.no_handler_status_code = 404
        yield running


def read(server: HTTPServer, folder: Path, storm: Storm, **more: Any) -> Run:
    server.expect_request(LIST).respond_with_handler(storm.answer)
    files = {"config": config(server, max_tries=10) | more, "catalog": catalog()}
    arguments = []
    for option, content in files.items():
        path = folder / f"{option}.json"
        path.write_text(json.dumps(content))
        arguments += [f"--{option}", str(path)]
    process = subprocess.run(  # noqa: S603  # this project's own program
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, check=False, timeout=60
    )
    return Run(process.returncode, process.stdout, process.stderr.decode())


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_a_storm_changes_nothing(server: HTTPServer, tmp_path: Path, concurrency: int) -> None:
    storm = Storm(0.2)
    run = read(server, tmp_path, storm, concurrency=concurrency, request_timeout=5).check()
    ids = [record["id"] for record in run.rows("customers")]
    assert ids == list(range(1, PAGES * PAGE_SIZE + 1))
    assert storm.failed > 30
    assert len(run.of_type("SCHEMA", "customers")) == 1


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_a_fault_that_never_ends(server: HTTPServer, tmp_path: Path, concurrency: int) -> None:
    storm = Storm(0)
    storm.broken_to = 50
    run = read(server, tmp_path, storm, concurrency=concurrency, max_tries=3)
    assert run.status == 1
    assert "CRM 2/B2B, customers: Cube answered with status 503: try again later" in run.last_line
    (partition,) = run.state["bookmarks"]["customers"]["partitions"]
    page = partition["reading"]["page"]
    assert storm.broken_to <= page <= PAGES, "the next run continues from there"
    first = range(1, PAGE_SIZE + 1)
    ids = [record["id"] for record in run.records("customers")]
    assert len(ids) == len({*ids}), "none twice"
    assert {*first, *range(page * PAGE_SIZE + 1, PAGES * PAGE_SIZE + 1)} <= {*ids}
    # Several chains fail at a time that depends on the others; a single one does not
    if concurrency == 1:
        assert run.messages[-1]["type"] == "STATE"
        assert page == storm.broken_to
        written = range(storm.broken_to * PAGE_SIZE + 1, PAGES * PAGE_SIZE + 1)
        assert sorted(ids) == [*first, *written], "what came before it was written"


def test_a_server_that_does_not_answer_in_time(server: HTTPServer, tmp_path: Path) -> None:
    def never(_request: Request) -> Response:
        time.sleep(1)
        return Response()

    server.expect_request(LIST).respond_with_handler(never)
    storm = Storm(0)
    run = read(server, tmp_path, storm, max_tries=2, request_timeout=0.2)
    assert run.status == 1
    assert "no response within the setting `request_timeout` (0.2 s)" in run.last_line
