"""A field keeps its column, and a column keeps its type, whatever admins do."""

from __future__ import annotations

import pytest

from tests.schema.world import History

NIGHTS = 8


@pytest.mark.parametrize("start", range(0, 2000, 100))
def test_histories(start: int) -> None:
    for seed in range(start, start + 100):
        history = History(seed)
        try:
            for _ in range(NIGHTS):
                history.change()
                history.night()
        except AssertionError as error:
            msg = f"in history {seed}"
            raise AssertionError(msg) from error
