"""The files of the command line: settings, state, catalog."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import ConfigurationError

from tap_cube.config.values import NO_UNICODE, TOO_DEEP, is_unicode, leaves

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

#: What no path is likely to contain: settings in place of their file are not to be quoted.
_LIKE_SETTINGS = re.compile(r"""[\[\]{}"'\x00-\x1f]|: |.{256}""")
_NEW_ONE = "make a new one by --discover"
_LAST_STATE = (
    "Hand over the last STATE of a run, or what `meltano state get` prints; without --state, "
    "everything is read again"
)


def settings(paths: Sequence[str]) -> dict[str, Any]:
    """Return the settings in the files of `--config`, of which later ones win.

    Args:
        paths: The paths; `ENV` is none.

    Raises:
        ConfigurationError: If a file cannot be read, or holds anything else.
    """
    found: dict[str, Any] = {}
    for path in paths:
        if path != "ENV":
            found |= _settings(path)
    return found


def _settings(path: str) -> dict[str, Any]:
    if not path.strip():
        msg = "--config is empty: name a file of settings, or ENV"
        raise ConfigurationError(msg)
    source = f"--config {path}"
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{source}: {_no_json(error)}") from None
    except (OSError, ValueError) as error:
        if _LIKE_SETTINGS.search(path):
            msg = "--config takes the path of a file, or ENV, and not the settings themselves"
            raise ConfigurationError(msg) from None
        reason = getattr(error, "strerror", None) or "no path of a file"
        if path.strip().upper() == "ENV":
            reason += " (variables are read with `--config ENV`, in capitals)"
        raise ConfigurationError(f"{source}: {reason}") from None
    content = _parsed(text, source)
    if not isinstance(content, dict):
        problem = "not a JSON object of settings" if text.strip() else "the file is empty"
        raise ConfigurationError(f"{source}: {problem}")
    return content


def checked_state(file: IO[str] | None, streams: Collection[str]) -> dict[str, Any] | None:
    """Return the content of `--state`; an empty file is as good as none.

    What Meltano wraps around a state, and a whole STATE message, are unwrapped.

    Args:
        file: The file.
        streams: The names of the tap's streams.

    Raises:
        ConfigurationError: If it holds anything else.
    """
    source, state = _content("state", file)
    if state is None:
        return None
    if state.get("partial"):
        raise ConfigurationError(f"{source}: a partial state of Meltano. {_LAST_STATE}")
    for wrapper in ("completed", "singer_state", "value"):
        if isinstance(state.get(wrapper), dict) and "bookmarks" not in state:
            state = state[wrapper]
    if fault := _fault_of_state(state, streams):
        raise ConfigurationError(f"{source}: {fault}. {_LAST_STATE}")
    return state


def checked_catalog(file: IO[str] | None, streams: Collection[str]) -> dict[str, Any] | None:
    """Return the content of `--catalog`.

    Args:
        file: The file.
        streams: The names of the tap's streams.

    Raises:
        ConfigurationError: If it holds anything else.
    """
    if file is None:
        return None
    source, catalog = _content("catalog", file)
    fault = "the file is empty" if catalog is None else _fault_of_catalog(catalog, streams)
    if fault:
        raise ConfigurationError(f"{source}: {fault}: {_NEW_ONE}")
    return catalog


# What the documents have to look like, as far as the tap and the SDK rely on it


class _Mark(msgspec.Struct, kw_only=True):
    reading: Any = None
    progress_markers: dict[str, Any] = {}


class _Partition(_Mark, kw_only=True):
    context: dict[str, Any]


class _Bookmark(_Mark, kw_only=True):
    partitions: list[_Partition] = []


class _Schema(msgspec.Struct):
    type: str | list[str] | None = None
    format: str | None = None
    properties: dict[str, _Schema] | None = None
    items: _Schema | None = None
    any_of: list[_Schema] | None = msgspec.field(name="anyOf", default=None)
    one_of: list[_Schema] | None = msgspec.field(name="oneOf", default=None)
    all_of: list[_Schema] | None = msgspec.field(name="allOf", default=None)


class _Table(msgspec.Struct, kw_only=True):
    properties: dict[str, Any]


class _Selection(msgspec.Struct, rename="kebab"):
    selected: bool | None = None
    selected_by_default: bool | None = None


class _Metadata(msgspec.Struct):
    breadcrumb: list[str]
    metadata: _Selection


class _Entry(msgspec.Struct, kw_only=True):
    tap_stream_id: str
    table: _Table = msgspec.field(name="schema")
    stream: str | None = None
    key_properties: list[str] | None = None
    replication_key: str | None = None
    replication_method: str | None = None
    metadata: list[_Metadata] = []


def _fault_of_form(content: object, form: Any, place: str) -> str:
    """Return where a value is not as it has to be, and why; `""` if it is."""
    try:
        msgspec.convert(content, form)
    except msgspec.ValidationError as error:
        # It names types and places, but no value
        problem, _, within = str(error).partition(" - at `$")
        problem = problem.replace("Object missing required", "it lacks the")
        return f"`{place}{within.removesuffix('`')}`: {problem[0].lower()}{problem[1:]}"
    return ""


def _fault_of_state(state: dict[str, Any], streams: Collection[str]) -> str:
    if state and "bookmarks" not in state:
        return "not a state: it has no `bookmarks`"
    bookmarks = state.get("bookmarks", {})
    if fault := _fault_of_form(bookmarks, dict[str, Any], "bookmarks"):
        return fault
    if bookmarks and bookmarks.keys().isdisjoint(streams):
        return "no stream of tap-cube is in it: it belongs to another tap"
    faults = (_fault_of_bookmark(name, bookmark) for name, bookmark in bookmarks.items())
    return next(filter(None, faults), "")


def _fault_of_bookmark(stream: str, bookmark: dict[str, Any]) -> str:
    if fault := _fault_of_form(bookmark, _Bookmark, f"bookmarks.{stream}"):
        return fault
    partitions = bookmark.get("partitions", [])
    contexts = [part["context"] for part in partitions]
    if any(context in contexts[:n] for n, context in enumerate(contexts)):
        return f"`{stream}` has two entries for one CRM"
    for part in (bookmark, *partitions):
        reading = part.get("reading")
        version = reading.get("version", 1) if isinstance(reading, dict) else 1
        if type(version) is not int or version < 1:
            return f"`version` of `{stream}` must be a positive integer"
    return ""


def _fault_of_catalog(catalog: dict[str, Any], streams: Collection[str]) -> str:
    entries = catalog.get("streams")
    if not isinstance(entries, list):
        return "not a catalog: it has no array `streams`"
    for number, entry in enumerate(entries):
        if fault := _fault_of_entry(entry, f"streams[{number}]", streams):
            return fault
    names = [entry["tap_stream_id"] for entry in entries]
    if set(streams).isdisjoint(names):
        return "no stream of tap-cube is in it"
    twice = next((name for name in names if names.count(name) > 1), "")
    return f"`{twice}` is in it twice" if twice else ""


def _fault_of_entry(entry: Any, place: str, streams: Collection[str]) -> str:
    if fault := _fault_of_form(entry, _Entry, place):
        return fault
    place += ".schema.properties"
    columns = entry["schema"]["properties"]
    for name, schema in columns.items():
        if fault := _fault_of_form(schema, _Schema, f"{place}.{name}"):
            return fault
    if entry["tap_stream_id"] not in streams:
        return ""
    lost = next((key for key in entry.get("key_properties") or () if key not in columns), "")
    return f"`{place}`: the column `{lost}` of the key is missing" if lost else ""


# JSON


def _content(option: str, file: IO[str] | None) -> tuple[str, dict[str, Any] | None]:
    """Return how to name a file, and the object in it; `None` if it is blank."""
    if file is None:
        return "", None
    source = f"--{option} {file.name}"
    try:
        text = file.read().removeprefix("\ufeff")
    except ValueError as error:
        raise ConfigurationError(f"{source}: {_no_json(error)}") from None
    content = _parsed(text, source)
    if content is not None and not isinstance(content, dict):
        msg = f"{source}: not a {option}"
        raise ConfigurationError(msg)
    return source, content


def _parsed(text: str, source: str) -> Any:
    """Return the JSON value in a text; `None` if it is blank."""
    try:
        content = json.loads(text) if text.strip() else None
        for place, value in leaves(content):
            if not is_unicode(value):
                at = f"`{place.removeprefix('.')}` " if place else ""
                msg = f"{source}: {at}{NO_UNICODE}"
                raise ConfigurationError(msg)
    except RecursionError:
        raise ConfigurationError(f"{source}: the content {TOO_DEEP}") from None
    except ValueError as error:
        advice = ". Of several lines of STATE, hand over the last one only"
        is_line = source.startswith("--state") and getattr(error, "msg", "") == "Extra data"
        problem = f"{_no_json(error)}{advice if is_line else ''}"
        raise ConfigurationError(f"{source}: {problem}") from None
    return content


def _no_json(error: ValueError) -> str:
    """Return where a text stops being JSON, without quoting it."""
    if isinstance(error, UnicodeError):
        return "not JSON (not text in UTF-8)"
    if not isinstance(error, json.JSONDecodeError):
        return "not JSON (a number has too many digits)"
    return f"not JSON (line {error.lineno}, column {error.colno}: {error.msg})"
