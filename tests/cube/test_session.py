"""The session: credentials stay on their origin, and the environment is respected."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tap_cube.errors import CubeError, TapCubeError
from tests.cube.certificates import EXPIRED, HOST, NOT_YET_VALID, server_context
from tests.cube.servers import Loopback, Request, close, free_port, reset, response
from tests.cube.support import CUSTOMERS_OF_CRM, LINKS, PAGE, client_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "pa55word"  # noqa: S105  # invented


@pytest.fixture(autouse=True)
def _clean_environment(clean_environment: None) -> None:
    """Not by `usefixtures`: it comes before the fixtures that set variables."""


def read(origin: str, **more: Any) -> list[Any]:
    return list(client_of(origin, **more).get_page(CUSTOMERS_OF_CRM, LINKS[:1]).records)


def sentence(origin: str, **more: Any) -> str:
    """The error of a request."""
    with pytest.raises(CubeError) as failure:
        read(origin, **more)
    error = failure.value
    assert error.__suppress_context__ or not error.__context__, "which quotes the URL"
    return str(error)


@pytest.fixture
def elsewhere() -> Iterator[Loopback]:
    """A server that must never be asked anything."""
    with Loopback(lambda *_: response(PAGE)) as server:
        yield server
    assert server.requests == []


def test_headers() -> None:
    with Loopback(lambda *_: response(PAGE)) as server:
        read(server.origin)
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", LINKS[0])
    expected = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "tap-cube/1",
        "Authorization": "Token t0ken",
        "Host": f"127.0.0.1:{server.port}",
    }
    assert {name: request.headers.get(name) for name in expected} == expected


def test_connections_are_reused() -> None:
    ports = set()

    def respond(connection: socket.socket, _: Request) -> bytes:
        ports.add(connection.getpeername())
        return response(PAGE)

    with Loopback(respond) as server:
        client = client_of(server.origin)
        for _ in range(5):
            client.get_page(CUSTOMERS_OF_CRM, LINKS)
    assert len(ports) == 1


def test_a_redirect_within_the_origin_keeps_the_credentials() -> None:
    def respond(_: socket.socket, request: Request) -> bytes:
        moved = response(status=302, Location="/elsewhere?page=1")
        return response(PAGE) if request.target.startswith("/elsewhere") else moved

    with Loopback(respond) as server:
        assert len(read(server.origin)) == 1
    assert [request.headers["Authorization"] for request in server.requests] == ["Token t0ken"] * 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_is_not_followed(elsewhere: Loopback, status: int) -> None:
    with Loopback(lambda *_: response(status=status, Location=elsewhere.origin)) as server:
        text = sentence(server.origin)
    assert text.startswith(f"Cube redirects to another port of its host ({status})")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("http://127.0.0.1:99999/", "to another port of its host (302)"),
        ("http://[", "to another host (302)"),
        ("https:///", "to another host (302)"),
        ("//acme.example/", "to another host (302)"),
        ("https://127.0.0.1/", "to https:// (302): begin the setting `api_url` with https://"),
    ],
)
def test_other_redirects_are_not_followed(location: str, text: str) -> None:
    with Loopback(lambda *_: response(status=302, Location=location)) as server:
        assert sentence(server.origin).startswith(f"Cube redirects {text}")
    assert len(server.requests) == 1


def test_redirects_without_end() -> None:
    with Loopback(lambda *_: response(status=302, Location="/again")) as server:
        assert "it redirects without end. Check the setting `api_url`" in sentence(server.origin)


def test_a_netrc_does_not_replace_the_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login kari password {PASSWORD}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Loopback(lambda *_: response(PAGE)) as server:
        read(server.origin)
    assert server.requests[0].headers["Authorization"] == "Token t0ken"


def test_a_proxy_is_not_used_for_this_machine(
    elsewhere: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", elsewhere.origin)
    monkeypatch.setenv("ALL_PROXY", elsewhere.origin)
    with Loopback(lambda *_: response(PAGE)) as server:
        assert len(read(server.origin)) == 1


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def _trusted(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_of_ones_own(
    authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(bundle))
    tls = server_context(authority, "127.0.0.1")
    with Loopback(lambda *_: response(PAGE), tls) as server:
        assert len(read(server.origin)) == 1


CERTIFICATES: dict[str, tuple[str, dict[str, Any], str]] = {
    "expired": (
        "127.0.0.1",
        EXPIRED,
        "its certificate has expired. Check this machine's clock; if it is right, report this to",
    ),
    "not yet valid": ("127.0.0.1", NOT_YET_VALID, "its certificate is not valid yet. Check this"),
    "of another address": (
        "127.0.0.2",
        {},
        "its certificate is that of another host. Check the setting `api_url`",
    ),
}


@pytest.mark.parametrize(("host", "validity", "text"), CERTIFICATES.values(), ids=CERTIFICATES)
@pytest.mark.usefixtures("_trusted")
def test_certificates(
    authority: trustme.CA,
    host: str,
    validity: dict[str, Any],
    text: str,
) -> None:
    tls = server_context(authority, host, **validity)
    with Loopback(lambda *_: response(PAGE), tls) as server:
        failure = sentence(server.origin, max_tries=6)
    assert text in failure
    assert failure.endswith("(tried 2 times)")
    assert server.requests == []


def test_an_unknown_authority(authority: trustme.CA) -> None:
    tls = server_context(authority, "127.0.0.1")
    with Loopback(lambda *_: response(PAGE), tls) as server:
        failure = sentence(server.origin, max_tries=6)
    assert "its certificate is signed by an unknown authority (unable to get" in failure
    assert "name its file in the variable `REQUESTS_CA_BUNDLE`" in failure
    assert failure.endswith("(tried 2 times)")


def test_a_port_without_tls() -> None:
    with Loopback(lambda *_: response(PAGE)) as server:
        failure = sentence(f"https://127.0.0.1:{server.port}", max_tries=6)
    assert ": it does not speak TLS on this port. Check the setting `api_url`" in failure
    assert failure.endswith("(tried 2 times)")


def test_a_connection_that_ends_during_the_handshake_may_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            for _ in range(3):
                connection, _address = server.accept()
                with connection:
                    connection.recv(9)
                    close(connection)

        Thread(target=hang_up, daemon=True).start()
        failure = sentence(f"https://127.0.0.1:{server.getsockname()[1]}")
    assert ": the connection " in failure
    assert failure.endswith("(tried 3 times)")


BUNDLES = {"missing": "No such file or directory", "empty": "it holds no certificate"}


@pytest.mark.parametrize("kind", BUNDLES)
def test_a_bundle_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / kind
    if kind == "empty":
        path.touch()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with pytest.raises(TapCubeError) as failure:
        client_of(f"https://{HOST}")
    assert str(failure.value) == f"{path}: {BUNDLES[kind]}: check the variable `REQUESTS_CA_BUNDLE`"
    client_of("http://127.0.0.1:9"), "which has no certificate"


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize("bundle_is_set", [True, False])
def test_a_log_of_keys_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, bundle_is_set: bool
) -> None:
    if not bundle_is_set:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    path = tmp_path / "missing" / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    with pytest.raises(TapCubeError) as failure:
        client_of(f"https://{HOST}")
    assert str(failure.value) == (
        f"{path}: No such file or directory: check the variable `SSLKEYLOGFILE`"
    )
    client_of("http://127.0.0.1:9"), "which has no keys"


def test_a_folder_of_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    client_of(f"https://{HOST}")


# Proxies


def relay_to(port: int) -> Loopback:
    """A proxy that leads to this port, whatever host it is asked for."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        close(target)

    def respond(connection: socket.socket, _: Request) -> None:
        with socket.create_connection(("127.0.0.1", port)) as target:
            connection.sendall(b"HTTP/1.1 200 -\r\n\r\n")
            Thread(target=copy, args=[target, connection], daemon=True).start()
            copy(connection, target)

    return Loopback(respond)


@pytest.mark.usefixtures("_trusted")
def test_a_proxy_gets_its_own_credentials_only(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = server_context(authority, HOST)
    with Loopback(lambda *_: response(PAGE), tls) as server, relay_to(server.port) as proxy:
        address = f"kari:{PASSWORD}@127.0.0.1:{proxy.port}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        assert len(read(f"https://{HOST}")) == 1
        with pytest.MonkeyPatch.context() as other:
            other.setenv("NO_PROXY", HOST)
            assert "host not found" in sentence(f"https://{HOST}")
    (tunnel,) = proxy.requests
    assert (tunnel.method, tunnel.target) == ("CONNECT", f"{HOST}:443")
    assert tunnel.headers["Proxy-Authorization"].startswith("Basic ")
    assert "Authorization" not in tunnel.headers
    (request,) = server.requests
    assert request.headers["Authorization"] == "Token t0ken"
    assert "Proxy-Authorization" not in request.headers


def test_a_certificate_beyond_a_proxy(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a proxy signs certificates itself."""
    tls = server_context(authority, HOST)
    with Loopback(lambda *_: response(PAGE), tls) as server, relay_to(server.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
        failure = sentence(f"https://{HOST}")
    assert "signed by an unknown authority" in failure
    assert "`REQUESTS_CA_BUNDLE`" in failure


@pytest.mark.parametrize(
    ("answer", "text", "attempts"),
    [
        (response(status=407), "the proxy rejected its credentials (407). Check user and", 1),
        (response(status=302), "the proxy does not connect (status 302). Check the variables", 2),
        (response(status=403), "the proxy does not connect (status 403). Check the variables", 2),
        (response(status=429), "the proxy does not connect (status 429). Check the variables", 3),
        (response(status=503), "the proxy does not connect (status 503). Check the variables", 3),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the response is not HTTP. Check the setting `api_url`, ", 2),
        (b"x" * 100_000, "the response is not HTTP. Check the setting `api_url`, ", 2),
    ],
    ids=lambda value: value[:20].decode() if isinstance(value, bytes) else "",
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
def test_a_proxy_that_refuses(
    monkeypatch: pytest.MonkeyPatch, variable: str, answer: bytes, text: str, attempts: int
) -> None:
    def respond(connection: socket.socket, _: Request) -> None:
        connection.sendall(answer)
        close(connection)

    with Loopback(respond) as proxy:
        monkeypatch.setenv(variable, f"http://kari:{PASSWORD}@127.0.0.1:{proxy.port}")
        failure = sentence(f"https://{HOST}")
    assert f"https://{HOST} cannot be read: {text}" in failure
    assert f"`{variable}`" in failure
    assert PASSWORD not in failure
    assert len(proxy.requests) == attempts


@pytest.mark.parametrize(
    ("proxy", "text"),
    [
        ("http://kari:pa55word@127.0.0.1:{port}", "connection refused. Check the variables"),
        ("http://kari:pa55word@proxy.invalid:3128", "host not found. Check the variables"),
        ("https://kari:pa55word@127.0.0.1:{web}", "it does not speak TLS on this port. Check the"),
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str, text: str
) -> None:
    with Loopback(lambda *_: response()) as web:
        monkeypatch.setenv(variable, proxy.format(port=free_port(), web=web.port))
        failure = sentence(f"https://{HOST}")
    assert f"https://{HOST} cannot be read: the proxy cannot be reached: {text}" in failure
    assert f"`{variable}` and `NO_PROXY`" in failure
    assert PASSWORD not in failure


@pytest.mark.usefixtures("_trusted")
def test_a_proxy_is_named_where_it_may_be_the_cause(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection beyond it breaks, for whatever reason."""
    tls = server_context(authority, HOST)
    with (
        Loopback(lambda connection, _: reset(connection), tls) as server,
        relay_to(server.port) as proxy,
    ):
        monkeypatch.setenv("ALL_PROXY", proxy.origin)
        failure = sentence(f"https://{HOST}")
    assert "Check the setting `api_url`, the variable `ALL_PROXY` and the network" in failure


NO_ADDRESS = "the proxy is not an address of the form `http://host:port`"


@pytest.mark.parametrize(
    ("proxy", "text"),
    [
        ("http://", NO_ADDRESS),
        ("proxy:3128", NO_ADDRESS),
        ("gopher://kari:pa55word@proxy.example", NO_ADDRESS),
        ("http://[proxy", NO_ADDRESS),
        ("http://kari:pa55word@proxy.example:port", NO_ADDRESS),
        ("http://kari:pa55word€@proxy.example:3128", NO_ADDRESS),
        ("http://\udcff:3128", NO_ADDRESS),
        (
            "socks5://kari:pa55word@proxy.example",
            "SOCKS needs a package: install `requests",
        ),
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
def test_a_proxy_that_is_none(
    monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str, text: str
) -> None:
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(TapCubeError) as failure:
        client_of(f"https://{HOST}")
    assert str(failure.value).startswith(text)
    assert str(failure.value).endswith(f": check the variable `{variable}`")
    assert PASSWORD not in str(failure.value)
    client_of("http://127.0.0.1:9"), "which no proxy is used for"
