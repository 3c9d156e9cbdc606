"""Peak memory of the tap for many customers: `python -m tests.benchmarks.memory --help`.

A server makes the pages on the fly, so that millions of customers cost it nothing. Ids are numbers
in ascending order, or numbers or words as text in records without `id`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import click

from tap_cube.compat import override
from tap_cube.sandbox.account import Account
from tests.benchmarks.results import machine
from tests.support import own_environment, select
from tests.targets import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LAUNCH = Path(__file__).parent / "launch.py"
_PAGE_SIZE = 500
_MARK = 987654321
_MOST_MB, _MOST_BYTES = 128, 32
#: For each kind of ids: the shape of the records, and the id of a number.
_IDS: dict[str, tuple[str, Callable[[int], int | str]]] = {
    "numbers": ("flat", lambda n: 10_000_000 + n),
    "numbers as text": ("prefixed", lambda n: str(10_000_000 + n)),
    "words": ("prefixed", lambda n: f"NO-{10_000_000 + 7919 * n % 10_000_019}-{n % 97:02}"),
}


@contextmanager
def serve(customers: int, kind: str) -> Iterator[str]:
    """A server of so many customers; its URL."""
    shape, id_of = _IDS[kind]
    crm = Account(customers=_PAGE_SIZE, shape=shape).crms[2, "B2B"]  # type: ignore[arg-type]
    mark = _MARK if shape == "flat" else str(_MARK)
    texts = [json.dumps({**c, crm.key_field: mark}).encode() for c in crm.customers()]
    templates = [text.split(json.dumps(mark).encode(), 1) for text in texts]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            is_list = parts.path.endswith("/customers/")
            body = self._page(parts.path, parts.query) if is_list else b"[]"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _page(self, path: str, query: str) -> bytes:
            number = int(parse_qs(query).get("page", ["1"])[0])
            start, end = (number - 1) * _PAGE_SIZE, min(number * _PAGE_SIZE, customers)
            rows = b",".join(
                head + json.dumps(id_of(n)).encode() + tail
                for n, (head, tail) in zip(range(start, end), templates, strict=False)
            )
            link = f"http://{self.headers['Host']}{path}?page="
            following = json.dumps(link + str(number + 1) if end < customers else None)
            previous = json.dumps(link + str(number - 1) if start else None)
            links = f'"next":{following},"previous":{previous}'
            return b'{"count":%d,%b,"results":[%b]}' % (customers, links.encode(), rows)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def measure(customers: int, kind: str, concurrency: int) -> dict[str, Any]:
    """Run the tap, which must write all customers; return the figures of `launch.py`."""
    with serve(customers, kind) as url, TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        config = {
            "api_url": url,
            "auth_token": "t0ken",
            "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
            "concurrency": concurrency,
        }
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        tap = [sys.executable, "-m", "tap_cube", "--config", "config.json"]
        environment = {**own_environment(), "PYTHONPATH": str(ROOT)}

        def call(command: list[str], output: str) -> None:
            with (folder / output).open("wb") as out, (folder / "log").open("wb") as log:
                subprocess.run(  # noqa: S603  # this project's own program
                    command, cwd=folder, env=environment, stdout=out, stderr=log, check=True
                )

        call([*tap, "--discover"], "discovered.json")
        catalog = select(json.loads((folder / "discovered.json").read_bytes()), "customers")
        (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
        launch = [sys.executable, "-I", "-S", str(_LAUNCH), "figures.json"]
        call([*launch, *tap, "--catalog", "catalog.json"], "stdout")
        figures: dict[str, Any] = json.loads((folder / "figures.json").read_bytes())
        with (folder / "stdout").open("rb") as lines:
            written = sum(line.startswith(b'{"type":"RECORD"') for line in lines)
        if figures["status"] or written != customers:
            log = (folder / "log").read_text(encoding="utf-8")
            raise click.ClickException(f"{written} of {customers} customers\n{log[-2000:]}")
        return figures


@click.command(context_settings={"show_default": True})
@click.option("--customers", default=1_000_000, help="Compared with a tenth of them.")
@click.option("--concurrency", default=4, help="Maximum requests in flight.")
@click.option("--ids", "kinds", multiple=True, type=click.Choice(list(_IDS)), default=list(_IDS))
def main(customers: int, concurrency: int, kinds: tuple[str, ...]) -> None:
    """Measure. The status is 1 if a bound is missed."""
    click.echo(
        f"{_PAGE_SIZE} customers a page, {concurrency} in flight; at most {_MOST_MB} MB, and "
        f"{_MOST_BYTES} bytes more for each customer beyond a tenth of them ({machine()})\n\n"
        "| ids | customers | s | peak MB | bytes per further customer |\n|---|--:|--:|--:|--:|"
    )
    is_missed = False
    for kind in kinds:
        few, many = (measure(number, kind, concurrency) for number in (customers // 10, customers))
        peak = many["peak_bytes"]
        growth = (peak - few["peak_bytes"]) / (customers - customers // 10)
        is_missed |= peak > _MOST_MB * 1e6 or growth > _MOST_BYTES
        click.echo(
            f"| {kind} | {customers:,} | {many['seconds']:.1f} | {peak / 1e6:.0f} | {growth:.0f} |"
        )
    sys.exit(is_missed)


if __name__ == "__main__":
    main()
