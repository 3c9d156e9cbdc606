"""The least that reading each page and writing each record can be: a fast client, a fast codec."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import urllib3


class Page(msgspec.Struct):
    next: str | None
    results: list[dict[str, Any]]


def main(url: str | None, token: str) -> None:
    http = urllib3.PoolManager(headers={"Authorization": f"Token {token}"})
    decode = msgspec.json.Decoder(Page).decode
    encode_lines = msgspec.json.Encoder().encode_lines
    while url:
        page = decode(http.request("GET", url).data)
        sys.stdout.buffer.write(encode_lines(page.results))
        url = page.next


if __name__ == "__main__":
    main(*sys.argv[1:])
