"""A field keeps its column, night after night, whatever admins do."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from tests.nights.cube import Cube
from tests.nights.fields import NIGHTS, Account
from tests.nights.nights import Mode, Nights

if TYPE_CHECKING:
    from tests.support import Tap

NOW = dt.datetime(2024, 5, 20, 8, tzinfo=dt.timezone.utc)
STREAMS = ("customers", "call_outcomes")

SOURCE: dict[str, Any] = {}
SNAKE_CASE = {"field_names": "snake_case"}
LABELS = {"custom_field_names": "label"}
FLAT, PREFIXED = True, False

#: Enough that each mode, each shape and each setting is there; `-m e2e` has all combinations.
USUAL = [
    ("found", FLAT, SOURCE),
    ("kept", FLAT, SNAKE_CASE),
    ("found", PREFIXED, {**LABELS, **SNAKE_CASE}),
    ("remade", PREFIXED, LABELS),
    ("picked", FLAT, SOURCE),
]
ALL: list[tuple[Mode, bool, dict[str, Any]]] = [
    (mode, shape, {**names, **labels})
    for mode in ("kept", "found", "remade", "picked")
    for shape in (FLAT, PREFIXED)
    for names in (SOURCE, SNAKE_CASE)
    for labels in (SOURCE, LABELS)
]


def title(case: tuple[Mode, bool, dict[str, Any]]) -> str:
    mode, shape, settings = case
    return " ".join((mode, "flat" if shape else "prefixed", *settings.values()))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=title(case), marks=[] if case in USUAL else pytest.mark.e2e)
        for case in ALL
    ],
)
def test_no_column_ever_holds_the_values_of_another_field(
    tap: Tap, case: tuple[Mode, bool, dict[str, Any]]
) -> None:
    mode, is_flat, settings = case
    account = Account(is_flat=is_flat, labels="custom_field_names" in settings)
    with Cube() as cube:
        nights = Nights(tap, mode, *STREAMS)
        for _ in range(NIGHTS):
            cube.crms = account.tonight()
            run = nights.night(cube.settings(lookback_days=30, **settings), NOW)
            for stream in STREAMS:
                account.check(run, stream)
                if account.is_failing(stream):
                    assert run.status == 1
                    assert f"{stream}: the definitions of its fields" in run.log
