"""Fixtures that every test may want."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import Tap

# Programs are started by the hundred: each would compile all that it imports
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for pauses, and for processes."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def tap(tmp_path: Path) -> Tap:
    """The tap as a command."""
    return Tap(tmp_path)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small Cube of its own for one test."""
    with Sandbox(customers=60) as running:
        yield running
