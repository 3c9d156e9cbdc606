"""What is remembered is small, and whatever is read back does no harm."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from tap_cube.schema.documented import CRM_COLUMNS, PREFIXED_CUSTOMER
from tap_cube.schema.names import Definition, Naming
from tap_cube.schema.registry import Registry

LABELS = ("Pris på dagens avtale", "Oppstartsdato", "gen info", "Bransje/næring", "Kontaktperson")
FLAT, FLAT_SNAKE = Naming(prefixed=False), Naming(prefixed=False, snake_case=True)
ID, LABEL = Naming(), Naming(labels=True)


def registry(naming: Naming) -> Registry:
    return Registry(CRM_COLUMNS, PREFIXED_CUSTOMER, naming=naming)


def definitions(start: int = 500) -> list[Definition]:
    return [
        Definition(f"{n}", f"{LABELS[n % 5]} {n % 500 // 5 + 1}", f"crm__custom_info__{n}")
        for n in range(start, start + 100)
    ]


def size(of: Registry) -> int:
    of.freeze()
    return len(json.dumps(of.remember(), ensure_ascii=False, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    ("naming", "first", "more"),
    [(FLAT, 2500, 70), (FLAT_SNAKE, 4500, 70), (ID, 600, 0), (LABEL, 2500, 70)],
)
def test_it_is_small(naming: Naming, first: int, more: int) -> None:
    """100 fields of one CRM, and a second CRM with the same fields."""
    tried = registry(naming)
    tried.columns_of((2, "B2B"), definitions())
    before = size(tried)
    assert before < first
    tried.columns_of((2, "B2C"), definitions() if naming is ID else definitions(1500))
    assert size(tried) - before <= more


def rich() -> dict[str, Any]:
    """Something of everything that can be remembered."""
    tried = registry(FLAT)
    labels = ("Pris", "pris", "data_owner_id", "a\0b", "gen info 1", "gen info 2", "Pris", "x")
    fields = [Definition(f"{n}", label, "") for n, label in enumerate(labels, 500)]
    columns = tried.columns_of((2, "B2B"), [*fields, Definition("x", "y", "")])
    tried.columns_of((3, "B2B"), None)["Pris"]
    for name, kind in (("bare", "integer"), ("other", "date"), ("crm_type", "number")):
        tried.join(columns[name], kind)
    tried.freeze()
    tried.text_column("bare")
    tried.text_column("crm__customer_id")
    tried.freeze()
    remembered: dict[str, Any] = json.loads(json.dumps(tried.remember()))
    return remembered


def test_it_is_the_same_after_it_was_read_back() -> None:
    remembered = rich()
    for _ in range(2):
        tried = registry(FLAT)
        tried.restore(remembered)
        assert tried.new_columns == [*CRM_COLUMNS, *PREFIXED_CUSTOMER][:2] + [
            name for name in PREFIXED_CUSTOMER if name != "crm__customer_id"
        ]
        assert tried.remember() == remembered


def parts(value: Any) -> list[tuple[Any, Any]]:
    """Each place in a JSON value: a container, and a key or an index."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    here = [(value, key) for key, _ in pairs]
    inner = value.values() if isinstance(value, dict) else value
    return here + [
        place for item in inner if isinstance(item, (dict, list)) for place in parts(item)
    ]


@pytest.mark.parametrize(
    "junk",
    [None, 5, -1, 10**30, True, 1.5, "", "Pris", "a\0", [], [[]], ["a", None], {}, {"name": 5}],
    ids=str,
)
def test_malformed_entries_are_ignored_one_by_one(junk: Any) -> None:
    remembered = rich()
    for number in range(len(parts(remembered))):
        broken = copy.deepcopy(remembered)
        container, key = parts(broken)[number]
        container[key] = junk
        tried = registry(FLAT)
        tried.restore(broken)
        columns = tried.columns_of((2, "B2B"), [Definition("500", "Pris", "")])
        assert len({columns[name] for name in ("Pris", "pris", "bare", "crm_type", "")}) == 5
        tried.freeze()
        again = registry(FLAT)
        again.restore(json.loads(json.dumps(tried.remember())))
        assert again.remember() == tried.remember()
    for nothing in (
        junk,
        {"columns": junk},
        {"crms": junk},
        {"columns": ["a"], "crms": {"x": junk}},
    ):
        registry(FLAT).restore(nothing)


def test_one_malformed_entry_costs_no_other() -> None:
    remembered = rich()
    whole = registry(FLAT)
    whole.restore(remembered)
    expected = dict(whole.columns_of((2, "B2B"), [Definition("507", "x", "")]))
    for position in range(3):
        broken = copy.deepcopy(remembered)
        broken["columns"][position] = 5
        tried = registry(FLAT)
        tried.restore(broken)
        assert tried.columns_of((2, "B2B"), [Definition("507", "renamed", "")]) == {
            "renamed": expected["x"]
        }


def test_long_runs_of_nothing_take_no_time() -> None:
    endless = {"ids": [[0, 0, 10**18]], "names": [[0, 10**18]]}
    registry(FLAT).restore(
        {"columns": ["a"], "crms": {"2/B2B": {"columns": {"flat": endless}, "open": [[0, 10**18]]}}}
    )


def test_random_junk() -> None:
    dice = random.Random(7)  # noqa: S311  # reproducible

    def junk(depth: int) -> Any:
        if depth == 0 or dice.random() < 0.3:
            return dice.choice([None, True, -1, 0, 1, 2, 10**20, "", "a", "flat", "2/B2B", "name"])
        names = ("columns", "crms", "flat", "2/B2B", "ids", "names", "open", "name", "kind", "text")
        if dice.random() < 0.5:
            return [junk(depth - 1) for _ in range(dice.randint(0, 4))]
        return {dice.choice(names): junk(depth - 1) for _ in range(dice.randint(0, 4))}

    for _ in range(3000):
        tried = registry(FLAT)
        tried.restore({"columns": junk(3), "crms": {"2/B2B": {"columns": {"flat": junk(3)}}}})
        tried.restore(junk(6))
        tried.freeze()
        assert len({*tried.properties()}) >= len(CRM_COLUMNS) + len(PREFIXED_CUSTOMER)


def test_a_name_that_another_one_continues() -> None:
    tried = registry(FLAT)
    columns = tried.columns_of((2, "B2B"), [])
    found = [columns[name] for name in ("a\0", "a\ufffd1", "a\ufffd2")]
    tried.freeze()
    again = registry(FLAT)
    again.restore(tried.remember())
    assert again.remember() == tried.remember()
    columns = again.columns_of((2, "B2B"), [])
    assert [columns[name] for name in ("a\ufffd2", "a\ufffd1", "a\0")] == found[::-1]
