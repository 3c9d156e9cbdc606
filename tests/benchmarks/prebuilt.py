"""A server of many different records, made beforehand: `prebuilt.py RECORDS SHAPE`.

The sandbox has events that are equal, so that the tap reads some days twice. Here, all records are
different, and each list is read once.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from tap_cube.compat import override
from tap_cube.sandbox.account import Account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cube.sandbox.shapes import Shape

PAGE_SIZE = 500
DAYS = 60
_TEMPLATES = 1000
_REPORTED = "call_outcome__report_as__submitted_when"
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Lists:
    """The lists of the CRM 2/B2B.

    Args:
        records: Number of customers, and of call outcomes.
        shape: The shape of the customer records.
    """

    def __init__(self, records: int, shape: Shape) -> None:
        crm = Account(customers=_TEMPLATES, outcomes=_TEMPLATES, shape=shape).crms[2, "B2B"]
        number = crm.key_field
        kind = type(crm.customers()[0][number])
        self.definitions = _encode(crm.definitions)
        self.customers = [
            _encode({**customer, number: kind(10_000_000 + n)})
            for n, customer in enumerate(islice(cycle(crm.customers()), records))
        ]
        self.outcomes: defaultdict[dt.date, list[bytes]] = defaultdict(list)
        for moment, outcome in zip(_moments(records), cycle(crm.call_outcomes()), strict=False):
            stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}+0000"
            outcome |= {_REPORTED: f"{moment:%Y-%m-%d %H:%M}", f"{_REPORTED}_timestamp": stamp}
            self.outcomes[moment.date()].append(_encode(outcome))

    def rows(self, path: str, query: dict[str, list[str]]) -> list[bytes]:
        """Return the records of a list."""
        if path.endswith("/customers/"):
            return self.customers
        if path.endswith("/call_outcomes/"):
            first, last = (query[name][0] for name in ("from_date", "to_date"))
            chosen = [day for day in sorted(self.outcomes) if first <= f"{day:%Y%m%d}" <= last]
            return [row for day in chosen for row in self.outcomes[day]]
        return []


def _moments(number: int) -> Iterator[dt.datetime]:
    """Yield different times, spread over the days before today."""
    end = dt.datetime.now(dt.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    start = end - dt.timedelta(days=DAYS)
    # The first hours of a day in UTC may belong to another day elsewhere, which does not matter
    return (start + n * (end - start) / number for n in range(number))


def page(lists: Lists, origin: str, target: str) -> bytes:
    """Return the body of a response."""
    parts = urlsplit(target)
    if parts.path.endswith("/custom_fields/"):
        return lists.definitions
    query = parse_qs(parts.query)
    number = int(query.pop("page", ["1"])[0])
    rows = lists.rows(parts.path, query)
    others = "".join(f"{name}={value}&" for name, (value,) in query.items())

    def link(to: int, *, exists: bool) -> str | None:
        return f"{origin}{parts.path}?{others}page={to}" if exists else None

    envelope: dict[str, Any] = {
        "count": len(rows),
        "next": link(number + 1, exists=number * PAGE_SIZE < len(rows)),
        "previous": link(number - 1, exists=number > 1),
        "results": [],
    }
    start = (number - 1) * PAGE_SIZE
    records = b",".join(rows[start : start + PAGE_SIZE])
    return json.dumps(envelope).encode().removesuffix(b"]}") + records + b"]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lists: Lists

    def do_GET(self) -> None:
        body = page(self.lists, f"http://{self.headers['Host']}", self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:  # the name of the base
        """Log nothing."""


def main(records: str, shape: Shape) -> None:
    """Serve until the process ends, and print the URL once it is ready."""
    _Handler.lists = Lists(int(records), shape)
    _Handler.wbufsize = -1  # headers and body in one packet
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
