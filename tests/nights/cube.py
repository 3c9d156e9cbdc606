"""A small Cube whose records a test decides on, byte by byte."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tap_cube.compat import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    Record = dict[str, Any]
    Key = tuple[int, str]

TOKEN = "token-of-a-test"  # noqa: S105  # public: it protects invented data

_SINGLE = re.compile(r"/api/v1/data_owners/(\d+)/(?:crm/)?(\w+)/customers/([^/]+)")
_PATH = re.compile(r"/api/v1/data_owners/(\d+)/(?:crm/)?(\w+)/(\w+)/")


@dataclass
class Crm:
    """What a CRM has.

    Attributes:
        definitions: The records of its field definitions; an integer is a status instead.
        customers: The records of its customers; an integer is a status instead.
        events: By resource, the records of its events or statuses, each with its day (ISO 8601).
    """

    definitions: list[Record] | int = field(default_factory=list)
    customers: list[Record] | int = field(default_factory=list)
    events: dict[str, list[tuple[str, Record]]] = field(default_factory=dict)

    def found(self, resource: str, query: dict[str, str]) -> list[Record] | int:
        if resource == "crm_custom_fields":
            return self.definitions
        if resource == "customers":
            return self.customers
        if resource not in self.events:
            return 404
        events = self.events[resource]
        if "from_date" not in query:
            return [record for _, record in events]
        return [
            record
            for day, record in events
            if query["from_date"] <= day.replace("-", "") <= query["to_date"]
        ]


class Cube:
    """Serves CRMs on a loopback port inside its `with` block.

    Attributes:
        crms: The CRMs by data owner and CRM type. May be changed at any time.
        page_size: Records per page.
        before_page: Called before each response, with its path and query.
    """

    def __init__(self, *, page_size: int = 3) -> None:
        self.crms: dict[Key, Crm] = {}
        self.page_size = page_size
        self.before_page: Callable[[str], None] = lambda _: None

    def __enter__(self) -> Self:
        cube = self

        class Handler(_Handler):
            @override
            def answer(self, target: str) -> Any:
                return cube.answer(target)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def settings(self, **more: Any) -> dict[str, Any]:
        """The settings of a tap that reads all of it."""
        crms = [{"data_owner_id": owner, "crm_type": type_} for owner, type_ in self.crms]
        login = {"api_url": self.url, "auth_token": TOKEN, "max_tries": 1}
        return {**login, "crms": crms, **more}

    def answer(self, target: str) -> Any:
        """The body of a response, or its status if it has none."""
        url = urlsplit(target)
        if url.path.rstrip("/") == "/api/v1/campaigns":
            return []
        self.before_page(target)
        if single := _SINGLE.fullmatch(url.path):
            return self._single(single)
        match = _PATH.fullmatch(url.path)
        crm = match and self.crms.get((int(match[1]), match[2]))
        if not match or not crm:
            return 404
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        found = crm.found(match[3], query)
        if isinstance(found, int) or match[3] == "crm_custom_fields":
            return found
        return self._page(url.path, query, found)

    def _single(self, match: re.Match[str]) -> Any:
        crm = self.crms.get((int(match[1]), match[2]))
        found = crm.found("customers", {}) if crm else []
        records = [] if isinstance(found, int) else found
        ids = ("id", "crm__customer_id")
        return next((r for r in records if match[3] in {str(r.get(name)) for name in ids}), 404)

    def _page(self, path: str, query: dict[str, str], found: list[Record]) -> Any:
        number = int(query.pop("page", 1))
        if number > 1 and (number - 1) * self.page_size >= len(found):
            return 404

        def link(number: int) -> str:
            parts = [f"{name}={value}" for name, value in query.items()]
            return f"{self.url}{path}?{'&'.join([*parts, f'page={number}'])}"

        end = number * self.page_size
        return {
            "count": len(found),
            "next": link(number + 1) if end < len(found) else None,
            "previous": link(number - 1) if number > 1 else None,
            "results": found[end - self.page_size : end],
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self, target: str) -> Any:
        raise NotImplementedError

    def do_GET(self) -> None:
        answer = self.answer(self.path)
        status, body = (answer, {}) if isinstance(answer, int) else (200, answer)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, *_: Any) -> None:
        """Say nothing."""
