from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_cube.sandbox import Sandbox
from tests.sandbox.support import TODAY

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=51) as running:
        yield running


@pytest.fixture(params=["flat", "prefixed"])
def either_shape(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox for tests that hold for both shapes of customer records."""
    with Sandbox(customers=120, today=TODAY, shape=request.param) as running:
        yield running
