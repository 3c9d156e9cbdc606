"""The files of the command line: settings, state, catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def checked_state(file: IO[str] | None, streams: Collection[str]) -> dict[str, Any] | None:
    """Return the content of `--state`; an empty file is as good as none.

    What Meltano wraps around a state, and a whole STATE message, are unwrapped.

    Args:
        file: The file.
        streams: The names of the tap's streams.

    Raises:
        ConfigurationError: If it holds anything else.
    """
    if file is None:
        return None
    state = _content("state", file)
    if state is None:
        return None
    for wrapper in ("completed", "singer_state", "value"):
        if isinstance(state.get(wrapper), dict) and "bookmarks" not in state:
            state = state[wrapper]
    if fault := _fault_of(state, streams):
        msg = f"--state {file.name}: {fault}"
        raise ConfigurationError(msg)
    return state


def _fault_of(state: dict[str, Any], streams: Collection[str]) -> str | None:
    """Return what is wrong with a state."""
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict) or not all(
        isinstance(stream, dict) for stream in bookmarks.values()
    ):
        return "`bookmarks` must be an object of one object per stream"
    if state and "bookmarks" not in state:
        return "not a state: it has no `bookmarks`"
    if bookmarks and bookmarks.keys().isdisjoint(streams):
        return "no stream of tap-cube is in it: it belongs to another tap"
    faults = (_fault_of_bookmark(name, bookmark) for name, bookmark in bookmarks.items())
    return next(filter(None, faults), None)


def _fault_of_bookmark(stream: str, bookmark: dict[str, Any]) -> str | None:
    """Return what is wrong with the bookmark of a stream."""
    partitions = bookmark.get("partitions", [])
    if not isinstance(partitions, list) or not all(
        isinstance(part, dict) and isinstance(part.get("context"), dict) for part in partitions
    ):
        return f"`partitions` of `{stream}` must be an array of objects with a `context`"
    contexts = [part["context"] for part in partitions]
    if any(context in contexts[:n] for n, context in enumerate(contexts)):
        return f"`{stream}` has two entries for one CRM: remove one of them"
    for part in (bookmark, *partitions):
        reading = part.get("reading")
        version = reading.get("version", 1) if isinstance(reading, dict) else 1
        if type(version) is not int or version < 1:
            return f"`version` of `{stream}` must be a positive integer: remove `reading`"
    return None


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
    catalog = _content("catalog", file)
    entries = (catalog or {}).get("streams")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        msg = f"--catalog {file.name}: not a catalog"
        raise ConfigurationError(msg)
    names = {entry.get("tap_stream_id") or entry.get("stream") for entry in entries}
    if names.isdisjoint(streams):
        msg = f"--catalog {file.name}: no stream of tap-cube is in it: make a new one by --discover"
        raise ConfigurationError(msg)
    for entry in entries:
        schema = entry.get("schema")
        name = entry.get("tap_stream_id") or entry.get("stream")
        if name in streams and not (
            isinstance(schema, dict) and isinstance(schema.get("properties"), dict)
        ):
            msg = (
                f"--catalog {file.name}: `{name}` has no `properties`: make a new one by --discover"
            )
            raise ConfigurationError(msg)
    return catalog


def _content(option: str, file: IO[str]) -> dict[str, Any] | None:
    try:
        text = file.read().removeprefix("\ufeff")
        content = json.loads(text) if text.strip() else None
    except ValueError as error:
        raise ConfigurationError(f"--{option} {file.name}: {no_json(error)}") from None
    if content is not None and not isinstance(content, dict):
        msg = f"--{option} {file.name}: not a {option}"
        raise ConfigurationError(msg)
    return content


def config_problem(paths: Sequence[str]) -> str:
    """Return what is wrong with the files of `--config`: the first problem."""
    for path in paths:
        if path == "ENV":
            continue
        if path.lstrip().startswith("{"):  # not to be quoted: it holds the secrets
            return "--config takes the path of a file, or ENV, and not the settings themselves"
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            return f"--config {path}: {error.strerror}"
        except ValueError as error:
            return f"--config {path}: {no_json(error)}"
        if not isinstance(content, dict):
            return f"--config {path}: not a JSON object of settings"
    return f"--config {' '.join(paths)}: these files cannot be read"


def no_json(error: ValueError) -> str:
    """Return where a text stops being JSON, without quoting it."""
    if isinstance(error, json.JSONDecodeError):
        place = f"line {error.lineno}, column {error.colno}: {error.msg}"
        return f"not JSON ({place})" if error.doc.strip() else "the file is empty"
    return "not JSON (not text in UTF-8)"
