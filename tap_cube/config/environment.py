"""Settings from environment variables."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def settings_in(environment: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that `TAP_CUBE_...` variables hold.

    A blank variable counts as unset, whatever the type of the setting.

    Args:
        environment: The environment variables.
        schema: JSON Schema of all settings.

    Raises:
        ConfigurationError: With one sentence that names the setting and the variable.
    """
    settings = {}
    for name, property_ in schema["properties"].items():
        variable = f"TAP_CUBE_{name.upper()}"
        text = environment.get(variable, "")
        if text.strip():
            settings[name] = _value(text, name, variable, property_)
    return settings


def variables_set(environment: Mapping[str, str], schema: Mapping[str, Any]) -> list[str]:
    """Return the names of all variables that hold a setting."""
    names = (f"TAP_CUBE_{name.upper()}" for name in schema["properties"])
    return [name for name in names if environment.get(name, "").strip()]


def log_levels(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that choose a log level, in the form that the SDK accepts.

    A blank variable counts as unset.

    Raises:
        ConfigurationError: If one has another value than the name of a level.
    """
    levels = {}
    for variable in ("TAP_CUBE_LOGLEVEL", "LOGLEVEL"):
        level = environment.get(variable, "").strip().upper()
        if level and not isinstance(logging.getLevelName(level), int):
            msg = f"The variable {variable} must be DEBUG, INFO, WARNING, ERROR or CRITICAL"
            raise ConfigurationError(msg)
        levels[variable] = level
    # The SDK takes the empty value of the second one for a level
    return {**levels, "LOGLEVEL": levels["LOGLEVEL"] or "INFO"}


def _value(text: str, name: str, variable: str, property_: Mapping[str, Any]) -> Any:
    types = property_.get("type", "string")
    type_ = next(t for t in ([types] if isinstance(types, str) else types) if t != "null")
    reader, form = _READERS.get(type_, (str, ""))
    try:
        return reader(text)
    except (RecursionError, ValueError):
        msg = f"Setting `{name}` must be {form}: see the variable {variable}"
        raise ConfigurationError(msg) from None


def _boolean(text: str) -> bool:
    value = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
        text.strip().lower()
    )
    if value is None:
        raise ValueError
    return value


_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "boolean": (_boolean, "true or false"),
    "integer": (int, "of type integer"),
    "number": (float, "of type number"),
    "array": (json.loads, "of type array, as JSON"),
    "object": (json.loads, "of type object, as JSON"),
}
