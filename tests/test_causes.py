"""The last line of a run that cannot reach Cube: what failed, why, and what to do."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tap_cube.sandbox import Sandbox
from tests.cube.certificates import EXPIRED, HOST, server_context
from tests.cube.servers import Loopback, free_port, response
from tests.support import program
from tests.test_answers import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Run, Tap

SECRET = "t0ken-of-kari"  # noqa: S105  # invented
PASSWORD = "pa55word"  # noqa: S105  # invented


@pytest.fixture(autouse=True)
def _clean_environment(clean_environment: None) -> None:
    """Not by `usefixtures`: it comes before the fixtures that set variables."""


@pytest.fixture
def quick(tap: Tap) -> Tap:
    """A tap that hardly waits between its attempts."""
    tap.program = ("-c", program(first_delay="0.01"))
    return tap


def failed(tap: Tap, origin: str, env: dict[str, str] | None = None, **settings: Any) -> Run:
    """A run that ends in one line."""
    config = {
        "api_url": origin,
        "auth_token": SECRET,
        "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
        **settings,
    }
    run = tap(config, catalog=catalog(), env=env)
    assert run.status == 1
    assert run.stdout.count(b'"RECORD"') == 0
    assert SECRET not in run.log
    assert PASSWORD not in run.log
    assert "Traceback" not in run.log
    assert "Unexpected" not in run.log
    return run


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return {"REQUESTS_CA_BUNDLE": str(path)}


@pytest.fixture
def expired(authority: trustme.CA) -> Iterator[Loopback]:
    with Loopback(
        lambda *_: response(b"[]"), server_context(authority, "127.0.0.1", **EXPIRED)
    ) as server:
        yield server


CRM = "CRM 2/B2B, customers: "


def cause(run: Run) -> str:
    """The last line, whether the customers or the definitions of their fields failed first."""
    assert run.last_line.startswith(CRM)
    definitions = "the definitions of its fields, which name columns, are missing: "
    return run.last_line.removeprefix(CRM).removeprefix(definitions)


def test_an_unknown_host(tap: Tap) -> None:
    """With the pauses that users see: at most two attempts within 15 s."""
    started = time.monotonic()
    run = failed(tap, "https://acme-rm.invalid")
    assert time.monotonic() - started < 15
    assert cause(run) == (
        "https://acme-rm.invalid cannot be read: host not found. Check the setting "
        "`api_url` and the network (tried 2 times)"
    )
    assert len(re.findall(r"\(try 2 of 2\)", run.log)) <= 2, "customers and their definitions"


def test_many_crms_of_an_unknown_host(tap: Tap) -> None:
    """The host is looked up for the first requests only."""
    started = time.monotonic()
    crms = [{"data_owner_id": n, "crm_type": "B2B"} for n in range(40)]
    run = failed(tap, "https://acme-rm.invalid", crms=crms)
    assert time.monotonic() - started < 15
    assert run.last_line.endswith("(tried 2 times) (and 39 more errors above)")


def test_a_refused_connection(quick: Tap) -> None:
    origin = f"http://127.0.0.1:{free_port()}"
    assert cause(failed(quick, origin)) == (
        f"{origin} cannot be read: connection refused. Check the setting `api_url` and the "
        "network (tried 6 times)"
    )


def test_a_proxy_that_is_not_there(quick: Tap) -> None:
    proxy = f"http://kari:{PASSWORD}@127.0.0.1:{free_port()}"
    run = failed(quick, f"https://{HOST}", {"HTTPS_PROXY": proxy})
    assert cause(run) == (
        f"https://{HOST} cannot be read: the proxy cannot be reached: connection refused. "
        "Check the variables `HTTPS_PROXY` and `NO_PROXY` (tried 6 times)"
    )


def test_a_proxy_that_rejects_its_credentials(quick: Tap) -> None:
    with Loopback(lambda *_: response(status=407, Connection="close")) as server:
        proxy = f"http://kari:{PASSWORD}@127.0.0.1:{server.port}"
        run = failed(quick, f"https://{HOST}", {"HTTPS_PROXY": proxy})
    assert cause(run) == (
        f"https://{HOST} cannot be read: the proxy rejected its credentials (407). Check "
        "user and password in the variable `HTTPS_PROXY`"
    )


def test_an_expired_certificate(quick: Tap, expired: Loopback, bundle: dict[str, str]) -> None:
    assert cause(failed(quick, expired.origin, bundle)) == (
        f"{expired.origin} cannot be read: its certificate has expired. Check this machine's "
        "clock; if it is right, report this to Cube (tried 2 times)"
    )


def test_an_unknown_authority(quick: Tap, authority: trustme.CA) -> None:
    with Loopback(lambda *_: response(b"[]"), server_context(authority, "127.0.0.1")) as server:
        run = failed(quick, server.origin)
    assert cause(run) == (
        f"{server.origin} cannot be read: its certificate is signed by an unknown authority "
        "(unable to get local issuer certificate). Check the setting `api_url`. If a proxy or an "
        "authority of your own signs certificates, name its file in the variable "
        "`REQUESTS_CA_BUNDLE` (tried 2 times)"
    )


def test_a_missing_bundle(tap: Tap, tmp_path: Path) -> None:
    path = tmp_path / "missing.pem"
    run = failed(tap, f"https://{HOST}", {"REQUESTS_CA_BUNDLE": str(path)})
    assert run.last_line == (
        f"{path}: No such file or directory: check the variable `REQUESTS_CA_BUNDLE`"
    )


def test_https_at_a_port_that_is_not(quick: Tap) -> None:
    with Sandbox(customers=1) as cube:
        origin = cube.url.replace("http:", "https:")
        run = failed(quick, origin)
    assert cause(run) == (
        f"{origin} cannot be read: it does not speak TLS on this port. Check the setting "
        "`api_url` (tried 2 times)"
    )


def test_a_wrong_host(tap: Tap) -> None:
    with Loopback(lambda *_: response(b"<html>", status=404)) as server:
        run = failed(tap, server.origin)
    assert cause(run) == (
        f"{server.origin} is not Cube: nothing was found (404), not even the campaigns. "
        "Check the setting `api_url`"
    )


def test_a_wrong_host_in_discovery(tap: Tap) -> None:
    with Loopback(lambda *_: response(b"<html>", status=404)) as server:
        run = tap({"api_url": server.origin, "auth_token": SECRET}, "--discover")
    assert run.status == 1
    assert run.last_line == (
        "the campaigns, which name the CRMs, cannot be read: not found (404): check the setting "
        "`api_url`, or list the CRMs in the setting `crms`"
    )


def test_a_wrong_crm(tap: Tap) -> None:
    with Sandbox(customers=1) as cube:
        crms = [{"data_owner_id": 77, "crm_type": "B2B"}]
        run = failed(tap, cube.url, crms=crms, auth_token=cube.token)
    assert run.last_line == (
        "CRM 77/B2B, customers: not found (404): check the setting `crms`, capitals included, and "
        "`api_url`"
    )
