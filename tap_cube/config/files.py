"""The files of the command line: settings, state, catalog."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import ConfigurationError

from tap_cube.config.values import NO_UNICODE, TOO_DEEP, is_unicode, leaves

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

#: What no path is likely to contain: settings in place of their file are not to be quoted.
_LIKE_SETTINGS = re.compile(r"""[\[\]{}"'\x00-\x1f]|: |.{256}""")
_LAST_STATE = (
    ". Hand over the last line of STATE of a run, or what `meltano state get` prints; without "
    "--state, everything is read again"
)
_NEW_CATALOG = ": make a new one by --discover"


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
    with _named(source):
        content = _parsed(text)
        if not isinstance(content, dict):
            msg = "not a JSON object of settings" if text.strip() else "the file is empty"
            raise ConfigurationError(msg)
    return content


def checked_state(file: IO[str] | None, streams: Collection[str]) -> dict[str, Any] | None:
    """Return the content of `--state`; an empty file is as good as none, and so is a null bookmark.

    What Meltano wraps around a state, and a whole STATE message, are unwrapped.

    Args:
        file: The file.
        streams: The names of the tap's streams.

    Raises:
        ConfigurationError: If it holds anything else.
    """
    if file is None:
        return None
    with _named(f"--state {file.name}", _LAST_STATE):
        state = _content("state", file)
        if state is None:
            return None
        if state.get("partial"):
            msg = "a partial state of Meltano"
            raise ConfigurationError(msg)
        for wrapper in ("completed", "singer_state", "value"):
            if isinstance(state.get(wrapper), dict) and "bookmarks" not in state:
                state = state[wrapper]
        return {**state, "bookmarks": _bookmarks(state, streams)}


def checked_catalog(file: IO[str] | None, streams: Collection[str]) -> dict[str, Any] | None:
    """Return the content of `--catalog`, without the streams of other taps.

    Args:
        file: The file.
        streams: The names of the tap's streams.

    Raises:
        ConfigurationError: If it holds anything else.
    """
    if file is None:
        return None
    with _named(f"--catalog {file.name}", _NEW_CATALOG):
        catalog = _content("catalog", file)
        if catalog is None:
            msg = "the file is empty"
            raise ConfigurationError(msg)
        return {**catalog, "streams": _entries(catalog, streams)}


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


class _Name(msgspec.Struct):
    tap_stream_id: str


class _Entry(msgspec.Struct, kw_only=True):
    table: _Table = msgspec.field(name="schema")
    stream: str | None = None
    key_properties: list[str] | None = None
    replication_key: str | None = None
    replication_method: str | None = None
    metadata: list[_Metadata] = []


def _check_form(content: object, form: Any, place: str) -> None:
    try:
        msgspec.convert(content, form)
    except msgspec.ValidationError as error:
        # It names types and places, but no value
        problem, _, within = str(error).partition(" - at `$")
        problem = problem.replace("Object missing required", "it lacks the")
        msg = f"`{place}{within.removesuffix('`')}`: {problem[0].lower()}{problem[1:]}"
        raise ConfigurationError(msg) from None


def _bookmarks(state: dict[str, Any], streams: Collection[str]) -> dict[str, Any]:
    """Return the bookmarks in a state, without those that are null."""
    if state and "bookmarks" not in state:
        msg = "not a state: it has no `bookmarks`"
        raise ConfigurationError(msg)
    bookmarks = state.get("bookmarks")
    if bookmarks is None:
        return {}
    _check_form(bookmarks, dict[str, Any], "bookmarks")
    if bookmarks and bookmarks.keys().isdisjoint(streams):
        msg = "no stream of tap-cube is in it: it belongs to another tap"
        raise ConfigurationError(msg)
    found = {name: bookmark for name, bookmark in bookmarks.items() if bookmark is not None}
    for name, bookmark in found.items():
        # The SDK also looks into what another tap remembers
        _check_form(bookmark, _Bookmark, f"bookmarks.{name}")
        if name in streams:
            _check_bookmark(name, bookmark)
    return found


def _check_bookmark(stream: str, bookmark: dict[str, Any]) -> None:
    partitions = bookmark.get("partitions", [])
    contexts = [part["context"] for part in partitions]
    if any(context in contexts[:n] for n, context in enumerate(contexts)):
        raise ConfigurationError(f"`{stream}` has two entries for one CRM")
    for part in (bookmark, *partitions):
        reading = part.get("reading")
        version = reading.get("version", 1) if isinstance(reading, dict) else 1
        if type(version) is not int or version < 1:
            raise ConfigurationError(f"`version` of `{stream}` must be a positive integer")


def _entries(catalog: dict[str, Any], streams: Collection[str]) -> list[dict[str, Any]]:
    """Return the entries of a catalog that are for the tap's streams."""
    entries = catalog.get("streams")
    if not isinstance(entries, list):
        msg = "not a catalog: it has no array `streams`"
        raise ConfigurationError(msg)
    found = {}
    for number, entry in enumerate(entries):
        place = f"streams[{number}]"
        _check_form(entry, _Name, place)
        name = entry["tap_stream_id"]
        if name in found:
            raise ConfigurationError(f"`{name}` is in it twice")
        if name in streams:
            _check_entry(entry, place)
            found[name] = entry
    if not found:
        msg = "no stream of tap-cube is in it"
        raise ConfigurationError(msg)
    return list(found.values())


def _check_entry(entry: dict[str, Any], place: str) -> None:
    _check_form(entry, _Entry, place)
    place += ".schema.properties"
    columns = entry["schema"]["properties"]
    for name, schema in columns.items():
        _check_form(schema, _Schema, f"{place}.{name}")
    for key in entry.get("key_properties") or ():
        if key not in columns:
            raise ConfigurationError(f"`{place}`: the column `{key}` of the key is missing")


# JSON


@contextmanager
def _named(source: str, advice: str = "") -> Iterator[None]:
    """Let errors say which file is meant, and what to do about it."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}{advice}") from None


def _content(option: str, file: IO[str]) -> dict[str, Any] | None:
    """Return the object in a file; `None` if it is blank."""
    try:
        text = file.read().removeprefix("\ufeff")
    except ValueError as error:
        raise ConfigurationError(_no_json(error)) from None
    content = _parsed(text)
    if content is not None and not isinstance(content, dict):
        raise ConfigurationError(f"not a {option}")
    return content


def _parsed(text: str) -> Any:
    """Return the JSON value in a text; `None` if it is blank."""
    try:
        content = json.loads(text) if text.strip() else None
        for place, value in leaves(content):
            if not is_unicode(value):
                at = f"`{place.removeprefix('.')}` " if place else ""
                raise ConfigurationError(f"{at}{NO_UNICODE}")
    except RecursionError:
        raise ConfigurationError(f"the content {TOO_DEEP}") from None
    except ValueError as error:
        raise ConfigurationError(_no_json(error)) from None
    return content


def _no_json(error: ValueError) -> str:
    """Return where a text stops being JSON, without quoting it."""
    if isinstance(error, UnicodeError):
        return "not JSON (not text in UTF-8)"
    if not isinstance(error, json.JSONDecodeError):
        return "not JSON (a number has too many digits)"
    return f"not JSON (line {error.lineno}, column {error.colno}: {error.msg})"
