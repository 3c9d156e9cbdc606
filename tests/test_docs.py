"""What the README, meltano.yml and the command say is the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tap_cube.sandbox import Sandbox
    from tests.support import Tap

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))

# JSON Schema types, and the kinds that Meltano hands such values on as. A number is text to it:
# it fails on its own kind `decimal` where an environment variable gives the value.
KINDS = {
    "string": {"string", "options", "date_iso8601"},
    "integer": {"integer"},
    "number": {"string"},
    "boolean": {"boolean"},
    "array": {"array"},
    "object": {"object"},
}


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    command = [sys.executable, "-m", "tap_cube", "--about", "--format=json"]
    return dict(json.loads(subprocess.check_output(command)))  # noqa: S603  # our own program


def own(about: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings that are the tap's own and not the SDK's."""
    settings = about["settings"]["properties"]
    names = list(settings)
    return {name: settings[name] for name in names[: names.index("user_agent") + 1]}


def test_meltano_knows_every_setting(about: dict[str, Any]) -> None:
    (extractor,) = PROJECT["plugins"]["extractors"]
    known = {setting["name"]: setting for setting in extractor["settings"]}
    assert set(known) == set(about["settings"]["properties"])
    for name, schema in about["settings"]["properties"].items():
        type_ = next(type_ for type_ in schema["type"] if type_ != "null")
        assert known[name]["kind"] in KINDS[type_], name
        assert known[name].get("sensitive", False) is bool(schema.get("secret")), name
        options = [option["value"] for option in known[name].get("options", ())]
        assert options == schema.get("enum", []), name
        assert "value" not in known[name], "the tap has the defaults"


def test_meltano_knows_the_capabilities(about: dict[str, Any]) -> None:
    (extractor,) = PROJECT["plugins"]["extractors"]
    assert set(extractor["capabilities"]) == set(about["capabilities"])


def test_meltano_needs_no_look_up_elsewhere() -> None:
    for plugins in PROJECT["plugins"].values():
        for plugin in plugins:
            assert {"namespace", "pip_url", "executable", "settings"} <= set(plugin), plugin["name"]


def test_each_group_of_settings_is_enough() -> None:
    (extractor,) = PROJECT["plugins"]["extractors"]
    origins = [["account"], ["api_url"]]
    credentials = [["auth_token"], ["username", "password"], ["basic_auth"]]
    groups = [[*origin, *way] for origin in origins for way in credentials]
    assert sorted(extractor["settings_group_validation"]) == sorted(groups)


def test_the_excerpt_of_a_catalog(tap: Tap, sandbox: Sandbox) -> None:
    block = README.partition("<!-- catalog -->\n```json\n")[2].partition("```")[0]
    shown = json.loads(block)
    catalog = tap.discover({"api_url": sandbox.url, "auth_token": sandbox.token})
    (found,) = (s for s in catalog["streams"] if s["tap_stream_id"] == shown["tap_stream_id"])
    properties = shown.pop("schema")["properties"]
    assert shown.items() <= found.items()
    assert properties.items() <= found["schema"]["properties"].items()


def test_each_stream_is_in_the_table(tap: Tap, sandbox: Sandbox) -> None:
    catalog = tap.discover({"api_url": sandbox.url, "auth_token": sandbox.token})
    table = README.partition("## Streams")[2].partition("###")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\| (full table|incremental)[^|]*\|$", table, re.MULTILINE)
    methods = {"full table": "FULL_TABLE", "incremental": "INCREMENTAL"}
    assert {name: methods[method] for name, method in rows} == {
        stream["tap_stream_id"]: stream["replication_method"] for stream in catalog["streams"]
    }


def test_the_table_of_settings(about: dict[str, Any]) -> None:
    rows = []
    for name, schema in own(about).items():
        type_ = next(type_ for type_ in schema["type"] if type_ != "null")
        kind = f"{type_}, secret" if schema.get("secret") else type_
        default = f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
        cells = (f"`{name}`", kind, default.replace('"', ""), schema["description"])
        rows.append(f"| {' | '.join(cells)} |")
    table = README.partition("<!-- settings -->")[2].partition("<!-- /settings -->")[0]
    found = re.findall(r"^\| `.*$", table, re.MULTILINE)
    assert found == rows


def test_the_test_command_is_what_ci_runs() -> None:
    (command,) = re.findall(r"^python3 -m venv .*pytest$", README, re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
