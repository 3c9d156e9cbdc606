"""Fixtures that every test may want."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import Tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def tap(tmp_path: Path) -> Tap:
    """The tap as a command."""
    return Tap(tmp_path)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small Cube of its own for one test."""
    with Sandbox(customers=60) as running:
        yield running
