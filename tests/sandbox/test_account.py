from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from tap_cube.sandbox import Sandbox, clock
from tests.sandbox.support import TODAY


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


def test_the_default_day_is_norways_current_one() -> None:
    sandbox = Sandbox(customers=1)
    before = clock.today()
    assert before <= sandbox.today <= clock.today()
    sandbox.today = TODAY
    assert sandbox.today == TODAY


def test_there_are_two_shapes() -> None:
    with pytest.raises(ValueError, match="unknown shape 'round': use flat or prefixed"):
        Sandbox(shape="round")  # type: ignore[arg-type]
