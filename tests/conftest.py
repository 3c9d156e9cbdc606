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
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates of this machine's own."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tap(tmp_path: Path) -> Tap:
    """The tap as a command."""
    return Tap(tmp_path)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small Cube of its own for one test."""
    with Sandbox(customers=60) as running:
        yield running
