"""The files of the command line are used, unwrapped or refused, and never ignored."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from singer_sdk.exceptions import ConfigurationError

from tap_cube.config.files import checked_catalog, checked_state, config_problem

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


def reading(mark: Any) -> dict[str, Any]:
    return {"bookmarks": {"customers": {"partitions": [{**CRM, "reading": mark}]}}}


STATES: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "not JSON"),
    "no object": ([STATE], "not a state"),
    "bookmarks are a number": ({"bookmarks": 5}, "one object per stream"),
    "bookmarks are null": ({"bookmarks": None}, "one object per stream"),
    "a bookmark is a number": ({"bookmarks": {"customers": 5}}, "one object per stream"),
    "no bookmarks": ({"customers": {}}, "it has no `bookmarks`"),
    "of another tap": ({"bookmarks": {"users": {}}}, "it belongs to another tap"),
    "partitions are null": ({"bookmarks": {"customers": {"partitions": None}}}, "array of objects"),
    "no context": ({"bookmarks": {"customers": {"partitions": [{}]}}}, "array of objects"),
    "twice": ({"bookmarks": {"customers": {"partitions": [CRM, CRM]}}}, "two entries for one CRM"),
    "a version below zero": (reading({"page": 2, "version": -1}), "a positive integer"),
    "a version that is text": (reading({"page": 2, "version": "7"}), "a positive integer"),
}


@pytest.mark.parametrize(("content", "fault"), STATES.values(), ids=STATES)
def test_any_other_state_is_refused(content: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as raised:
        checked_state(file(content), STREAMS)
    assert str(raised.value).startswith("--state some.json: ")


@pytest.mark.parametrize("mark", [None, 5, {"anchors": [1]}, {"page": "x"}, {"page": -3}])
def test_the_place_of_an_interrupted_read_may_be_unknown(mark: Any) -> None:
    assert checked_state(file(reading(mark)), STREAMS) == reading(mark)


ENTRY = {"tap_stream_id": "customers", "schema": {"properties": {}}}
CATALOGS: dict[str, tuple[Any, str]] = {
    "empty": ("", "not a catalog"),
    "no streams": ({}, "not a catalog"),
    "streams are an object": ({"streams": {}}, "not a catalog"),
    "an entry is a text": ({"streams": ["customers"]}, "not a catalog"),
    "of another tap": ({"streams": [{**ENTRY, "tap_stream_id": "users"}]}, "no stream of tap-cube"),
    "no schema": ({"streams": [{"tap_stream_id": "customers"}]}, "no `properties`"),
    "no properties": ({"streams": [{**ENTRY, "schema": {}}]}, "no `properties`"),
}


@pytest.mark.parametrize(("content", "fault"), CATALOGS.values(), ids=CATALOGS)
def test_any_other_catalog_is_refused(content: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        checked_catalog(file(content), STREAMS)


def test_a_catalog_may_have_unknown_streams() -> None:
    catalog = {"streams": [ENTRY, {**ENTRY, "tap_stream_id": "users"}]}
    assert checked_catalog(file(catalog), STREAMS) == catalog


def test_settings_in_place_of_a_file_are_not_quoted() -> None:
    problem = config_problem(['{"account": "acme", "password": "hemmelig"}'])
    assert problem == "--config takes the path of a file, or ENV, and not the settings themselves"
