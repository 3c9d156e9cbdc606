"""Bad settings end with one sentence that names the setting and the way out."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigurationError

from tap_cube.config import misspelt
from tap_cube.config.connection import connection
from tap_cube.config.environment import settings_in
from tap_cube.config.settings import SETTINGS
from tap_cube.config.validation import validated
from tap_cube.tap import TapCube

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cube.sandbox import Sandbox
    from tests.support import Tap

GOOD: dict[str, Any] = {"account": "acme", "auth_token": "t0ken"}
SECRET = "s3cr3t"  # noqa: S105
BATCHES = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tmp/cube"}}

SURROGATE = f"{SECRET}\udcff"
NESTED: dict[str, Any] = {}
for _ in range(500):
    NESTED = {"a": NESTED}

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "Neither of the settings `account` and `api_url` is set"),
    "no account": ({"auth_token": SECRET}, "`account` and `api_url`"),
    "blank account": ({**GOOD, "account": ""}, "`account` and `api_url`"),
    "two origins": ({**GOOD, "api_url": "https://cube.example.com"}, "Both of the settings"),
    "a path in the account": ({**GOOD, "account": "evil.com/x"}, "`account` may hold letters"),
    "a URL as the account": ({**GOOD, "account": "https://acme.headshed.com"}, "it is acme"),
    "a newline in the account": ({**GOOD, "account": "acme\n"}, "`account` may hold letters"),
    "plain http": (
        {"api_url": "http://cube.example.com", "auth_token": SECRET},
        "`api_url` must start with https://",
    ),
    "loopback in name only": (
        {"api_url": "http://localhost.example.com", "auth_token": SECRET},
        "`api_url` must start with https://",
    ),
    "a path in the origin": (
        {"api_url": "https://cube.example.com/api/v1", "auth_token": SECRET},
        "`api_url` must be an origin",
    ),
    "credentials in the origin": (
        {"api_url": f"https://me:{SECRET}@cube.example.com", "auth_token": "t"},
        "`api_url` must be an origin",
    ),
    **{
        f"{sign!r} in the origin": (
            {"api_url": f"https://cube.example.com{sign}", "auth_token": "t"},
            "`api_url` ",
        )
        for sign in ("\n", "?", "#", " x", "\\")
    },
    "a label too long for a host": ({**GOOD, "account": "a" * 64}, "`account` may hold letters"),
    "an origin that is none": ({"api_url": SECRET, "auth_token": "t"}, "`api_url` must be"),
    "no credentials": ({"account": "acme"}, "`auth_token`, `username` with `password`, or"),
    "two ways": ({**GOOD, "basic_auth": SECRET}, "`auth_token` and `basic_auth` are set together"),
    "three ways": (
        {**GOOD, "basic_auth": SECRET, "username": "me", "password": SECRET},
        "set exactly one of the settings",
    ),
    "a user without a password": ({"account": "acme", "username": "me"}, "`password` is missing"),
    "a password without a user": (
        {"account": "acme", "password": SECRET},
        "`username` is missing",
    ),
    "a secret of a wrong type": ({"account": "acme", "auth_token": [SECRET]}, "`auth_token` must"),
    "a CRM without a type": ({**GOOD, "crms": [{"data_owner_id": 2}]}, "`crms[0].crm_type` is"),
    "a CRM of words": (
        {**GOOD, "crms": [{"data_owner_id": "two", "crm_type": "B2B"}]},
        "`crms[0].data_owner_id` must be of type integer",
    ),
    "no tries": ({**GOOD, "max_tries": 0}, "`max_tries` must be 1 or more"),
    "no time": ({**GOOD, "request_timeout": 0}, "`request_timeout` must be more than 0"),
    "a word as a number": ({**GOOD, "request_timeout": "long"}, "`request_timeout` must be of"),
    "a pair that is no base64": (
        {"account": "acme", "basic_auth": f"me:{SECRET}"},
        "`basic_auth` must be the base64 of user:password",
    ),
    "a start that is no date": (
        {**GOOD, "start_date": f"{SECRET}"},
        "`start_date` must be a date such as 2024-01-31",
    ),
    "a year of two digits": ({**GOOD, "start_date": "0024-01-31"}, "the year with four digits"),
    "a CRM with a line break": (
        {**GOOD, "crms": [{"data_owner_id": 2, "crm_type": "B2B\n"}]},
        "`crms[0].crm_type` contains a line break",
    ),
    "an empty customer": ({**GOOD, "customer_ids": [4711, " "]}, "`customer_ids[1]` is empty"),
    "a line break in a password": (
        {"account": "acme", "username": "me", "password": f"{SECRET}\n"},
        "`password` contains a line break",
    ),
    "centuries": ({**GOOD, "request_timeout": 1e10}, "`request_timeout` must be 86400 or less"),
    "a huge integer": ({**GOOD, "request_timeout": 10**400}, "`request_timeout` must be 86400"),
    "hardly a request": ({**GOOD, "requests_per_second": 1e-300}, "must be 0.001 or more"),
    "no number within": (
        {**GOOD, "crms": [{"data_owner_id": float("nan"), "crm_type": "B2B"}]},
        "`crms[0].data_owner_id` must be a finite number",
    ),
    "nesting": ({**GOOD, "stream_map_config": NESTED}, "`stream_map_config` is nested too deeply"),
    **{
        f"bytes in {name}": (
            {**(GOOD if name != "account" else {"auth_token": "t"}), name: value},
            "` contains bytes or characters that are not valid Unicode",
        )
        for name, value in {
            "password": SURROGATE,
            "username": SURROGATE,
            "account": SURROGATE,
            "auth_token": SURROGATE,
            "crms": [{"data_owner_id": 2, "crm_type": SURROGATE}],
            "field_types": [{"field": SURROGATE, "type": "integer"}],
            "stream_maps": {"customers": {SURROGATE: "1"}},
            "no such setting": SURROGATE,
        }.items()
    },
    "a start ahead": ({**GOOD, "start_date": "2999-01-01"}, "`start_date` is in the future"),
    "a setting of the SDK": ({**GOOD, "flattening_max_depth": "x"}, "`flattening_max_depth` must"),
    "batch size 0": (
        {**GOOD, "batch_config": {**BATCHES, "batch_size": 0}},
        "Setting `batch_config.batch_size` must be an integer, 1 or more",
    ),
    "batch size -1": (
        {**GOOD, "batch_config": {**BATCHES, "batch_size": -1}},
        "Setting `batch_config.batch_size` must be an integer, 1 or more",
    ),
    "batch size 1.5": (
        {**GOOD, "batch_config": {**BATCHES, "batch_size": 1.5}},
        "Setting `batch_config.batch_size` must be an integer, 1 or more",
    ),
    "batch size True": (
        {**GOOD, "batch_config": {**BATCHES, "batch_size": True}},
        "Setting `batch_config.batch_size` must be an integer, 1 or more",
    ),
    "batch size as text": (
        {**GOOD, "batch_config": {**BATCHES, "batch_size": "10"}},
        "Setting `batch_config.batch_size` must be an integer, 1 or more",
    ),
    "batches and versions": (
        {**GOOD, "batch_config": BATCHES, "emit_activate_version_messages": True},
        "`batch_config` and `emit_activate_version_messages` do not go together",
    ),
}


@pytest.mark.parametrize(("config", "sentence"), CASES.values(), ids=CASES)
def test_bad_settings_are_named(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(sentence)) as error:
        TapCube(config=dict(config))
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "root",
    [
        *("/dev/full", "memory://", "ftp://acme.example/b", "https://acme.example/b", "github://"),
        *("~/batches", "file:relative", "file://srv", "s3:bucket", "dir://x", "simplecache::x"),
    ],
)
def test_batches_need_a_folder_to_write_to(root: str) -> None:
    config = {**GOOD, "batch_config": {**BATCHES, "storage": {"root": root}}}
    with pytest.raises(ConfigurationError, match=r"`batch_config.storage.root` must be a folder"):
        validated(config, SETTINGS)


def test_batches_need_a_root(tmp_path: Path) -> None:
    def with_root(root: str) -> dict[str, Any]:
        return {**GOOD, "batch_config": {**BATCHES, "storage": {"root": root}}}

    with pytest.raises(ConfigurationError, match=r"`batch_config.storage.root` is missing"):
        validated(with_root("  "), SETTINGS)
    for root in (str(tmp_path), f"file://{tmp_path}", str(tmp_path / "new"), "batches"):
        validated(with_root(root), SETTINGS)


def test_parquet_without_pyarrow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = {**BATCHES, "encoding": {"format": "parquet", "compression": "gzip"}}
    config: dict[str, Any] = {**GOOD, "batch_config": parquet}
    monkeypatch.setattr("tap_cube.config.batches.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"`batch_config.encoding.format` .*pyarrow"):
        validated(config, SETTINGS)
    monkeypatch.setattr("tap_cube.config.batches.find_spec", lambda _: object())
    validated(config, SETTINGS)


@pytest.mark.parametrize(
    ("case", "mode"),
    [
        ("no account", ()),
        ("two ways", ()),
        ("a path in the account", ()),
        ("plain http", ()),
        ("no account", ("--discover",)),
        ("two ways", ("--test",)),
    ],
)
def test_the_command_fails_with_that_sentence(tap: Tap, case: str, mode: tuple[str, ...]) -> None:
    config, sentence = CASES[case]
    run = tap(config, *mode)
    assert run.status == 1
    assert sentence in run.last_line
    assert run.stdout == b""
    assert "Traceback" not in run.log
    assert SECRET not in run.log


def test_a_config_that_is_no_json(tap: Tap, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(f'{{"auth_token": {SECRET}}}')
    run = tap(None, "--config", str(path))
    assert (run.status, run.stdout) == (1, b"")
    assert f"--config {path}: not JSON" in run.last_line
    assert SECRET not in run.log


def test_a_config_that_is_not_there(tap: Tap, tmp_path: Path) -> None:
    run = tap(None, "--config", str(tmp_path / "nowhere.json"))
    assert run.status == 1
    assert "nowhere.json: No such file" in run.last_line


def test_a_slip_of_the_pen_is_pointed_out(tap: Tap, sandbox: Sandbox) -> None:
    config = {"api_url": sandbox.url, "auth_token": sandbox.token, "start_dat": SECRET}
    run = tap(config, "--discover")
    assert run.status == 0
    assert run.log.count("There is no setting `start_dat`: did you mean `start_date`?") == 1
    assert SECRET not in run.log


@pytest.mark.parametrize("option", ["--state", "--catalog"])
@pytest.mark.parametrize("content", [f"{{{SECRET}", f'["{SECRET}"]', "\x00"])
def test_a_file_that_is_none_of_its_kind(
    tap: Tap, tmp_path: Path, option: str, content: str
) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    run = tap(GOOD, option, str(path))
    assert (run.status, run.stdout) == (1, b"")
    assert f"{option} {path}: not " in run.last_line
    assert SECRET not in run.log


def test_an_empty_state_is_that_of_a_first_run(tap: Tap, sandbox: Sandbox, tmp_path: Path) -> None:
    """`tail -n 1` of nothing leaves such a file."""
    (path := tmp_path / "state.json").touch()
    config = {"api_url": sandbox.url, "auth_token": sandbox.token}
    assert len(tap(config, "--state", str(path)).check().records("campaigns")) == 5


@pytest.mark.parametrize(
    ("api_url", "expected"),
    [
        ("https://cube.example.com", "https://cube.example.com"),
        ("https://cube.example.com:8443/", "https://cube.example.com:8443"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://localhost:8765", "http://localhost:8765"),
        ("http://[::1]:8765", "http://[::1]:8765"),
    ],
)
def test_origins(api_url: str, expected: str) -> None:
    config = {"api_url": api_url, "auth_token": "t"}
    assert connection(validated(config, SETTINGS)).origin == expected


def test_an_account_is_a_subdomain() -> None:
    assert connection(validated(GOOD, SETTINGS)).origin == "https://acme.headshed.com"


def test_defaults_are_filled_in() -> None:
    config = validated(GOOD, SETTINGS)
    assert config["request_timeout"] == 60
    assert config["max_tries"] == 6


def test_later_files_win_and_the_environment_wins_over_all(tap: Tap, tmp_path: Path) -> None:
    """Seen by which of three bad values is complained of."""
    later = tmp_path / "later.json"
    later.write_text(json.dumps({"max_tries": -2}))
    first = {**GOOD, "max_tries": "many"}
    assert "`max_tries` must be of type integer" in tap(first).last_line
    files = ("--config", str(tmp_path / "config.json"), "--config", str(later))
    assert "`max_tries` must be 1 or more" in tap(None, *files).last_line
    environment = {"TAP_CUBE_MAX_TRIES": "3", "TAP_CUBE_SAMPLE_SIZE": "0"}
    run = tap(None, *files, "--config", "ENV", env=environment)
    assert "`sample_size` must be 1 or more" in run.last_line


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("TAP_CUBE_MAX_TRIES", SECRET, "`max_tries` must be of type integer"),
        ("TAP_CUBE_INCLUDE_INACTIVE_CAMPAIGNS", "falsch", "must be true or false"),
        ("TAP_CUBE_CRMS", f"2/{SECRET}", "`crms` must be of type array, as JSON"),
        ("TAP_CUBE_REQUEST_TIMEOUT", SECRET, "`request_timeout` must be of type number"),
    ],
)
def test_a_bad_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, sentence: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigurationError, match=re.escape(sentence)) as error:
        TapCube(config=dict(GOOD), parse_env_config=True)
    assert SECRET not in str(error.value)


def test_the_environment_can_hold_every_type() -> None:
    """Numbers with a fraction, arrays as JSON; what is set but blank counts as unset."""
    variables = {
        "TAP_CUBE_REQUEST_TIMEOUT": "2.5",
        "TAP_CUBE_REQUESTS_PER_SECOND": "",
        "TAP_CUBE_PASSWORD": " ",
        "TAP_CUBE_INCLUDE_INACTIVE_CAMPAIGNS": "",
        "TAP_CUBE_CRMS": '[{"data_owner_id": 2, "crm_type": "B2B"}]',
    }
    found = settings_in(variables, SETTINGS)
    assert found == {"request_timeout": 2.5, "crms": [{"data_owner_id": 2, "crm_type": "B2B"}]}
    assert validated({**GOOD, **found}, SETTINGS)["include_inactive_campaigns"] is True


@pytest.mark.parametrize("blank", ["", " ", None])
def test_a_blank_setting_counts_as_unset(blank: str | None) -> None:
    config = {**GOOD, "requests_per_second": blank, "password": blank, "max_tries": blank}
    found = validated(config, SETTINGS)
    assert "password" not in found
    assert "requests_per_second" not in found
    assert found["max_tries"] == 6


@pytest.mark.parametrize("value", [Decimal("0.5"), Decimal("5.0"), 5, 2.5])
def test_any_json_number_is_a_rate(value: object) -> None:
    config = validated({**GOOD, "requests_per_second": value}, SETTINGS)
    assert connection(config).requests_per_second == float(str(value))


def test_a_whole_number_is_an_integer() -> None:
    """JSON makes no difference, but URLs do."""
    crms = [{"data_owner_id": 2.0, "crm_type": "B2B"}]
    config = {**GOOD, "crms": crms, "customer_ids": [4711.0, "12.0"], "max_tries": Decimal("3.0")}
    found = json.dumps(validated(config, SETTINGS))
    assert '"data_owner_id": 2, ' in found
    assert '"customer_ids": [4711, "12.0"]' in found
    assert '"max_tries": 3, ' in found


NO_NUMBERS = ("many", "nan", "1e999")


def test_a_number_may_be_a_text() -> None:
    """As Meltano and templates write it."""
    crms = [{"data_owner_id": "2", "crm_type": "7"}]
    numbers = {"crms": crms, "concurrency": " 4 ", "max_tries": "3.0", "request_timeout": "2.5"}
    found = validated({**GOOD, **numbers, "customer_ids": ["4711"]}, SETTINGS)
    assert found["crms"] == [{"data_owner_id": 2, "crm_type": "7"}]
    assert (found["concurrency"], found["max_tries"], found["request_timeout"]) == (4, 3, 2.5)
    assert found["customer_ids"] == ["4711"], "which may be text"


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("concurrency", "4.5"),
        *((setting, text) for setting in ("max_tries", "request_timeout") for text in NO_NUMBERS),
    ],
)
def test_any_other_text_is_no_number(setting: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"`{setting}` must be of type (integer|number)"):
        validated({**GOOD, setting: text}, SETTINGS)


def test_a_misspelt_variable_is_pointed_out() -> None:
    variables = ["TAP_CUBE_AUTH_TOKN", "TAP_CUBE_LOGLEVEL", "TAP_CUBE__SELECT", "TAP_CUBE_ACCOUNT"]
    (warning,) = misspelt.variables(variables, SETTINGS)
    assert warning == (
        "There is no setting for the variable TAP_CUBE_AUTH_TOKN: did you mean "
        "`TAP_CUBE_AUTH_TOKEN`?"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value: float) -> None:
    with pytest.raises(ConfigurationError, match="`request_timeout` must be a finite number"):
        validated({**GOOD, "request_timeout": value}, SETTINGS)


def test_days_are_bounded() -> None:
    with pytest.raises(ConfigurationError, match="`lookback_days` must be 3650 or less"):
        validated({**GOOD, "lookback_days": 3651}, SETTINGS)
