"""The settings: their declaration, and one clear sentence for each way to get them wrong."""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigurationError
from singer_sdk.plugin_base import JSONSchemaValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from jsonschema import ValidationError

FIELD_TYPES = [
    "string",
    "integer",
    "number",
    "boolean",
    "date",
    "date-time",
    "object",
    "array",
]

SETTINGS: dict[str, Any] = th.PropertiesList(
    th.Property(
        "account",
        # Python's `$` alone would let a newline at the end pass
        th.StringType(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$(?!\n)"),
        title="Account",
        description="The subdomain of your Cube: `acme` for https://acme.headshed.com",
        examples=["acme"],
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="API URL",
        description="A whole origin in place of `account`, for proxies and the sandbox. "
        "Plain `http://` is refused unless the host is this machine",
        examples=["http://127.0.0.1:8765"],
    ),
    th.Property(
        "auth_token",
        th.StringType,
        secret=True,
        title="Token",
        description="Sent as `Authorization: Token ...`; the vendor recommends this way",
    ),
    th.Property(
        "username",
        th.StringType,
        secret=True,
        title="User name",
        description="Sent with `password` as `Authorization: Basic ...`",
    ),
    th.Property(
        "password",
        th.StringType,
        secret=True,
        title="Password",
        description="The password that goes with `username`",
    ),
    th.Property(
        "basic_auth",
        th.StringType,
        secret=True,
        title="Basic credentials",
        description="The ready-made base64 string of Cube's documents, in place of `username` "
        "and `password`",
    ),
    th.Property(
        "crms",
        th.ArrayType(
            th.ObjectType(
                th.Property("data_owner_id", th.IntegerType, required=True, nullable=False),
                th.Property(
                    "crm_type",
                    th.StringType(min_length=1),
                    required=True,
                    nullable=False,
                ),
            )
        ),
        title="CRMs",
        description="The CRMs to read; by default every CRM that a campaign of yours names",
        examples=[[{"data_owner_id": 2, "crm_type": "B2B"}]],
    ),
    th.Property(
        "customer_ids",
        th.ArrayType(th.CustomType({"type": ["integer", "string"]})),
        title="Customer ids",
        description="Only these customers in `customer_details`; by default all",
        examples=[[971352, 971486]],
    ),
    th.Property(
        "customer_id_field",
        th.StringType,
        default="id",
        title="Customer id field",
        description="The field of the customer list that goes into the URL of a single customer",
    ),
    th.Property(
        "sample_size",
        th.IntegerType(minimum=1),
        default=1000,
        title="Sample size",
        description="Records read for each CRM and stream to discover the fields "
        "(at most 50 for `customer_details`, where each is a request)",
    ),
    th.Property(
        "include_inactive_campaigns",
        th.BooleanType,
        default=True,
        title="Inactive campaigns",
        description="Whether `campaigns`, and the CRMs found by them, include inactive ones",
    ),
    th.Property(
        "new_fields",
        th.StringType,
        default="evolve",
        allowed_values=["evolve", "discard", "fail"],
        title="New fields",
        description="What a field does that discovery did not see: it is added to the schema "
        "(`evolve`), left out with a warning (`discard`), or fails the run (`fail`)",
    ),
    th.Property(
        "field_types",
        th.ArrayType(
            th.ObjectType(
                th.Property("field", th.StringType, required=True, nullable=False),
                th.Property(
                    "type",
                    th.StringType,
                    required=True,
                    nullable=False,
                    allowed_values=FIELD_TYPES,
                ),
            )
        ),
        title="Field types",
        description="Pins the types of fields: `string`, `integer`, `number`, `boolean`, `date`, "
        "`date-time`, `object` or `array`. A value that does not fit is null, and counted",
        examples=[[{"field": "Antall år", "type": "integer"}]],
    ),
    th.Property(
        "emit_activate_version_messages",
        th.BooleanType,
        default=False,
        title="Activate versions",
        description="Whether targets learn, after a complete read, which customers are gone",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=16),
        default=4,
        title="Concurrency",
        description="Requests in flight, 1 to 16; what comes out is the same",
    ),
    th.Property(
        "requests_per_second",
        th.NumberType(exclusive_minimum=0),
        title="Requests per second",
        description="For accounts with a quota: at most so many, over all requests in flight; "
        "by default no limit",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=60,
        title="Request time-out",
        description="Seconds to wait for an answer to one request",
    ),
    th.Property(
        "max_tries",
        th.IntegerType(minimum=1),
        default=6,
        title="Tries",
        description="Attempts for a request that fails in a passing way",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="The `User-Agent` header of each request; by default `tap-cube/{version}`",
    ),
).to_dict()

_AUTHENTICATION = {
    "auth_token": ("auth_token",),
    "username and password": ("username", "password"),
    "basic_auth": ("basic_auth",),
}


def validate(config: MutableMapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Fill in defaults, and refuse what cannot work.

    No message quotes a value: what was pasted into the wrong setting may be a secret.

    Args:
        config: The settings as the user gave them; changed in place.
        schema: JSON Schema of all settings, those of the SDK included.

    Raises:
        ConfigurationError: With one sentence that names the setting and the way out.
    """
    for name, value in list(config.items()):
        if value is None or value == "":  # how Meltano and .env files hand on what is not set
            del config[name]
        elif isinstance(value, str):
            config[name] = _from_environment(value, schema["properties"].get(name, {}))
    for error in JSONSchemaValidator(schema).iter_errors(config):
        raise ConfigurationError(_sentence(error))
    _check_origin(config)
    _check_authentication(config)


def check_environment(environment: Mapping[str, str], prefix: str) -> None:
    """Refuse environment variables that the SDK would stumble over without a name.

    Args:
        environment: The environment variables.
        prefix: What the names of those that hold settings start with.

    Raises:
        ConfigurationError: With one sentence that names the setting.
    """
    readers: dict[str, Callable[[str], Any]] = {
        "integer": int,
        "array": json.loads,
        "object": json.loads,
    }
    for name, schema in SETTINGS["properties"].items():
        type_ = next(type_ for type_ in schema["type"] if type_ != "null")
        text = environment.get(f"{prefix}{name.upper()}")
        if text is None or type_ not in readers:
            continue
        try:
            readers[type_](text)
        except ValueError:
            form = type_ if type_ == "integer" else f"{type_}, as JSON"
            msg = f"Setting `{name}` must be of type {form}: see {prefix}{name.upper()}"
            raise ConfigurationError(msg) from None


def _from_environment(value: str, schema: Mapping[str, Any]) -> str | float:
    """Numbers with a fraction reach the SDK's environment parser as text, and stay so."""
    if "number" not in schema.get("type", ()):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _sentence(error: ValidationError) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
    rule = str(error.validator)
    wanted: Any = error.validator_value
    found: Any = error.instance
    if rule == "required":
        path += "." + next(name for name in wanted if name not in found)
    problem = {
        "type": f"must be of type {_either(wanted)}",
        "enum": f"must be one of {_either(wanted)}",
        "minimum": f"must be {wanted} or more",
        "maximum": f"must be {wanted} or less",
        "exclusiveMinimum": f"must be more than {wanted}",
        "minLength": "must not be empty",
        "required": "is missing",
        "pattern": "may hold letters, digits and hyphens only: for "
        "https://acme.headshed.com it is acme",
    }.get(rule, f"breaks the rule {rule} of its schema (see tap-cube --about)")
    return f"Setting `{path.removeprefix('.')}` {problem}"


def _either(wanted: Any) -> str:
    names = wanted if isinstance(wanted, list) else [wanted]
    return " or ".join(str(name) for name in names if name != "null")


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
        or url.path.strip("/")
        or url.query
        or url.fragment
    ):
        msg = "Setting `api_url` must be an origin and no more, such as https://cube.example.com"
        raise ConfigurationError(msg)
    if url.scheme == "http" and not is_loopback(url.hostname):
        msg = (
            "Setting `api_url` must start with https://: plain http:// would show the "
            "credentials and the customers to the network (only this machine itself is exempt)"
        )
        raise ConfigurationError(msg)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_authentication(config: Mapping[str, Any]) -> None:
    begun = [way for way, names in _AUTHENTICATION.items() if any(map(config.get, names))]
    if len(begun) != 1:
        found = f"{' and '.join(begun)} are set together" if begun else "No credentials are set"
        msg = (
            f"{found}: set exactly one of the settings `auth_token`, "
            "`username` with `password`, or `basic_auth`"
        )
        raise ConfigurationError(msg)
    for name in _AUTHENTICATION[begun[0]]:
        if not config.get(name):
            msg = f"Setting `{name}` is missing: `username` and `password` go together"
            raise ConfigurationError(msg)


def origin(config: Mapping[str, Any]) -> str:
    """The scheme, host and port that every request goes to, without a trailing slash."""
    if "account" in config:
        return f"https://{config['account']}.headshed.com"
    return str(config["api_url"]).rstrip("/")


def origin_setting(config: Mapping[str, Any]) -> str:
    """How the origin in use is called in the settings."""
    return "`account`" if "account" in config else "`api_url`"


def credentials_setting(config: Mapping[str, Any]) -> str:
    """How the credentials in use are called in the settings."""
    return next(way for way, names in _AUTHENTICATION.items() if config.get(names[0]))
