"""Meltano as users run it, with the tap installed from a wheel."""

from __future__ import annotations

import datetime as dt
import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.config import validation
from tap_cube.sandbox import Sandbox
from tap_cube.sandbox.faults import Fault, Faults
from tests.support import Meltano

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

LOADER = "target-jsonl"
CATALOG = ".meltano/run/tap-cube/tap.properties.json"

# A value for each setting. They could not all be given at once to the tap, but to Meltano.
VALUES: dict[str, Any] = {
    "account": "acme",
    "api_url": "http://127.0.0.1:8765",
    "auth_token": "t$k'e\"n \\ {æ}",
    "username": "kari næss",
    "password": "pass:$ord {æøå} %s #",
    "basic_auth": "a2FyaTpwYXNz==",
    "crms": [{"data_owner_id": 2, "crm_type": "B2B"}, {"data_owner_id": 1, "crm_type": "B2C"}],
    "customer_ids": [971352, "x-1"],
    "customer_id_field": "customer_id",
    "start_date": "2024-01-31",
    "lookback_days": 0,
    "sample_size": 10,
    "include_inactive_campaigns": False,
    "new_fields": "discard",
    "field_types": [{"field": "Antall år", "type": "integer"}],
    "field_names": "snake_case",
    "custom_field_names": "label",
    "emit_activate_version_messages": True,
    "concurrency": 16,
    "requests_per_second": 2.5,
    "request_timeout": 7,
    "max_tries": 3,
    "user_agent": "night/1.0 (data@example.org)",
    "stream_maps": {"customers": {"email": "sha256(config['salt'] + email)", "name": "__NULL__"}},
    "stream_map_config": {"salt": "a.b $c"},
    "faker_config": {"seed": 1, "locale": "no_NO"},
    "flattening_enabled": True,
    "flattening_max_depth": 2,
    "flattening_max_key_length": 63,
    "flattening_separator": ".",
    "batch_config": {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": "file:///tmp/batches"},
    },
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Meltano:
    meltano = Meltano(tmp_path_factory)
    plugins = meltano.project["plugins"]
    plugins["loaders"] = [loader for loader in plugins["loaders"] if loader["name"] == LOADER]
    meltano.write()
    meltano("install")
    return meltano


@pytest.fixture
def meltano(installed: Meltano) -> Iterator[Meltano]:
    """The project as it was installed, whatever a test changes in it."""
    before = deepcopy(installed.project)
    yield installed
    installed.project = before
    installed.write()
    (installed.folder / ".env").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def cube() -> Iterator[Sandbox]:
    with Sandbox(customers=200) as running:
        yield running


@pytest.fixture(scope="module")
def access(cube: Sandbox) -> dict[str, str]:
    """What is the least that has to be set."""
    return {"TAP_CUBE_API_URL": cube.url, "TAP_CUBE_AUTH_TOKEN": cube.token}


def first_days(cube: Sandbox) -> dict[str, str]:
    """The first day of call outcomes that each CRM was asked for since the last time."""
    days: dict[str, str] = {}
    for _, target in cube.requests:
        found = re.search(r"data_owners/(\d+)/crm/(\w+)/call_outcomes/.*from_date=(\d+)", target)
        if found:
            crm = f"{found[1]}/{found[2]}"
            days[crm] = min(days.get(crm, "9"), found[3])
    cube.requests.clear()
    return days


def in_zone(hours: int, days_ago: int) -> str:
    """The date some days ago, where clocks are so many hours before those of UTC."""
    zone = dt.timezone(dt.timedelta(hours=hours))
    return f"{dt.datetime.now(zone) - dt.timedelta(days=days_ago):%Y%m%d}"


def default_start() -> str:
    """Thirty days before the latest date anywhere on Earth."""
    return in_zone(14, 30)


def last_day_over() -> str:
    """The day that was the last to end everywhere on Earth, as the bookmarks have it."""
    return in_zone(-12, 1)


def columns(catalog: dict[str, Any], stream: str) -> set[str]:
    (entry,) = (entry for entry in catalog["streams"] if entry["tap_stream_id"] == stream)
    return set(entry["schema"]["properties"])


def selected(meltano: Meltano, access: dict[str, str]) -> set[str]:
    """The columns of customers that a run gets, but for the keys."""
    run = meltano("invoke", "tap-cube", **access)
    assert {m["stream"] for m in run.messages if m["type"] == "SCHEMA"} == {"customers"}
    fields = set(run.properties("customers"))
    assert set().union(*run.records("customers")) <= fields
    return fields - {"data_owner_id", "crm_type", "id"}


def test_it_says_what_it_is(meltano: Meltano) -> None:
    about = json.loads(meltano("invoke", "tap-cube", "--about", "--format=json").stdout)
    assert about["name"] == "tap-cube"
    assert set(about["settings"]["properties"]) == set(VALUES)


def test_config_sets_and_shows(meltano: Meltano, cube: Sandbox) -> None:
    """As the README says it; the secret goes into .env, and a list stays one."""
    crms = [{"data_owner_id": 2, "crm_type": "B2B"}]
    meltano("config", "set", "tap-cube", "api_url", cube.url)
    meltano("config", "set", "tap-cube", "auth_token", cube.token)
    meltano("config", "set", "tap-cube", "crms", json.dumps(crms))
    meltano.read()
    assert "auth_token" not in meltano.extractor["config"]
    assert cube.token in (meltano.folder / ".env").read_text(encoding="utf-8")
    shown = meltano("config", "print", "tap-cube")
    assert cube.token.encode() not in shown.stdout + shown.log.encode()
    given = json.loads(meltano("invoke", "--dump=config", "tap-cube").stdout)
    assert given["auth_token"] == cube.token
    assert given["crms"] == crms
    assert "is valid" in meltano("config", "test", "tap-cube").stdout.decode()


def test_the_environment_reaches_every_setting(meltano: Meltano) -> None:
    variables = {
        f"TAP_CUBE_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in VALUES.items()
    }
    run = meltano("invoke", "--dump=config", "tap-cube", **variables)
    given = json.loads(run.stdout)
    # These are text to Meltano, which fails on its own kind `decimal`
    numbers = {"requests_per_second": "2.5", "request_timeout": "7"}
    assert given == {**VALUES, **numbers}
    # And to the tap all are what they should be
    about = json.loads(meltano("invoke", "tap-cube", "--about", "--format=json").stdout)
    others = ("api_url", "username", "password", "basic_auth", "batch_config")  # exclude others
    usable = {name: value for name, value in given.items() if name not in others}
    expected = {name: value for name, value in VALUES.items() if name not in others}
    assert validation.validated(usable, about["settings"]) == expected


def test_runs_follow_each_other(meltano: Meltano, cube: Sandbox, access: dict[str, str]) -> None:
    """State from run to run, and a catalog that Meltano keeps, and that loses nothing."""
    crm = cube.crms[2, "B2B"]
    later = next(one for one in cube.campaigns if one["campaign__id"] == 312)
    cube.campaigns.remove(later)
    cube.requests.clear()
    found, log = meltano.load("tap-cube", LOADER, **access)
    assert "Running catalog discovery" in log
    assert len(found["customers"]) == 200 + 10
    assert "customer_details" not in found
    assert first_days(cube) == dict.fromkeys(("1/B2B", "1/B2C", "2/B2B"), default_start())

    # A CRM that is new, a field that is new, and a value that does not fit its column
    cube.campaigns.append(later)
    one, other = crm.customers()[0]["id"], crm.customers()[-1]["id"]
    crm.update(one, **{"Nytt felt/år 1.": "ny verdi"})
    crm.update(other, address_street_no="12 B")
    found, log = meltano.load("tap-cube", LOADER, **access)
    assert "Running catalog discovery" not in log
    catalog = meltano.folder / CATALOG
    stale = json.loads(catalog.read_text(encoding="utf-8"))
    assert not {"Nytt felt/år 1.", "Strømleverandør"} & columns(stale, "customers")
    loaded = {(row["crm_type"], row["id"]): row for row in found["customers"]}
    assert loaded["B2B", one]["Nytt felt/år 1."] == "ny verdi"
    assert loaded["B2B", other]["address_street_no"] is None
    assert loaded["B2B", other]["address_street_no__text"] == "12 B"
    consumers = [row for row in found["customers"] if row["crm_type"] == "B2C"]
    expected = cube.crms[2, "B2C"].customers()
    assert [row["Strømleverandør"] for row in consumers] == [c["Strømleverandør"] for c in expected]
    first = first_days(cube)
    assert first.pop("2/B2C") == default_start()
    assert set(first.values()) == {last_day_over()}, "from the bookmarks on"

    meltano.load("--full-refresh", "tap-cube", LOADER, **access)
    assert set(first_days(cube).values()) == {default_start()}
    meltano.load("tap-cube", LOADER, **access)
    assert first_days(cube) == {**first, "2/B2C": first["2/B2B"]}

    _, log = meltano.load("--refresh-catalog", "tap-cube", LOADER, **access)
    assert "The schema grows" not in log
    fresh = json.loads(catalog.read_text(encoding="utf-8"))
    assert {"Nytt felt/år 1.", "Strømleverandør"} < columns(fresh, "customers")


def test_what_only_a_new_catalog_brings(
    meltano: Meltano, cube: Sandbox, access: dict[str, str]
) -> None:
    """New fields where some are left out, and a stream that was closed: as the README says."""
    meltano.extractor["select"] = ["customers.*", "!customers.email", "custom_fields.*"]
    meltano.extractor["config"] = {"sample_size": 60}  # another than in other tests
    meltano.write()
    cube.faults = Faults(Fault("403", match="crm_custom_fields"))
    run = meltano("invoke", "tap-cube", **access)
    assert "custom_fields: no access (403)" in run.log
    cube.faults = None
    crm = cube.crms[2, "B2B"]
    crm.update(crm.customers()[7]["id"], **{"Enda et felt": "x"})

    run = meltano("invoke", "tap-cube", **access)
    assert "New columns are left out, as the catalog deselects some: Enda et felt" in run.log
    assert not run.records("custom_fields")
    assert "no access" not in run.log

    meltano.extractor["use_cached_catalog"] = False
    meltano.write()
    run = meltano("invoke", "tap-cube", **access)
    assert any("Enda et felt" in record for record in run.records("customers"))
    assert not any("email" in record for record in run.records("customers"))
    assert run.records("custom_fields")


def test_a_changed_setting_and_an_installation_make_a_new_catalog(
    meltano: Meltano, access: dict[str, str]
) -> None:
    meltano("invoke", "--dump=catalog", "tap-cube", **access)
    run = meltano(
        "invoke", "--dump=catalog", "tap-cube", TAP_CUBE_FIELD_NAMES="snake_case", **access
    )
    assert "bransje_naering" in columns(json.loads(run.stdout), "customers")
    catalog = meltano.folder / CATALOG
    assert catalog.exists()
    meltano("install", "tap-cube")
    assert not catalog.exists()


def test_awkward_names_are_selected(meltano: Meltano, access: dict[str, str]) -> None:
    """Slashes, spaces and letters as they are; a dot as `?`, for Meltano splits names at dots."""
    meltano("select", "--clear", "tap-cube")
    names = ("Bransje/næring", "Kontaktperson på møte", "gen info 1", "Forbruk pr? år")
    for name in names:
        meltano("select", "tap-cube", "customers", name)
    fields = {*names[:-1], "Forbruk pr. år"}
    assert selected(meltano, access) == fields
    meltano("select", "--exclude", "tap-cube", "customers", "gen info ?")
    assert selected(meltano, access) == fields - {"gen info 1"}


def test_a_dot_in_a_pattern_matches_nothing(meltano: Meltano, access: dict[str, str]) -> None:
    """What the README warns of: nothing is left out by such a name."""
    meltano.extractor["select"] = ["customers.*", "!customers.Forbruk pr. år", "!customers.gen*"]
    meltano.write()
    fields = selected(meltano, access)
    assert "Forbruk pr. år" in fields
    assert "gen info 1" not in fields


def test_snake_case_is_the_easy_way(meltano: Meltano, access: dict[str, str]) -> None:
    meltano("config", "set", "tap-cube", "field_names", "snake_case")
    meltano("select", "--clear", "tap-cube")
    meltano("select", "tap-cube", "customers", "forbruk_pr_ar")
    meltano("select", "tap-cube", "customers", "bransje_naering")
    assert selected(meltano, access) == {"forbruk_pr_ar", "bransje_naering"}


def test_two_accounts_are_two_extractors(meltano: Meltano, cube: Sandbox) -> None:
    """One inherits from the other, each with a state of its own, into one loader."""
    for name in ("acme", "umbrella"):
        meltano.project["plugins"]["extractors"].append(
            {"name": f"tap-cube--{name}", "inherit_from": "tap-cube"}
        )
    meltano.write()
    with Sandbox(customers=40, seed=1, token="another") as umbrella:  # noqa: S106  # invented
        both = {
            "TAP_CUBE__ACME_API_URL": cube.url,
            "TAP_CUBE__ACME_AUTH_TOKEN": cube.token,
            "TAP_CUBE__UMBRELLA_API_URL": umbrella.url,
            "TAP_CUBE__UMBRELLA_AUTH_TOKEN": umbrella.token,
        }
        cube.requests.clear()
        found, _ = meltano.load("tap-cube--acme", LOADER, **both)
        assert len(found["customers"]) == 200 + 10 + 10
        found, _ = meltano.load("tap-cube--umbrella", LOADER, **both)
        assert len(found["customers"]) == 40 + 2 + 2
        assert set(first_days(cube).values()) == set(first_days(umbrella).values())
        found, _ = meltano.load("tap-cube--acme", LOADER, "tap-cube--umbrella", LOADER, **both)
        assert len(found["customers"]) == 220 + 44
        assert set(first_days(cube).values()) == {last_day_over()}
        assert set(first_days(umbrella).values()) == {last_day_over()}
