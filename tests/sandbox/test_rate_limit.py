from __future__ import annotations

from math import floor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_cube.sandbox.rate_limit import SlidingWindow


@pytest.mark.parametrize(
    ("rate", "times", "delays"),
    [
        (2, [0, 0.1, 0.2, 0.9, 1.0, 1.05, 1.1], [0, 0, 0.8, 0.1, 0, 0.05, 0]),
        (0.5, [0, 1, 2, 3.5], [0, 1, 0, 0.5]),
        (2.5, [0, 0.1, 0.2, 0.8], [0, 0, 0.6, 0]),
    ],
)
def test_delays(rate: float, times: list[float], delays: list[float]) -> None:
    window = SlidingWindow()
    assert [window.admit(rate, now) for now in times] == pytest.approx(delays)


@example(rate=1.0, pauses=[2.0, 1.5072285313109206, 1.0, 0.0])  # rounding
@given(rate=st.floats(0.2, 50), pauses=st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_no_window_has_more_than_the_rate(rate: float, pauses: list[float]) -> None:
    window, now = SlidingWindow(), 0.0
    accepted = []
    for pause in pauses:
        now += pause
        delay = window.admit(rate, now)
        if delay:
            # A client that waits as long as it is told succeeds.
            now += delay * (1 + 1e-9) + 1e-9
            assert window.admit(rate, now) == 0
        accepted.append(now)
        # Rounding may shift the edge of the window, which is a second for integers.
        size = max(1, floor(rate))
        recent = [time for time in accepted if now - size / rate + 1e-9 < time]
        assert len(recent) <= size


def test_a_rate_can_change() -> None:
    window = SlidingWindow()
    assert [window.admit(5, 0.1 * n) for n in range(5)] == [0] * 5
    assert window.admit(1, 0.5) == pytest.approx(0.9)
    assert window.admit(6, 0.5) == 0
