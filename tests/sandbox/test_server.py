from __future__ import annotations

import pytest
import requests

from tap_cube.sandbox import Sandbox


def test_it_stops_while_an_answer_is_waiting() -> None:
    with Sandbox(customers=1, latency=60) as sandbox, pytest.raises(requests.ReadTimeout):
        requests.get(sandbox.url, timeout=0.2)
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=5)
