"""Which URLs are of one origin, and which hosts are this machine."""

from __future__ import annotations

import pytest

from tap_cube.cube.origin import is_loopback, origin_of


@pytest.mark.parametrize(
    "url", ["https://acme.example/a?b#c", "https://ACME.example:443", "https://kari@acme.example"]
)
def test_one_origin(url: str) -> None:
    assert origin_of(url) == ("https", "acme.example", 443)


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.example",
        "https://acme.example:8443",
        "https://acme.example.org",
        "https://acme.example@example.org",
        "/a",
    ],
)
def test_other_origins(url: str) -> None:
    assert origin_of(url) != origin_of("https://acme.example")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.example", "10.0.0.1", "::2", "0.0.0.0", "1.1"])  # noqa: S104
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)
