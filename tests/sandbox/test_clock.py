from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_cube.sandbox import clock

if TYPE_CHECKING:
    import pytest


def test_a_naive_time_is_norwegian() -> None:
    summer, winter = datetime(2024, 7, 1, 9, 0), datetime(2024, 1, 1, 9, 0)  # noqa: DTZ001 - naive
    assert clock.local(summer).utcoffset() == timedelta(hours=2)
    assert clock.local(winter).utcoffset() == timedelta(hours=1)


def test_without_time_zone_data_the_local_zone_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    before = clock.today()
    monkeypatch.setattr(clock, "OSLO", None)
    assert abs(clock.today() - before) <= timedelta(1)
    assert clock.local(datetime(2024, 5, 1, 9, 0)).tzinfo  # noqa: DTZ001 - naive
