from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import pytest
import requests

from tap_cube.sandbox import Sandbox, clock

if TYPE_CHECKING:
    from collections.abc import Iterator

TODAY = date(2024, 5, 20)
API = "/api/v1/data_owners/2"
OUTCOMES = f"{API}/crm/B2B/call_outcomes/"
REGISTRATIONS = f"{API}/crm/B2B/product_registrations/"
STATUSES = f"{API}/crm/B2B/callflow_customers/"
FLAT = f"{API}/crm/B2B/customers/"
PREFIXED = f"{API}/B2B/customers/"
LISTED = [
    "crm__customer_id",
    *(f"crm__standard_info__{f}" for f in ("name", "phone_1", "phone_2", "phone_3", "email")),
    *(f"crm__custom_info__{number}" for number in range(64, 72)),
]
CHANGED = [f"crm__change_log__{field}" for field in ("updated", "updated_by", "update_method")]
COMMENT = "call_outcome__comment"
REPORT = "call_outcome__report_as__"
OUTCOME = [
    COMMENT,
    f"{REPORT}submitted_by",
    f"{REPORT}submitted_in_team",
    "call_outcome__type",
    "call_outcome__subtype",
    f"{REPORT}submitted_when",
    f"{REPORT}submitted_when_timestamp",
]
WHERE = ["campaign__name", "campaign__crm_type", "data_owner__name", "segment__name"]


@pytest.fixture(params=["flat", "prefixed"])
def shape(request: pytest.FixtureRequest) -> Literal["flat", "prefixed"]:
    return "flat" if request.param == "flat" else "prefixed"


@pytest.fixture
def sandbox(shape: Literal["flat", "prefixed"]) -> Iterator[Sandbox]:
    with Sandbox(customers=120, today=TODAY, shape=shape) as running:
        yield running


def get(sandbox: Sandbox, path: str) -> requests.Response:
    headers = {"Authorization": f"Token {sandbox.token}"}
    url = path if path.startswith("http") else sandbox.url + path
    return requests.get(url, headers=headers, timeout=10, allow_redirects=False)


def pages(sandbox: Sandbox, path: str) -> list[dict[str, Any]]:
    read = [get(sandbox, path).json(parse_float=Decimal)]
    while read[-1]["next"]:
        read.append(get(sandbox, read[-1]["next"]).json(parse_float=Decimal))
    return read


def records(sandbox: Sandbox, path: str) -> list[dict[str, Any]]:
    return [record for page in pages(sandbox, path) for record in page["results"]]


def when(record: dict[str, Any]) -> date:
    return datetime.fromisoformat(record[f"{REPORT}submitted_when"]).date()


def missing(sandbox: Sandbox, path: str) -> bool:
    answer = get(sandbox, path)
    return answer.status_code == 404 and answer.json() == {"detail": "Not found."}


def test_records_of_events_have_all_documented_fields(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    extra = [f"call_outcome__extra__{x}" for x in ("Ønsket møtedag", "Nåværende leverandør")]
    outcome = [*LISTED, *CHANGED, *OUTCOME, *extra, *WHERE]
    product = [f"product__{field}" for field in ("code", "title", "price")]
    labels = [f"product__extra__{x}" for x in ("Bindingstid (måneder)", "Montørbesøk")]
    change = ("user", "when", "cause", "alternative", "comment")
    status = [
        *(*LISTED, *CHANGED),
        "callflow__attempts_status__attempts",
        "callflow__callstate__name",
        *(f"callflow__last_change__{field}" for field in change),
        *WHERE,
        *(f"product__{code}" for code in ("FIBER500", "FIBER1000", "STRØM-SPOT")),
    ]
    assert {tuple(record) for record in crm.call_outcomes()} == {tuple(outcome)}
    registrations = crm.product_registrations()
    assert {tuple(record) for record in registrations} == {(*outcome, *product, *labels)}
    assert {tuple(record) for record in crm.statuses()} == {tuple(status)}
    attempts = {record["callflow__attempts_status__attempts"] for record in crm.statuses()}
    assert attempts == {"", 0, 1, 2, 3, 5}
    campaigns = {"Vårkampanje bredbånd", "Høstkampanje"}
    for found in (crm.call_outcomes(), registrations, crm.statuses()):
        assert {record["campaign__name"] for record in found} == campaigns


def test_events_are_of_the_customers(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    names = [row.get("name", row.get(LISTED[1])) for row in crm.customers()]
    assert [row[LISTED[1]] for row in crm.statuses()] == names
    assert {row[LISTED[1]] for row in crm.call_outcomes()} <= {*names}
    assert all(row["crm__customer_id"] != "" for row in crm.call_outcomes())
    anonymised = [row for row in crm.product_registrations() if row["crm__customer_id"] == ""]
    assert 0 < len(anonymised) < len(crm.product_registrations())
    for row in anonymised:
        assert {row[field] for field in (*LISTED, *CHANGED)} == {""}
        assert row["campaign__name"]


def test_amounts() -> None:
    def amounts(**options: Any) -> list[tuple[int, int, int]]:
        crms = Sandbox(today=TODAY, **options).crms.values()
        return [
            (len(c.call_outcomes()), len(c.product_registrations()), len(c.statuses()))
            for c in crms
        ]

    assert amounts(customers=0, outcomes=9) == [(0, 0, 0)] * 4
    assert amounts(customers=1) == [(1, 0, 1), (1, 0, 1), (1, 0, 1), (0, 0, 0)]
    assert amounts() == [(600, 120, 1000), (30, 6, 250), (8, 1, 60), (0, 0, 0)]
    assert amounts(outcomes=0)[0] == (0, 0, 1000)
    assert amounts(customers=3, outcomes=1000)[0] == (1000, 200, 3)


def test_a_seed_and_the_day_decide_the_events() -> None:
    def content(**options: Any) -> list[Any]:
        crms = Sandbox(customers=100, **options).crms.values()
        return [(c.call_outcomes(), c.product_registrations(), c.statuses()) for c in crms]

    assert content(today=TODAY) == content(today=TODAY)
    assert content(today=TODAY) != content(today=TODAY, seed=1)
    assert content(today=TODAY) != content(today=TODAY + timedelta(1))


def test_events_fill_the_days_up_to_today(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    days = [when(record) for record in crm.call_outcomes()]
    assert days == sorted(days)
    assert (days[0], days[-1]) == (TODAY - timedelta(59), TODAY)
    assert when(crm.product_registrations()[-1]) == TODAY


@pytest.mark.parametrize("path", [OUTCOMES, REGISTRATIONS])
def test_dates_are_inclusive_and_default_to_today(sandbox: Sandbox, path: str) -> None:
    crm = sandbox.crms[2, "B2B"]
    read = crm.call_outcomes if path == OUTCOMES else crm.product_registrations
    add = crm.add_outcome if path == OUTCOMES else crm.add_registration
    for day in (1, 2, 3, 4):
        add(datetime(2024, 5, day, 0, 0))  # noqa: DTZ001 - Norway's
    first, last = date(2024, 5, 2), date(2024, 5, 3)
    found = records(sandbox, f"{path}?from_date=20240502&to_date=20240503")
    assert {when(record) for record in found} == {first, last}
    assert found == read(first, last) == [row for row in read() if first <= when(row) <= last]
    assert records(sandbox, path) == read(TODAY, TODAY) != []
    assert records(sandbox, f"{path}?from_date=20240502") == read(first, TODAY)
    assert records(sandbox, f"{path}?to_date=20240530") == read(TODAY, date(2024, 5, 30))
    assert records(sandbox, f"{path}?to_date=20240502") == []
    sandbox.today = first
    assert records(sandbox, path) == read(first, first) != []


def test_the_day_is_norways_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(customers=1)
    monkeypatch.setattr(clock, "today", lambda: TODAY)
    assert sandbox.today == TODAY
    monkeypatch.undo()
    before = clock.today()
    assert before <= sandbox.today <= clock.today()
    monkeypatch.setattr(clock, "OSLO", None)
    assert abs(clock.today() - before) <= timedelta(1)
    assert clock.local(datetime(2024, 5, 1, 9, 0)).tzinfo  # noqa: DTZ001 - the local time


def test_links_of_dated_lists_keep_the_dates(sandbox: Sandbox) -> None:
    sandbox.page_size = 50
    query = "from_date=20240101&to_date=20240520"
    url = f"{sandbox.url}{OUTCOMES}?{query}"
    read = pages(sandbox, f"{OUTCOMES}?{query}")
    links = [(page["count"], page["previous"], page["next"]) for page in read]
    assert links == [
        (120, None, f"{url}&page=2"),
        (120, url, f"{url}&page=3"),
        (120, f"{url}&page=2", None),
    ]
    assert [row for page in read for row in page["results"]] == (
        sandbox.crms[2, "B2B"].call_outcomes()
    )
    assert [page["next"] for page in pages(sandbox, STATUSES)] == [
        f"{sandbox.url}{STATUSES}?page=2",
        f"{sandbox.url}{STATUSES}?page=3",
        None,
    ]
    assert records(sandbox, STATUSES) == sandbox.crms[2, "B2B"].statuses()


def test_malformed_dates(sandbox: Sandbox) -> None:
    for value in ("", "2024-05-01", "20240532", "2024051", "202405011", "x", "٢٠٢٤٠٥٠١"):
        for name in ("from_date", "to_date"):
            answer = get(sandbox, f"{OUTCOMES}?{name}={value}")
            assert answer.status_code == 400
            assert answer.json() == {"detail": f"{name} must be a date such as 20240501."}


def test_no_events_of_unknown_crms(sandbox: Sandbox) -> None:
    for name in ("call_outcomes", "product_registrations", "callflow_customers"):
        assert missing(sandbox, f"{API}/crm/B2X/{name}/")
        assert missing(sandbox, f"{API}/B2B/{name}/")
        assert get(sandbox, f"{API}/crm/B2B/{name}").status_code == 301
        assert get(sandbox, f"/api/v1/data_owners/1/crm/B2C/{name}/").json()["count"] == 0


def test_some_events_look_alike_and_some_but_for_the_comment() -> None:
    crm = Sandbox(customers=60, today=TODAY).crms[2, "B2B"]
    for found in (crm.call_outcomes(), crm.product_registrations()):
        whole = Counter(tuple(record.items()) for record in found)
        assert max(whole.values()) == 2
        rest = Counter(tuple(item for item in record if item[0] != COMMENT) for record in whole)
        assert max(rest.values()) == 2


def test_every_digit_of_a_price_is_kept(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    long = Decimal("1234567890.123456789")
    prices = {row["product__price"] for row in crm.product_registrations()}
    assert long in prices
    assert all(round(price, 2) == price for price in prices - {long})
    assert {type(price) for price in prices} == {int, Decimal}
    assert b'"product__price":1234567890.123456789,' in get(sandbox, REGISTRATIONS).content
    added = crm.add_registration(datetime(2024, 5, 20, 9, 0), product__price=Decimal("0.10"))  # noqa: DTZ001 - Norway's
    assert str(added["product__price"]) == "0.10"
    assert b'"product__price":0.10,' in get(sandbox, REGISTRATIONS).content


def test_times_are_norways() -> None:
    crm = Sandbox(customers=1, today=TODAY).crms[2, "B2B"]
    summer = crm.add_outcome(datetime(2024, 5, 1, 23, 30, tzinfo=timezone.utc))
    assert summer[f"{REPORT}submitted_when"] == "2024-05-02 01:30"
    assert summer[f"{REPORT}submitted_when_timestamp"] == "2024-05-02T01:30:00.000+0200"
    assert crm.call_outcomes(date(2024, 5, 2), date(2024, 5, 2)) == [summer]
    winter = crm.add_outcome(datetime(2020, 2, 12, 10, 27, 6, 477_000))  # noqa: DTZ001 - Norway's
    assert winter[f"{REPORT}submitted_when"] == "2020-02-12 10:27"
    assert winter[f"{REPORT}submitted_when_timestamp"] == "2020-02-12T10:27:06.477+0100"


def test_events_can_be_added_and_cleared(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    crm.clear_events()
    assert crm.call_outcomes() == crm.product_registrations() == crm.statuses() == []
    early, late = datetime(2024, 5, 1, 9, 0), datetime(2024, 5, 1, 20, 0)  # noqa: DTZ001 - Norway's
    added = [
        crm.add_outcome(late, call_outcome__comment="først", Ny={"å": [1]}),
        crm.add_outcome(early, crm__customer_id=""),
    ]
    before = crm.add_outcome(early - timedelta(1))
    assert (added[0][COMMENT], added[0]["Ny"]) == ("først", {"å": [1]})
    assert crm.call_outcomes() == [before, *added]
    assert records(sandbox, f"{OUTCOMES}?from_date=20240501") == added
    registration = crm.add_registration(late, product__code="X")
    assert crm.product_registrations(date(2024, 5, 1)) == [registration]
    statuses = [crm.add_status(callflow__callstate__name=name) for name in "ab"]
    assert records(sandbox, STATUSES) == crm.statuses() == statuses
    crm.resize(0)
    assert {crm.add_outcome(late)[field] for field in (*LISTED, *CHANGED)} == {""}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tap_cube.sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


def test_the_command_line() -> None:
    script = f"""
import os, requests
headers = {{'Authorization': 'Token ' + os.environ['TAP_CUBE_AUTH_TOKEN']}}
for path in ('{PREFIXED}', '{OUTCOMES}?from_date=20000101', '{FLAT}'):
    answer = requests.get(os.environ['TAP_CUBE_API_URL'] + path, headers=headers)
    print(answer.json().get('count'))
"""
    options = ("--customers", "3", "--shape", "prefixed", "--outcomes", "70")
    ended = run("exec", *options, "--", sys.executable, "-c", script)
    assert (ended.stdout, ended.stderr) == ("3\n70\nNone\n", "")
    text = run("serve", "--help").stdout
    assert "--shape [flat|prefixed]" in text
    assert "--outcomes INTEGER" in text
