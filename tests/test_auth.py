"""All ways to authenticate, as they are pasted."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigurationError

from tap_cube.config.connection import authorization
from tap_cube.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Tap

USER, PASSWORD = "blåbær", "p:ass:ordæøå 😀"
BASE64 = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "token": ({"auth_token": "abc123"}, "Token abc123"),
    "token with spaces around": ({"auth_token": " abc123\n"}, "Token abc123"),
    "token with its scheme": ({"auth_token": "Token abc123"}, "Token abc123"),
    "user and password": ({"username": USER, "password": PASSWORD}, f"Basic {BASE64}"),
    "ready-made": ({"basic_auth": BASE64}, f"Basic {BASE64}"),
    "ready-made with its scheme": ({"basic_auth": f"Basic {BASE64}\n"}, f"Basic {BASE64}"),
}


@pytest.mark.parametrize(("config", "header"), HEADERS.values(), ids=HEADERS)
def test_header(config: dict[str, Any], header: str) -> None:
    assert authorization(config) == header


@pytest.mark.parametrize("token", ["two words", "tökèn", "a\nb"], ids=repr)
def test_what_no_header_can_hold_is_refused_without_being_quoted(token: str) -> None:
    with pytest.raises(
        ConfigurationError, match="`auth_token` contains spaces or characters"
    ) as error:
        authorization({"auth_token": token})
    assert token not in str(error.value)


@pytest.mark.parametrize(
    "credentials",
    [
        {"auth_token": "abc123"},
        {"username": USER, "password": PASSWORD},
        {"basic_auth": BASE64},
        {"basic_auth": f"Basic {BASE64}"},
    ],
    ids=["token", "user and password", "ready-made", "ready-made with its scheme"],
)
def test_the_server_lets_it_in(tap: Tap, credentials: dict[str, Any]) -> None:
    with Sandbox(customers=3, token="abc123", username=USER, password=PASSWORD) as cube:  # noqa: S106
        run = tap({"api_url": cube.url, **credentials}).check()
        assert len(run.records("customers")) == sum(len(c.customers()) for c in cube.crms.values())


def test_neither_a_proxy_nor_netrc_comes_between(
    tap: Tap, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A proxy has no business with this machine, and a .netrc none with these credentials."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password wr0ng\n")
    env = {
        "NETRC": str(netrc),
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "",
        "no_proxy": "",
    }
    run = tap({"api_url": sandbox.url, "auth_token": sandbox.token, "max_tries": 1}, env=env)
    assert len(run.check().records("customers")) > 60


@pytest.mark.parametrize(
    ("credentials", "setting"),
    [
        ({"auth_token": "wr0ng"}, "setting `auth_token`"),
        ({"username": USER, "password": "wr0ng"}, "settings `username` and `password`"),
        ({"basic_auth": base64.b64encode(b"me:wr0ng").decode()}, "setting `basic_auth`"),
    ],
    ids=["token", "user and password", "ready-made"],
)
def test_wrong_credentials_stop_everything_at_once(
    tap: Tap, sandbox: Sandbox, credentials: dict[str, Any], setting: str
) -> None:
    crms = [{"data_owner_id": 2, "crm_type": "B2B"}, {"data_owner_id": 1, "crm_type": "B2B"}]
    run = tap({"api_url": sandbox.url, "crms": crms, **credentials})
    assert run.status == 1
    assert f"the credentials were rejected (401): check the {setting}" in run.last_line
    assert run.log.count("(401)") == 1
    assert "wr0ng" not in run.log
