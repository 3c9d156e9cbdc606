"""What the README, `docs/`, meltano.yml and the command say is the same.

    UPDATE_PLUGINS=1 pytest -n 0 tests/test_docs.py

writes the plugin definitions in `docs/plugins/` again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.documents import PAGES, README, anchor, block

if TYPE_CHECKING:
    from tap_cube.sandbox import Sandbox
    from tests.support import Tap

ROOT = Path(__file__).parent.parent
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
PLUGINS = ROOT / "docs" / "plugins"
PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))

#: The most words of the README.
LONGEST = 1800
#: Where a path in the documentation may begin.
FOLDERS = ("", "tap_cube", ".github")

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
    for name, schema in own(about).items():
        assert known[name]["description"] == schema["description"]


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
    shown = json.loads(block("docs/streams.md", "The catalog", "json"))
    catalog = tap.discover({"api_url": sandbox.url, "auth_token": sandbox.token})
    (found,) = (s for s in catalog["streams"] if s["tap_stream_id"] == shown["tap_stream_id"])
    properties = shown.pop("schema")["properties"]
    assert shown.items() <= found.items()
    assert properties.items() <= found["schema"]["properties"].items()


def test_each_stream_is_in_the_table(tap: Tap, sandbox: Sandbox) -> None:
    catalog = tap.discover({"api_url": sandbox.url, "auth_token": sandbox.token})
    table = README.partition("## Streams")[2].partition("\n## ")[0]
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
    assert command in CONTRIBUTING.splitlines()


def test_the_listing_of_modules() -> None:
    """The architecture names each module, and no other; those of the sandbox are not listed."""
    listing = CONTRIBUTING.partition("```\ntap_cube/\n")[2].partition("```")[0]
    folder, listed = Path(), set()
    for line in listing.splitlines():
        indent, name = re.fullmatch(r"( +)(.*)", line).groups()  # type: ignore[union-attr]
        if len(indent) == 2:
            folder = Path(name.split()[0]) if "/" in name.split()[0] else Path()
        listed |= {folder / module for module in re.findall(r"\w+\.py", name)}
    package = ROOT / "tap_cube"
    assert listed == {
        path.relative_to(package)
        for path in package.rglob("*.py")
        if path.name != "__init__.py" and "sandbox" not in path.parts
    }


def test_where_to_change_what() -> None:
    """Each path that the page for contributors names is there."""
    paths = set(re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?|\w+\.(?:md|yml|py))`", CONTRIBUTING))
    assert len(paths) > 15
    missing = {path for path in paths if not any((ROOT / f / path).exists() for f in FOLDERS)}
    assert missing == set()


def test_imports_go_one_way() -> None:
    """A package imports only those below it in the listing."""
    order = ["__main__", "tap", "crms", "streams", "output", "config", "schema", "readers", "cube"]
    listing = CONTRIBUTING.partition("```\ntap_cube/\n")[2].partition("```")[0]
    assert re.findall(r"^  (\w+)", listing, re.MULTILINE)[: len(order)] == order
    for path in (ROOT / "tap_cube").rglob("*.py"):
        here = path.relative_to(ROOT / "tap_cube").parts[0].removesuffix(".py")
        if here not in order:
            continue
        for imported in re.findall(
            r"^ *from tap_cube\.(\w+)|^ *from tap_cube import (\w+)",
            path.read_text(encoding="utf-8"),
            re.MULTILINE,
        ):
            name = "".join(imported)
            if name in order and name != here:
                assert order.index(name) > order.index(here), f"{path} imports {name}"


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= LONGEST


def test_each_page_is_in_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", README))
    assert linked == PAGES.keys() - {"README.md"}


@pytest.mark.parametrize("page", [*PAGES, ".github/CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Links within the repository: the file is there, and it has the heading."""
    text = PAGES.get(page, CONTRIBUTING)
    links = re.findall(r"\]\((?!https?://)([^)]+)\)", text)
    for link in links:
        path, _, wanted = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if wanted:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert wanted in map(anchor, headings), link


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_a_table_of_contents_names_each_section(page: str) -> None:
    """Pages that have one: a list of links before the first section."""
    contents, _, sections = PAGES[page].partition("\n## ")
    listed = re.findall(r"^- \[(.*?)\]\(#", contents, re.MULTILINE)
    if listed:
        assert listed == re.findall(r"^## (.*)$", f"## {sections}", re.MULTILINE)


def test_the_address_of_the_repository_is_one() -> None:
    """The pages, the plugin definition and the package name the same repository."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (address,) = re.findall(r'^Source = "(.*)"$', project, re.MULTILINE)
    places = {**PAGES, "plugin": (PLUGINS / "tap-cube.yml").read_text(encoding="utf-8")}
    named = [found for text in places.values() for found in re.findall(r"git\+(\S+?)\.git", text)]
    assert len(named) >= 3
    assert set(named) == {address}


@pytest.mark.parametrize("name", ["tap-cube", "target-duckdb"])
def test_plugin_definitions(name: str) -> None:
    """What `meltano add --from-ref` reads is what meltano.yml has."""
    plugins = [plugin for kind in PROJECT["plugins"].values() for plugin in kind]
    (plugin,) = (plugin for plugin in plugins if plugin["name"] == name)
    # `meltano add` ignores these
    found = {key: value for key, value in plugin.items() if key not in {"select", "config"}}
    if name == "tap-cube":
        found["pip_url"] = "git+https://github.com/tap-cube/tap-cube.git"
    path = PLUGINS / f"{name}.yml"
    if os.environ.get("UPDATE_PLUGINS"):
        text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == found
    shown = PAGES["docs/setting-up.md"]
    assert f"docs/plugins/{name}.yml" in shown
    # The settings that `meltano add` ignores are set by commands
    for setting in plugin.get("config", {}):
        assert f"meltano config set {name} {setting} " in shown
    assert plugin.get("select", ["*.*", "!customer_details.*"]) == ["*.*", "!customer_details.*"]
