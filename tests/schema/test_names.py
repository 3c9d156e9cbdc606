"""Proposals for names of columns."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

import pytest

from tap_cube.schema.names import Definition, Naming, digest_of, fold, key_of, snake_case
from tests.schema.world import NAMES

SOURCE, SNAKE = Naming(), Naming(snake_case=True)

SNAKE_CASE = {
    "id": "id",
    "crm__custom_info__64": "crm__custom_info__64",
    "Pris på dagens avtale": "pris_pa_dagens_avtale",
    "Bransje/næring": "bransje_naering",
    "a  -  b": "a_b",
    "2. telefon": "_2_telefon",
    "": "field",
    "!!!": "field",
    "😀": "grinning",
    "Цена": "tsena",
    "__class__": "__class__",
    "a" * 70: "a" * 62,
}


@pytest.mark.parametrize(("text", "name"), SNAKE_CASE.items())
def test_snake_case(text: str, name: str) -> None:
    assert snake_case(text) == name


@pytest.mark.parametrize("naming", [SOURCE, SNAKE])
@pytest.mark.parametrize("text", NAMES)
def test_candidates(naming: Naming, text: str) -> None:
    own = {fold("crm_type"), fold("data_owner_id")}
    names = [*islice(naming.candidates(text, "777", own), 5)]
    assert len({fold(name) for name in names}) == 5
    texts = [*islice(naming.text_names(names[0]), 3)]
    assert len({fold(name) for name in [names[0], *texts]}) == 4
    for name in (*names, *texts):
        assert fold(name) not in own
        assert "\0" not in name
        assert not fold(name).startswith("_sdc_")
        if naming is SNAKE:
            assert re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name)
    assert all(text.endswith("__text") for text in texts)


PREFERRED: dict[str, tuple[Naming, str, list[str]]] = {
    "source": (SOURCE, "Pris", ["Pris", "Pris (777)"]),
    "snake case": (SNAKE, "Pris på", ["pris_pa", "pris_pa_777"]),
    "own": (SOURCE, "crm_type", ["crm_type_in_cube", "crm_type (777)"]),
    "own, in capitals": (SNAKE, "CRM_TYPE", ["crm_type_in_cube", "crm_type_777"]),
    "of a target": (SOURCE, "_sdc_deleted_at", ["sdc_deleted_at", "sdc_deleted_at (777)"]),
    "NUL": (SOURCE, "a\0b", ["a\ufffdb", "a\ufffdb (777)"]),
    "half a character": (SOURCE, "a\ud800", ["a\ufffd", "a\ufffd (777)"]),
    "empty": (SOURCE, "", ["", " (777)"]),
    "long": (SNAKE, "x" * 300, ["x" * 62, "x" * 58 + "_777"]),
}


@pytest.mark.parametrize(("naming", "text", "names"), PREFERRED.values(), ids=PREFERRED)
def test_preferred_names(naming: Naming, text: str, names: list[str]) -> None:
    candidates = [*islice(naming.candidates(text, "777", {"crm_type"}), 4)]
    assert candidates[:2] == names
    assert digest_of(text) in candidates[2]
    assert digest_of(text) + "_2" in candidates[3]


@pytest.mark.parametrize("id_", ["5+9", "x" * 300, 'a"b\0c', "", "É", "😀" * 20])
def test_ids_of_any_form_are_suffixes(id_: str) -> None:
    name = [*islice(SNAKE.candidates("Pris", id_, ()), 2)][1]
    assert re.fullmatch(r"pris_[a-z0-9_]{1,30}", name)


@pytest.mark.parametrize(
    ("one", "other", "is_alike"),
    [
        ("Pris", "pRIS", True),
        ("Antall år", "ANTALL A\u030aR", True),
        ("straße", "STRASSE", True),
        ("\u0131", "I", True),  # upper case of a dotless i
        ("\u212a", "k", True),  # the sign for kelvin
        ("Pris", "Pris ", False),
        ("år", "ar", False),
    ],
)
def test_names_that_databases_do_not_tell_apart(one: str, other: str, *, is_alike: bool) -> None:
    assert (fold(one) == fold(other)) is is_alike
    assert fold(fold(one)) == fold(one)


def test_keys_can_be_stored_and_are_distinct() -> None:
    names = [*NAMES, "a\ud800b", "a\udfffb"]
    assert len({key_of(name) for name in names}) == len(names)
    assert key_of("Pris") == "Pris"
    for name in names:
        assert "\0" not in key_of(name).encode().decode()


def test_definitions() -> None:
    records: list[dict[str, Any]] = [
        {"id": 100, "key": "C", "type": "text", "lookup__id": "crm__custom_info__100"},
        {"id": "64", "key": "B", "type": "text"},
        {"id": 9, "key": "A", "type": "number", "lookup__id": ""},
        {"id": "x\0", "key": "D", "lookup__id": "elsewhere"},
        {"id": 9, "key": "again"},
        *({"id": id_, "key": "no id"} for id_ in (None, "", True, 1.5, [1])),
        *({"id": 7, "key": label} for label in (None, "", 5)),
        {},
    ]
    assert Definition.of(records) == [
        Definition("9", "A", "crm__custom_info__9", is_text=False),
        Definition("64", "B", "crm__custom_info__64"),
        Definition("100", "C", "crm__custom_info__100"),
        Definition("x\ufffd", "D", "elsewhere"),
    ]
