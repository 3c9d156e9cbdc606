"""The files of the command line are used, unwrapped or refused, and never ignored."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigurationError

from tap_cube.config.files import checked_catalog, checked_state, settings

if TYPE_CHECKING:
    from pathlib import Path

STREAMS = ("customers", "campaigns")
CRM = {"context": {"data_owner_id": 2, "crm_type": "B2B"}}
STATE = {"bookmarks": {"customers": {"partitions": [CRM]}}}


def file(content: Any) -> io.StringIO:
    opened = io.StringIO(content if isinstance(content, str) else json.dumps(content))
    opened.name = "some.json"
    return opened


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"type": "STATE", "value": STATE},
        {"singer_state": STATE},
        {"completed": {"singer_state": STATE}, "partial": {}},
        "\ufeff" + json.dumps(STATE),
    ],
)
def test_a_state_is_unwrapped(content: Any) -> None:
    assert checked_state(file(content), STREAMS) == STATE


@pytest.mark.parametrize("content", ["", " \n", "null"])
def test_an_empty_file_is_no_state(content: str) -> None:
    assert checked_state(file(content), STREAMS) is None


DEEP = '{"a": ' * 100 + "1" + "}" * 100
FATHOMLESS = '{"a": ' * 100_000


def reading(mark: Any) -> dict[str, Any]:
    return {"bookmarks": {"customers": {"partitions": [{**CRM, "reading": mark}]}}}


STATES: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "not JSON"),
    "no object": ([STATE], "not a state"),
    "bookmarks are a number": ({"bookmarks": 5}, "`bookmarks`: expected `object`, got `int`"),
    "bookmarks are an array": ({"bookmarks": []}, "`bookmarks`: expected `object`, got `array`"),
    "bookmarks are false": ({"bookmarks": False}, "`bookmarks`: expected `object`, got `bool`"),
    "a bookmark is a number": (
        {"bookmarks": {"customers": 5}},
        "`bookmarks.customers`: expected `object`, got `int`",
    ),
    "partly Meltano's": (
        {"completed": {}, "partial": {"singer_state": STATE}},
        "a partial state of Meltano",
    ),
    "no bookmarks": ({"customers": {}}, "it has no `bookmarks`"),
    "of another tap": ({"bookmarks": {"users": {}}}, "it belongs to another tap"),
    "partitions are null": ({"bookmarks": {"customers": {"partitions": None}}}, "expected `array`"),
    "no context": ({"bookmarks": {"customers": {"partitions": [{}]}}}, "field `context`"),
    "twice": ({"bookmarks": {"customers": {"partitions": [CRM, CRM]}}}, "two entries for one CRM"),
    "a version below zero": (reading({"page": 2, "version": -1}), "a positive integer"),
    "a version that is text": (reading({"page": 2, "version": "7"}), "a positive integer"),
    "a context is a text": (
        {"bookmarks": {"customers": {"partitions": [{"context": "B2B"}]}}},
        r"`bookmarks.customers.partitions\[0\].context`: expected `object`, got `str`",
    ),
    "progress markers are a text": (
        {"bookmarks": {"customers": {"progress_markers": "x"}}},
        "`bookmarks.customers.progress_markers`: expected `object`, got `str`",
    ),
    "several lines of STATE": (
        '{"bookmarks": {}}\n{"bookmarks": {}}',
        r"line 2, column 1.*the last line of",
    ),
    "lone surrogates in a text": (reading({"page": "\ud800"}), "reading.page` contains bytes or"),
    "lone surrogates in a name": (reading({"\udcff": 1}), "reading` contains bytes or"),
    "nested deeply": (DEEP, "the content is nested too deeply"),
    "nested without end": (FATHOMLESS, "the content is nested too deeply"),
    "too many digits": (f'{{"bookmarks": {"9" * 5000}}}', "has too many digits|got `int`"),
}


@pytest.mark.parametrize(("content", "fault"), STATES.values(), ids=STATES)
def test_any_other_state_is_refused(content: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as raised:
        checked_state(file(content), STREAMS)
    assert str(raised.value).startswith("--state some.json: ")
    assert str(raised.value).endswith(
        ". Hand over the last line of STATE of a run, or what `meltano state get` prints; without "
        "--state, everything is read again"
    )


@pytest.mark.parametrize("bookmarks", [None, {}, {"customers": None}])
def test_what_is_null_holds_nothing(bookmarks: Any) -> None:
    """As of a stream that is to be read from the start."""
    assert checked_state(file({"bookmarks": bookmarks}), STREAMS) == {"bookmarks": {}}


def test_what_is_beside_null_is_kept() -> None:
    state = {"bookmarks": {**STATE["bookmarks"], "campaigns": None}}
    assert checked_state(file(state), STREAMS) == STATE


def test_what_another_tap_remembers_is_kept() -> None:
    users = {"partitions": [CRM, CRM], "reading": {"version": "7"}}
    state = {"bookmarks": {**STATE["bookmarks"], "users": users}}
    assert checked_state(file(state), STREAMS) == state


@pytest.mark.parametrize("users", [5, {"partitions": None}, {"progress_markers": None}])
def test_what_another_tap_remembers_has_the_form_that_the_sdk_needs(users: Any) -> None:
    state = {"bookmarks": {**STATE["bookmarks"], "users": users}}
    with pytest.raises(ConfigurationError, match=r"`bookmarks\.users\S*`: expected `"):
        checked_state(file(state), STREAMS)


@pytest.mark.parametrize("mark", [None, 5, {"anchors": [1]}, {"page": "x"}, {"page": -3}])
def test_the_place_of_an_interrupted_read_may_be_unknown(mark: Any) -> None:
    assert checked_state(file(reading(mark)), STREAMS) == reading(mark)


ENTRY = {"tap_stream_id": "customers", "schema": {"properties": {}}}


def with_property(content: Any) -> dict[str, Any]:
    """A catalog with one column."""
    return {"streams": [{**ENTRY, "schema": {"properties": {"name": content}}}]}


CATALOGS: dict[str, tuple[Any, str]] = {
    "empty": ("", "the file is empty: make a new one by --discover"),
    "no object": ([], "not a catalog"),
    "no streams": ({}, "not a catalog: it has no array `streams`"),
    "streams are an object": ({"streams": {}}, "not a catalog: it has no array `streams`"),
    "an entry is a text": ({"streams": ["customers"]}, r"`streams\[0\]`: expected `object`"),
    "only `stream`": ({"streams": [{"stream": "customers"}]}, "field `tap_stream_id`"),
    "an entry of another tap": ({"streams": [ENTRY, {}]}, r"`streams\[1\]`: .* `tap_stream_id`"),
    "twice": ({"streams": [ENTRY, ENTRY]}, "`customers` is in it twice"),
    "metadata is null": ({"streams": [{**ENTRY, "metadata": None}]}, "expected `array`"),
    "no breadcrumb": ({"streams": [{**ENTRY, "metadata": [{"metadata": {}}]}]}, "`breadcrumb`"),
    "a property is a text": (with_property("string"), r"schema.properties.name`: expected"),
    "a choice is no schema": (with_property({"anyOf": [5]}), r"name.anyOf\[0\]`: expected `obj"),
    "a selection is a text": (
        {"streams": [{**ENTRY, "metadata": [{"breadcrumb": [], "metadata": {"selected": "no"}}]}]},
        r"metadata\[0\].metadata.selected`: expected `bool | null`, got `str`",
    ),
    "no key": (
        {"streams": [{**ENTRY, "key_properties": ["id"]}]},
        "column `id` of the key is missing",
    ),
    "a type is no text": (with_property({"type": [{}]}), r"type\[0\]`: expected `str`"),
    "a format is an array": (with_property({"format": []}), "name.format`: expected `str"),
    "items are an array": (with_property({"items": []}), "items`: expected `object"),
    "lone surrogates": (with_property({"type": "\ud800"}), "type` contains bytes or characters"),
    "nested deeply": (DEEP, "the content is nested too deeply"),
    "of another tap": ({"streams": [{**ENTRY, "tap_stream_id": "users"}]}, "no stream of tap-cube"),
    "no schema": ({"streams": [{"tap_stream_id": "customers"}]}, "field `schema`"),
    "no properties": ({"streams": [{**ENTRY, "schema": {}}]}, "field `properties`"),
}


@pytest.mark.parametrize(("content", "fault"), CATALOGS.values(), ids=CATALOGS)
def test_any_other_catalog_is_refused(content: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as raised:
        checked_catalog(file(content), STREAMS)
    assert str(raised.value).startswith("--catalog some.json: ")
    assert str(raised.value).endswith(": make a new one by --discover")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "more",
    [{"schema": {"properties": {}}}, {"schema": {}}, {"schema": True}, {}, {"metadata": None}],
    ids=json.dumps,
)
def test_streams_of_another_tap_are_left_out(more: dict[str, Any]) -> None:
    catalog = {"streams": [{"tap_stream_id": "users", **more}, ENTRY], "version": 1}
    assert checked_catalog(file(catalog), STREAMS) == {"streams": [ENTRY], "version": 1}


@pytest.mark.parametrize(
    "content",
    [
        '{"account": "acme", "password": "hemmelig"}',
        ' [{"password": "hemmelig"}]',
        '["hemmelig"]',
        "password: hemmelig",
        "account=acme\npassword=hemmelig",
        "hemmelig\0",
        "hemmelig" * 100,
    ],
)
def test_settings_in_place_of_a_file_are_not_quoted(content: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        settings([content])
    assert str(raised.value) == (
        "--config takes the path of a file, or ENV, and not the settings themselves"
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "the file is empty"),
        ("null", "not a JSON object of settings"),
        ("[]", "not a JSON object of settings"),
        ('[["account", "acme"]]', "not a JSON object of settings"),
        (DEEP, "the content is nested too deeply"),
        (FATHOMLESS, "the content is nested too deeply"),
        ('{"password": "\\ud800"}', "`password` contains bytes or characters"),
    ],
    ids=range(7),
)
def test_settings_are_an_object(tmp_path: Path, content: str, fault: str) -> None:
    (path := tmp_path / "config.json").write_text(content)
    with pytest.raises(ConfigurationError, match=fault) as raised:
        settings([str(path)])
    assert str(raised.value).startswith(f"--config {path}: ")


@pytest.mark.parametrize("path", ["", " "])
def test_an_empty_path_of_settings(path: str) -> None:
    """As of a variable of the shell that is not set."""
    with pytest.raises(ConfigurationError, match="--config is empty: name a file"):
        settings(["ENV", path])


def test_later_settings_win(tmp_path: Path) -> None:
    for name, content in {"1": {"account": "a", "max_tries": 1}, "2": {"account": "b"}}.items():
        (tmp_path / name).write_text("\ufeff" + json.dumps(content), encoding="utf-8")
    found = settings([str(tmp_path / "1"), "ENV", str(tmp_path / "2")])
    assert found == {"account": "b", "max_tries": 1}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_settings_in_a_pipe_are_read_once() -> None:
    """As `--config <(decrypt config.json)` hands them over."""
    receiver, sender = os.pipe()
    os.write(sender, b'{"account": "acme"}')
    os.close(sender)
    try:
        assert settings([f"/dev/fd/{receiver}"]) == {"account": "acme"}
    finally:
        os.close(receiver)
