"""Validation of the settings: one sentence for each mistake."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_sdk.exceptions import ConfigurationError
from singer_sdk.plugin_base import JSONSchemaValidator

from tap_cube.config import batches, maps
from tap_cube.config.connection import AUTHENTICATION
from tap_cube.config.values import NO_UNICODE, TOO_DEEP, is_unicode, leaves
from tap_cube.cube.origin import is_loopback
from tap_cube.readers import days

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jsonschema import ValidationError


#: Text that may hold control characters, such as the names of fields, or that is checked where it
#: is used.
_ANY_TEXT = {
    "auth_token",
    "basic_auth",
    "customer_id_field",
    "field_types",
    "flattening_separator",
    "stream_map_config",
    "stream_maps",
    "user_agent",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: One request in a quarter of an hour; with less, no run would end.
_LOWEST_RATE = 0.001


def validated(
    config: Mapping[str, Any], schema: Mapping[str, Any], unread: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the settings with their defaults, without those that are blank.

    No message quotes a value: what was pasted into the wrong setting may be a secret.

    Args:
        config: The settings as the user gave them.
        schema: JSON Schema of all settings, those of the SDK included.
        unread: Names of variables that hold settings, but are not read.

    Raises:
        ConfigurationError: With one sentence that names the setting and the way out.
    """
    for name, value in config.items():
        _check_form(name, value)
    # Meltano and .env files write what is not set as an empty string
    settings = {
        name: _plain(value, schema["properties"].get(name, {}))
        for name, value in config.items()
        if value is not None and not (isinstance(value, str) and not value.strip())
    }
    maps.check_else(settings.get("stream_maps"))
    for error in JSONSchemaValidator(schema).iter_errors(settings):
        raise ConfigurationError(_sentence(error, schema))
    for name, value in settings.items():
        _check_text(name, value)
    try:
        _check_origin(settings)
        _check_authentication(settings)
    except ConfigurationError as error:
        if not unread:
            raise
        are = "is" if len(unread) == 1 else "are"
        msg = f"{error}. {', '.join(unread)} {are} not read without `--config ENV`"
        raise ConfigurationError(msg) from None
    _check_crms(settings)
    _check_start_date(settings)
    _check_rate(settings)
    if "stream_maps" in settings:
        settings["stream_maps"] = maps.stripped(settings["stream_maps"])
    maps.check(settings)
    _check_flattening(settings)
    batches.check(settings)
    return settings


def _plain(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a value with its numbers as `int` or `float`, whatever wrote them.

    A caller may hand over Decimals, Meltano and templates write numbers as text, and 2.0 is an
    integer, too.
    """
    types = schema.get("type", ())
    is_number = "string" not in types and ("number" in types or "integer" in types)
    if isinstance(value, str) and is_number:
        with suppress(ValueError):
            number = float(value)
            value = number if math.isfinite(number) else value
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and "integer" in types and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item, schema.get("items", {})) for item in value]
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return {name: _plain(item, properties.get(name, {})) for name, item in value.items()}
    return value


def _sentence(error: ValidationError, schema: Mapping[str, Any]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
    rule = str(error.validator)
    wanted: Any = error.validator_value
    found: Any = error.instance
    example = ""
    if rule in {"type", "required"}:
        examples = schema["properties"][error.path[0]].get("examples")
        as_in = "such as" if len(error.path) == 1 and rule == "type" else "as in"
        example = f", {as_in} {json.dumps(examples[0], ensure_ascii=False)}" if examples else ""
    if rule == "required":
        path += "." + next(name for name in wanted if name not in found)
    either = _either(wanted)
    kind = "true or false" if either == "boolean" else f"of type {either}"
    problem = {
        "type": f"must be {kind}{example}",
        "enum": f"must be {either}",
        "minimum": f"must be {wanted} or more",
        "maximum": f"must be {wanted} or less",
        "exclusiveMinimum": f"must be more than {wanted}",
        "minLength": "must not be empty",
        "required": f"is missing{example}",
        "pattern": "may hold letters, digits and hyphens only: for "
        "https://acme.headshed.com it is acme",
        "anyOf": "has the wrong form",
        "oneOf": "has the wrong form",
    }.get(rule, f"breaks the rule {rule} of its schema")
    if path.startswith(".stream_maps"):
        problem += ": see https://sdk.meltano.com/en/latest/stream_maps.html"
    return f"Setting `{path.removeprefix('.')}` {problem}"


def _either(wanted: Any) -> str:
    names = [str(name) for name in (wanted if isinstance(wanted, list) else [wanted])]
    *others, last = (name for name in names if name != "null")
    return f"{', '.join(others)} or {last}" if others else last


def _check_form(setting: str, value: Any) -> None:
    """Check what holds for settings of all types: depth, text, numbers."""
    try:
        for place, leaf in leaves(value, setting):
            if not is_unicode(leaf):
                msg = f"Setting `{place}` {NO_UNICODE}"
                raise ConfigurationError(msg)
            if isinstance(leaf, (float, Decimal)) and not math.isfinite(leaf):
                msg = f"Setting `{place}` must be a finite number"
                raise ConfigurationError(msg)
    except RecursionError:
        msg = f"Setting `{setting}` {TOO_DEEP}"
        raise ConfigurationError(msg) from None


def _check_text(setting: str, value: Any) -> None:
    for place, text in leaves(value, setting):
        if setting not in _ANY_TEXT and isinstance(text, str) and _CONTROL.search(text):
            msg = f"Setting `{place}` contains a line break or a control character: remove it"
            raise ConfigurationError(msg)


def _check_origin(config: Mapping[str, Any]) -> None:
    if ("account" in config) == ("api_url" in config):
        problem = "Both" if "account" in config else "Neither"
        msg = (
            f"{problem} of the settings `account` and `api_url` "
            f"{'are' if problem == 'Both' else 'is'} set: set exactly one, "
            "normally `account` (acme for https://acme.headshed.com)"
        )
        raise ConfigurationError(msg)
    if "api_url" not in config:
        return
    try:
        url = urlsplit(config["api_url"])
        _ = url.port
    except ValueError:
        url = urlsplit("")
    if (
        url.scheme not in {"http", "https"}
        or not url.hostname
        or "@" in url.netloc
        # Also what is left out of the parts of a URL
        or re.search(r"[\s?#\\]", config["api_url"])
        or url.path.strip("/")
    ):
        msg = "Setting `api_url` must be an origin and no more, such as https://cube.example.com"
        raise ConfigurationError(msg)
    if url.scheme == "http" and not is_loopback(url.hostname):
        msg = (
            "Setting `api_url` must start with https://: plain http:// would show the "
            "credentials and the customers to the network (only this machine itself is exempt)"
        )
        raise ConfigurationError(msg)


def _check_authentication(config: Mapping[str, Any]) -> None:
    begun = [way for way, names in AUTHENTICATION.items() if any(map(config.get, names))]
    if len(begun) != 1:
        found = f"{' and '.join(begun)} are set together" if begun else "No credentials are set"
        msg = (
            f"{found}: set exactly one of the settings `auth_token`, "
            "`username` with `password`, or `basic_auth`"
        )
        raise ConfigurationError(msg)
    for name in AUTHENTICATION[begun[0]]:
        if not config.get(name):
            msg = f"Setting `{name}` is missing: `username` and `password` go together"
            raise ConfigurationError(msg)


def _check_crms(config: Mapping[str, Any]) -> None:
    if config.get("crms") == []:
        msg = "Setting `crms` is an empty array: remove it to read every CRM that a campaign uses"
        raise ConfigurationError(msg)
    for number, customer in enumerate(config.get("customer_ids", ())):
        if isinstance(customer, str) and not customer.strip():
            msg = f"Setting `customer_ids[{number}]` is empty: remove it"
            raise ConfigurationError(msg)


def _check_start_date(config: Mapping[str, Any]) -> None:
    text = config.get("start_date")
    if text is None:
        return
    day = days.parse(text)
    if day is None:
        msg = "Setting `start_date` must be a date such as 2024-01-31"
        raise ConfigurationError(msg)
    if day.year < days.FIRST_YEAR:
        msg = f"Setting `start_date` is before {days.FIRST_YEAR}: write the year with four digits"
        raise ConfigurationError(msg)
    if day > days.today(dt.datetime.now(dt.timezone.utc)):
        msg = "Setting `start_date` is in the future: nothing would be read"
        raise ConfigurationError(msg)


def _check_rate(config: Mapping[str, Any]) -> None:
    if config.get("requests_per_second", 1) < _LOWEST_RATE:
        msg = f"Setting `requests_per_second` must be {_LOWEST_RATE} or more"
        raise ConfigurationError(msg)


def _check_flattening(config: Mapping[str, Any]) -> None:
    if config.get("flattening_enabled") and config.get("flattening_max_depth", 0) < 1:
        msg = "Setting `flattening_enabled` needs `flattening_max_depth`, 1 or more"
        raise ConfigurationError(msg)
