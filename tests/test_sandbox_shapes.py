from __future__ import annotations

import ast
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
import requests

import tap_cube.sandbox
from tap_cube.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

TODAY = date(2024, 5, 20)
API = "/api/v1/data_owners/2"
FLAT = f"{API}/crm/B2B/customers/"
PREFIXED = f"{API}/B2B/customers/"
LISTED = [
    "crm__customer_id",
    *(f"crm__standard_info__{f}" for f in ("name", "phone_1", "phone_2", "phone_3", "email")),
    *(f"crm__custom_info__{number}" for number in range(64, 72)),
]


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
    read = [get(sandbox, path).json()]
    while read[-1]["next"]:
        read.append(get(sandbox, read[-1]["next"]).json())
    return read


def records(sandbox: Sandbox, path: str) -> list[dict[str, Any]]:
    return [record for page in pages(sandbox, path) for record in page["results"]]


def missing(sandbox: Sandbox, path: str) -> bool:
    answer = get(sandbox, path)
    return answer.status_code == 404 and answer.json() == {"detail": "Not found."}


def test_each_shape_has_its_own_paths(sandbox: Sandbox) -> None:
    crm = sandbox.crms[2, "B2B"]
    mine, other = (FLAT, PREFIXED) if sandbox.shape == "flat" else (PREFIXED, FLAT)
    assert records(sandbox, mine) == crm.customers()
    number = crm.customers()[7][crm.key_field]
    for path in (f"{mine}{number}", f"{mine}{number}/"):
        assert get(sandbox, path).json() == crm.customer(number)
    assert get(sandbox, mine[:-1]).headers["Location"] == sandbox.url + mine
    assert all(missing(sandbox, path) for path in (other, f"{other}{number}", f"{mine}x"))


def test_prefixed_records() -> None:
    crm = Sandbox(customers=3000, shape="prefixed").crms[2, "B2B"]
    customers = crm.customers()
    assert {tuple(record) for record in customers} == {tuple(LISTED)}
    assert len({record["crm__customer_id"] for record in customers}) == 3000
    for field in LISTED:
        kinds = {type(record[field]) for record in customers}
        assert kinds == ({int, str} if field == "crm__custom_info__64" else {str})
    assert {record["crm__custom_info__64"] for record in customers} == {"", 1, 2, 3}
    number = customers[0]["crm__customer_id"]
    single = crm.customer(number)
    assert list(single) == [*LISTED, *(f"crm__custom_info__{n}" for n in (72, 73, 74))]
    assert single.items() >= customers[0].items()


def test_both_shapes_show_the_same_customers_and_events() -> None:
    flat, prefixed = (Sandbox(customers=200, shape=s, today=TODAY) for s in ("flat", "prefixed"))
    for key, crm in flat.crms.items():
        other = prefixed.crms[key]
        shown = [(str(row["customer_id"]), row["name"]) for row in crm.customers()]
        assert shown == [
            (row["crm__customer_id"], row["crm__standard_info__name"]) for row in other.customers()
        ]
        assert crm.call_outcomes() == other.call_outcomes()
        assert crm.product_registrations() == other.product_registrations()
        assert crm.statuses() == other.statuses()


@pytest.fixture
def prefixed() -> Iterator[Sandbox]:
    with Sandbox(customers=60, shape="prefixed") as running:
        yield running


def test_prefixed_customers_can_be_changed(prefixed: Sandbox) -> None:
    crm = prefixed.crms[2, "B2B"]
    first, second = (row["crm__customer_id"] for row in crm.customers()[:2])
    crm.delete(first)
    crm.update(second, crm__custom_info__64=7, crm__custom_info__72="x")
    added = crm.add(crm__customer_id="007")
    with pytest.raises(ValueError, match="customer 007 already"):
        crm.add(crm__customer_id="007")
    assert missing(prefixed, f"{PREFIXED}{first}")
    assert get(prefixed, f"{PREFIXED}{second}").json()["crm__custom_info__72"] == "x"
    assert crm.customer("007").items() >= added.items()
    listed = records(prefixed, PREFIXED)
    assert (listed[0]["crm__custom_info__64"], listed[-1]) == (7, added)
    crm.resize(2)
    assert len(crm.rows()) == 2


def test_a_restless_prefixed_crm() -> None:
    with Sandbox(customers=40, restless=1.0, shape="prefixed") as sandbox:
        before = sandbox.crms[2, "B2B"].customers()
        for _ in range(60):
            assert get(sandbox, PREFIXED).status_code == 200
        after = sandbox.crms[2, "B2B"].customers()
    numbers, kept = ({row["crm__customer_id"] for row in rows} for rows in (before, after))
    assert kept - numbers
    assert numbers - kept
    assert any("Ringte" in str(row["crm__custom_info__65"]) for row in after)
    new = {field for row in after for field in row} - {*LISTED}
    assert new
    assert all(field.startswith("crm__custom_info__90") for field in new)


def test_there_are_two_shapes() -> None:
    with pytest.raises(ValueError, match="no shape 'round'; there are flat and prefixed"):
        Sandbox(shape="round")  # type: ignore[arg-type]


def test_the_sandbox_needs_nothing_of_the_tap() -> None:
    folder = Path(tap_cube.sandbox.__file__).parent
    imported = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + f"{node.module}"
                imported |= {f"{module}.{name.name}" for name in node.names}
    assert not {name for name in imported if name.startswith(".")}
    of_the_project = {name for name in imported if name.split(".")[0] == "tap_cube"}
    assert of_the_project
    assert all(name.startswith("tap_cube.sandbox.") for name in of_the_project)
