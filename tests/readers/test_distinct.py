"""A set of ids says of each id whether it is new, whatever the ids are, and in any order."""

from __future__ import annotations

import tracemalloc
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cube.readers.distinct import Distinct, are_ascending, number_of

NUMBERS = st.integers(0, 60) | st.integers(8180, 8200) | st.integers(0, 1 << 70)
IDS = NUMBERS | NUMBERS.map(str) | st.integers(-3, -1) | st.text(max_size=2)
PAGES = st.lists(
    st.lists(IDS, max_size=8)
    | st.lists(NUMBERS, max_size=8, unique=True).map(sorted)
    | st.integers(0, 80).map(lambda first: list(range(first, first + 20))),
    max_size=8,
)


def identity(id_: Any) -> Any:
    return str(id_) if number_of(id_) is None else number_of(id_)


@given(PAGES)
def test_it_is_a_set(pages: list[list[Any]]) -> None:
    ids = Distinct()
    known: set[Any] = set()
    for page in pages:
        expected = []
        for id_ in page:
            expected.append(identity(id_) not in known)
            known.add(identity(id_))
        assert ids.update(page) == expected
        assert len(ids) == len(known)
    for id_ in (*range(90), *range(8170, 8210), "x", -1):
        assert (id_ in ids) == (identity(id_) in known)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, 2, 9], True),
        ([0], True),
        ([1, 1], False),
        ([2, 1], False),
        ([-1, 2], False),
        (["1", "2"], False),
        ([1, None], False),
        ([True, 2], False),
        ([], False),
    ],
)
def test_ascending(ids: list[Any], expected: bool) -> None:  # noqa: FBT001  # a parameter
    assert are_ascending(ids) is expected


def test_no_two_words_are_taken_for_one() -> None:
    ids = Distinct()
    for start in range(0, 50_000, 500):
        assert all(ids.update(f"K-{n}" for n in range(start, start + 500)))
    assert len(ids) == 50_000
    assert not any(ids.update(f"K-{n}" for n in range(50_000)))


def test_numbers_that_are_far_apart_take_little_memory() -> None:
    chance = Random(1)  # noqa: S311  # not for secrets
    ids = [chance.randrange(10**10) for _ in range(20_000)]
    tracemalloc.start()
    try:
        seen = Distinct()
        before, _ = tracemalloc.get_traced_memory()
        for start in range(0, len(ids), 50):
            seen.update(ids[start : start + 50])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(seen) == len({*ids})
    assert all(id_ in seen and str(id_) in seen for id_ in ids[::100])
    assert not any(seen.update(ids))
    assert after - before < 200 * len(ids)
