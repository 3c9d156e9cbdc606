from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_cube.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

API = "/api/v1"
CRM = f"{API}/data_owners/2/crm/B2B"
STANDARD = [
    "id",
    "customer_id",
    "crm_type_id",
    "name",
    "gender",
    "birth_date",
    "need_to_know",
    "care_of_name",
    "zone_name",
    "address_street",
    "address_street_no",
    "address_entrance",
    "zip_code",
    "city",
    "municipality",
    "county",
    "country",
    "phone_1",
    "phone_2",
    "phone_3",
    "email",
    "company",
]
EXTRAS = ["active products", "gen info 1", "gen info 2", "gen info 3", "gen info 5", "gen date 2"]
CLI = [sys.executable, "-m", "tap_cube.sandbox"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=51) as running:
        yield running


def get(sandbox: Sandbox, path: str, **options: Any) -> requests.Response:
    options.setdefault("headers", {"Authorization": f"Token {sandbox.token}"})
    url = path if path.startswith("http") else sandbox.url + path
    return requests.request(
        options.pop("method", "GET"), url, timeout=10, allow_redirects=False, **options
    )


def pages(sandbox: Sandbox, path: str = f"{CRM}/customers/") -> list[dict[str, Any]]:
    read = [get(sandbox, path).json()]
    while read[-1]["next"]:
        read.append(get(sandbox, read[-1]["next"]).json())
    return read


def detail(answer: requests.Response) -> tuple[int, Any]:
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json()["detail"]


def content(sandbox: Sandbox) -> list[Any]:
    return [
        (crm.customers(), [crm.customer(row["id"]) for row in crm.customers()], crm.definitions)
        for crm in sandbox.crms.values()
    ]


def test_a_seed_decides_everything_and_the_page_size_nothing() -> None:
    assert content(Sandbox(customers=300)) == content(Sandbox(customers=300, page_size=7))
    assert content(Sandbox(customers=300)) != content(Sandbox(customers=300, seed=1))


def test_another_process_invents_the_same_bytes() -> None:
    script = (
        "from tap_cube.sandbox import Sandbox; crms = Sandbox(customers=300).crms.values();"
        "print([(c.rows(), [c.row(str(x['id'])) for x in c.customers()]) for c in crms])"
    )
    # The second process has another hash seed, which must not matter either.
    printed = {
        subprocess.run(  # noqa: S603 - the sandbox itself
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_sizes_of_the_crms() -> None:
    def sizes(customers: int) -> list[int]:
        return [len(crm.rows()) for crm in Sandbox(customers=customers).crms.values()]

    assert list(Sandbox(customers=0).crms) == [(2, "B2B"), (2, "B2C"), (1, "B2B"), (1, "B2C")]
    assert sizes(0) == [0, 0, 0, 0]
    assert sizes(1) == [1, 1, 1, 0]
    assert sizes(10_000) == [10_000, 250, 60, 0]


def test_list_records_have_the_documented_shape(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    crm.resize(3000)
    records = crm.customers()
    assert {tuple(record)[: len(STANDARD + EXTRAS)] for record in records} == {(*STANDARD, *EXTRAS)}
    assert any(not label.isascii() for label in records[0])
    ids = [record["id"] for record in records]
    assert ids == sorted(set(ids))
    assert ids[-1] - ids[0] > len(ids)
    assert len({record["customer_id"] for record in records}) == len(records)
    integers = {"id", "customer_id", "crm_type_id", "address_street_no"}
    for field in records[0].keys() - {"birth_date"}:
        values = {record[field] for record in records} - {None}
        assert {type(value) for value in values} == {int if field in integers else str}
    assert {None, ""} <= {record["email"] for record in records}
    assert any(record["zip_code"].startswith("0") for record in records)
    emails = {record["email"] for record in records} - {None, ""}
    assert all(re.fullmatch(r"[a-z.]+@example\.(com|net|org)", email) for email in emails)
    births = {record["birth_date"] for record in Sandbox().crms[2, "B2C"].customers()}
    assert None in births
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", birth) for birth in births - {None})


def test_the_single_record_has_more_and_lacks_the_customer_id(sandbox: Sandbox) -> None:
    listed = sandbox.crms[2, "B2B"].customers()[0]
    number = listed.pop("customer_id") and listed["id"]
    single = get(sandbox, f"{CRM}/customers/{number}").json()
    assert get(sandbox, f"{CRM}/customers/{number}/").json() == single
    assert single == sandbox.crms[2, "B2B"].customer(number)
    assert {field: single[field] for field in listed} == listed
    more = ["Oppstartsdato", "Antall år", "Pris på dagens avtale", "external_customer_id"]
    assert list(single) == [*listed, *more]
    assert type(single["external_customer_id"]) is int
    singles = [
        sandbox.crms[2, "B2B"].customer(row["id"]) for row in sandbox.crms[2, "B2B"].customers()
    ]
    assert len({row["external_customer_id"] for row in singles}) == len(singles)
    assert detail(get(sandbox, f"{CRM}/customers/1")) == (404, "Not found.")


def test_definitions_name_every_extra_field_and_one_that_no_record_has(sandbox: Sandbox) -> None:
    for (owner, crm_type), crm in sandbox.crms.items():
        listed = get(sandbox, f"{API}/data_owners/{owner}/{crm_type}/crm_custom_fields/").json()
        assert listed == crm.definitions
        for row in listed:
            assert list(row) == ["id", "key", "type", "max_length", "hint", "lookup__id"]
            assert row["lookup__id"] == f"crm__custom_info__{row['id']}"
        if crm.rows():
            record = crm.customer(crm.customers()[0]["id"])
            missing = [row["key"] for row in listed if row["key"] not in record]
            assert len(missing) == 1
            extras = record.keys() - {*STANDARD, "external_customer_id"}
            assert extras == {row["key"] for row in listed} - {*missing}


def test_campaigns(sandbox: Sandbox) -> None:
    def crms(path: str) -> set[tuple[int, str]]:
        rows = get(sandbox, f"{API}/{path}").json()
        return {(row["data_owner__id"], row["campaign__crm_type"]) for row in rows}

    everything = "campaigns?include_inactive_campaigns=True"
    assert get(sandbox, f"{API}/{everything}").json() == sandbox.campaigns
    assert crms(everything) == set(sandbox.crms)
    assert crms("campaigns") == crms("campaigns/") == set(sandbox.crms) - {(1, "B2B")}
    inactive = [c for c in sandbox.campaigns if c["campaign__is_active"] is False]
    assert all(campaign["campaign__archived_date"] for campaign in inactive)


@pytest.mark.parametrize(
    ("customers", "lengths"),
    [(0, [0]), (1, [1]), (49, [49]), (50, [50]), (51, [50, 1]), (101, [50, 50, 1])],
)
def test_pages_hold_every_customer_once(
    sandbox: Sandbox, customers: int, lengths: list[int]
) -> None:
    crm = sandbox.crms[2, "B2B"]
    crm.resize(customers)
    read = pages(sandbox)
    assert [len(page["results"]) for page in read] == lengths
    assert {page["count"] for page in read} == {customers}
    assert [row for page in read for row in page["results"]] == crm.customers()


def test_page_links(sandbox: Sandbox) -> None:
    sandbox.page_size = 20
    url = f"{sandbox.url}{CRM}/customers/"
    links = [(page["previous"], page["next"]) for page in pages(sandbox)]
    assert links == [(None, f"{url}?page=2"), (url, f"{url}?page=3"), (f"{url}?page=2", None)]
    last = get(sandbox, f"{CRM}/customers/?page=last&a=%C3%A5").json()
    assert last["previous"] == f"{url}?a=%C3%A5&page=2"
    headers = {"Authorization": f"Token {sandbox.token}", "Host": "cube.example"}
    headers["X-Forwarded-Proto"] = "https"
    elsewhere = get(sandbox, f"{CRM}/customers/", headers=headers).json()["next"]
    assert elsewhere == f"http://cube.example{CRM}/customers/?page=2"


@pytest.mark.parametrize("page", ["0", "-1", "3", "x", "1.5"])
def test_bad_pages(sandbox: Sandbox, page: str) -> None:
    assert detail(get(sandbox, f"{CRM}/customers/?page={page}")) == (404, "Invalid page.")


def test_other_refusals(sandbox: Sandbox) -> None:
    for path in ("data_owners/3/crm/B2B/customers/", "data_owners/x/crm/B2B/customers/", "x"):
        assert detail(get(sandbox, f"{API}/{path}")) == (404, "Not found.")
    bare = get(sandbox, f"{CRM}/customers?page=2")
    assert bare.status_code == 301
    assert bare.headers["Location"].endswith(f"{CRM}/customers/?page=2")
    post = get(sandbox, f"{CRM}/customers/", method="POST")
    assert detail(post) == (405, 'Method "POST" not allowed.')
    head = get(sandbox, f"{CRM}/customers/", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")


def test_credentials(sandbox: Sandbox) -> None:
    def answer(authorization: str | None) -> requests.Response:
        return get(sandbox, f"{API}/campaigns", headers={"Authorization": authorization})

    user = (sandbox.username.encode(), sandbox.password.encode())
    assert ":" in sandbox.password
    assert not sandbox.password.isascii()
    assert get(sandbox, f"{API}/campaigns", headers={}, auth=user).status_code == 200
    assert answer(f"Token {sandbox.token}").status_code == 200
    nothing = (401, "Authentication credentials were not provided.")
    assert detail(answer(None)) == detail(answer(f"Bearer {sandbox.token}")) == nothing
    assert detail(answer("Token x")) == (401, "Invalid token.")
    assert detail(answer("Basic eDp4")) == (401, "Invalid username/password.")
    assert answer(None).headers["WWW-Authenticate"]


def test_changes_take_effect_between_two_pages(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    before = crm.customers()
    sandbox.page_size = 50
    first = get(sandbox, f"{CRM}/customers/").json()
    assert first["count"] == 51
    crm.delete(before[0]["id"])
    assert get(sandbox, f"{CRM}/customers/").json()["count"] == 50
    added = crm.add(name="Ærlig & Sønn", customer_id=None)
    crm.add()
    second = get(sandbox, first["next"]).json()
    assert second["count"] == 52
    assert second["results"] == crm.customers()[50:]
    assert second["results"][0] == added
    assert added["name"] == "Ærlig & Sønn"
    assert detail(get(sandbox, f"{CRM}/customers/{before[0]['id']}")) == (404, "Not found.")
    crm.resize(2)
    assert crm.customers() == before[1:3]
    with pytest.raises(ValueError, match="already"):
        crm.add(id=before[1]["id"])
    with pytest.raises(KeyError):
        crm.update(1)


def test_values_come_out_as_they_were_set(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    number = crm.customers()[0]["id"]
    values = {"Ny": 12345678901234567890123, "Dyp": {"å": [1, None, {"b": False}]}, "name": 1.5}
    crm.update(number, **values)
    crm.update(number, Pris=Decimal("3990.10"), **{"Antall år": 7})
    listed, single = get(sandbox, f"{CRM}/customers/"), get(sandbox, f"{CRM}/customers/{number}")
    assert values.items() <= listed.json()["results"][0].items()
    assert (values | {"Antall år": 7}).items() <= single.json().items()
    for answer in (listed, single):
        assert b'"Pris":3990.10,' in answer.content
        assert '"Antall år":7'.encode() in answer.content


def test_it_stops_while_an_answer_is_waiting() -> None:
    with Sandbox(customers=1, latency=60) as sandbox, pytest.raises(requests.ReadTimeout):
        requests.get(sandbox.url, timeout=0.2)
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=5)


def execute(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the sandbox itself
        [*CLI, "exec", "--customers", "3", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_exec_gives_the_command_a_running_sandbox() -> None:
    script = (
        "import os, requests; e = os.environ; a = requests.get(e['TAP_CUBE_API_URL'] + "
        f"'{CRM}/customers/', headers={{'Authorization': 'Token ' + e['TAP_CUBE_AUTH_TOKEN']}});"
        "print(a.json()['count'], sorted(n for n in e if n.startswith('TAP_CUBE_')));"
        "raise SystemExit(7)"
    )
    names = ("ACCOUNT", "USERNAME", "PASSWORD", "BASIC_AUTH")
    conflicting = {f"TAP_CUBE_{name}": "x" for name in names}
    ended = execute(
        *("--token", "t", "--", sys.executable, "-c", script), TAP_CUBE_X="", **conflicting
    )
    assert ended.stdout == "3 ['TAP_CUBE_API_URL', 'TAP_CUBE_AUTH_TOKEN', 'TAP_CUBE_X']\n"
    assert (ended.returncode, ended.stderr) == (7, "")


def test_exec_without_a_command_to_run() -> None:
    ended = execute("--", "no-such-command")
    assert ended.returncode == 127
    assert ended.stderr == "cube-sandbox: no-such-command: No such file or directory\n"


def test_exec_ends_as_the_command_does() -> None:
    assert execute("--", "sh", "-c", "kill -9 $$").returncode == 137


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_exec_passes_signals_on(number: signal.Signals) -> None:
    script = (
        "import signal, sys; [signal.signal(n, lambda n, _: sys.exit(40 + n)) for n in (2, 15)];"
        "print('ready', flush=True); signal.pause()"
    )
    with subprocess.Popen(  # noqa: S603 - the sandbox itself
        [*CLI, "exec", "--customers", "3", "--", sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(20) == 40 + number


def test_serve_says_where_it_is_and_ends_at_sigterm() -> None:
    with subprocess.Popen(  # noqa: S603 - the sandbox itself
        [*CLI, "serve", "--port", "0", "--customers", "3"], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        ready, credentials = process.stderr.readline(), process.stderr.readline()
        assert "sandbox-token" in credentials
        found = re.search(r"http://127\.0\.0\.1:\d+", ready)
        assert found
        assert requests.get(found[0], timeout=10).status_code == 401
        process.terminate()
        assert process.wait(20) == 0


def test_only_loopback_is_served() -> None:
    ended = execute("--host", "192.0.2.1", "--", "true")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "loopback" in ended.stderr
