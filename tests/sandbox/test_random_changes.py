from __future__ import annotations

from typing import Any

from tap_cube.sandbox import Sandbox
from tests.sandbox.support import PREFIXED_CUSTOMERS, PREFIXED_FIELDS, get


def test_a_restless_crm_changes_while_it_is_read() -> None:
    def histories(**options: Any) -> list[list[dict[str, Any]]]:
        with Sandbox(customers=40, page_size=5, **options) as sandbox:
            read = [get(sandbox).json()["results"] for _ in range(60)]
            return [*read, sandbox.crms[2, "B2B"].customers(), sandbox.crms[1, "B2B"].customers()]

    still, restless = histories(), histories(restless=1.0)
    assert restless == histories(restless=1.0)
    assert restless != histories(restless=1.0, seed=1)
    before, after = ({row["id"]: row for row in history[-2]} for history in (still, restless))
    assert after.keys() - before.keys()
    assert before.keys() - after.keys()
    kept = [(before[number], after[number]) for number in before.keys() & after.keys()]
    assert any(old["need_to_know"] != new["need_to_know"] for old, new in kept)
    assert any(new.keys() - old.keys() for old, new in kept)
    assert restless[-1] == still[-1]


def test_a_restless_crm_can_lose_its_last_customer() -> None:
    with Sandbox(customers=1, restless=1.0) as sandbox:
        assert {get(sandbox).json()["count"] for _ in range(40)} > {0, 1}


def test_a_restless_prefixed_crm() -> None:
    with Sandbox(customers=40, restless=1.0, shape="prefixed") as sandbox:
        before = sandbox.crms[2, "B2B"].customers()
        for _ in range(60):
            assert get(sandbox, PREFIXED_CUSTOMERS).status_code == 200
        after = sandbox.crms[2, "B2B"].customers()
    numbers, kept = ({row["crm__customer_id"] for row in rows} for rows in (before, after))
    assert kept - numbers
    assert numbers - kept
    assert any("Ringte" in str(row["crm__custom_info__65"]) for row in after)
    new = {field for row in after for field in row} - {*PREFIXED_FIELDS}
    assert new
    assert all(field.startswith("crm__custom_info__90") for field in new)
