"""The settings in use: one sentence for each way to get them wrong, and what they amount to."""

from __future__ import annotations

import datetime as dt
import difflib
import io
import ipaddress
import json
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_sdk.exceptions import ConfigurationError
from singer_sdk.plugin_base import JSONSchemaValidator

from tap_cube import days
from tap_cube.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping

    from jsonschema import ValidationError

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
    _check_start_date(config)
    _check_batches(config)


def unknown(names: Iterable[str], schema: Mapping[str, Any]) -> list[str]:
    """A sentence for each setting that there is not: it may be a slip of the pen."""
    sentences = []
    for name in names:
        if name not in schema["properties"]:
            near = difflib.get_close_matches(name, schema["properties"], n=1)
            meant = f": did you mean `{near[0]}`?" if near else ""
            sentences.append(f"There is no setting `{name}`{meant}")
    return sentences


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


def checked(option: str, file: IO[str] | None, member: str | None = None) -> IO[str] | None:
    """A file of the command line, when it holds a JSON object.

    Args:
        option: The option that names it.
        file: The file. An empty one is as good as none, unless it must have a member.
        member: What the object must have.

    Raises:
        ConfigurationError: If it holds anything else.
    """
    if file is None:
        return None
    try:
        text = file.read().removeprefix("\ufeff")
        if not text.strip() and member is None:
            return None
        content = json.loads(text)
    except ValueError as error:
        # Its first line says where, its text does not quote what stands there
        msg = f"--{option} {file.name}: this is no JSON ({str(error).splitlines()[0]})"
        raise ConfigurationError(msg) from None
    if not isinstance(content, dict) or (member and member not in content):
        msg = f"--{option} {file.name}: this is no {option}"
        raise ConfigurationError(msg)
    return io.StringIO(text)


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


def _check_start_date(config: Mapping[str, Any]) -> None:
    text = config.get("start_date")
    if text is None:
        return
    day = days.parse(text)
    if day is None:
        msg = "Setting `start_date` must be a date such as 2024-01-31"
        raise ConfigurationError(msg)
    if day > days.today(dt.datetime.now(dt.timezone.utc)):
        msg = "Setting `start_date` is in the future: nothing would be read"
        raise ConfigurationError(msg)


def _check_batches(config: Mapping[str, Any]) -> None:
    batches = config.get("batch_config")
    if not batches:
        return
    if config.get("emit_activate_version_messages"):
        msg = (
            "The settings `batch_config` and `emit_activate_version_messages` do not go together: "
            "rows in batches carry no version, so that targets would delete them all. Set one"
        )
        raise ConfigurationError(msg)
    encoding = batches.get("encoding") or {}
    if encoding.get("format") == "parquet" and find_spec("pyarrow") is None:
        msg = (
            "Setting `batch_config.encoding.format` is parquet, which needs pyarrow: install "
            "`singer-sdk[parquet]` where tap-cube is installed, or set jsonl"
        )
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
