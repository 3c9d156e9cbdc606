from __future__ import annotations

import time

import pytest
import requests

from tap_cube.sandbox import Sandbox
from tests.sandbox.support import OUTCOMES, get


def test_it_stops_while_an_answer_is_waiting() -> None:
    with Sandbox(customers=1, latency=60) as sandbox, pytest.raises(requests.ReadTimeout):
        requests.get(sandbox.url, timeout=0.2)
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=5)


def test_the_large_crm_is_ready_when_the_server_starts() -> None:
    with Sandbox(customers=3, outcomes=30_000) as sandbox:
        begun = time.monotonic()
        answer = get(sandbox, OUTCOMES)
        assert answer.json()["count"] > 0
        assert time.monotonic() - begun < 0.5
