"""Records take the fast path: the number of function calls hardly grows with their number.

Functions are counted, not seconds, so that the speed of the machine has no influence. With
singer-sdk 0.54, the fast path makes 8 calls for each record, dicts make 40 to 200, and the SDK's
own path more than 220.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import select, stream_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Tap

CRM = {"data_owner_id": 2, "crm_type": "B2B"}
FEW, MANY = 1000, 3000
CALLS_PER_RECORD = 10

# The tap ends by `os._exit`, after which a profiler could not report
PROGRAM = """
import cProfile, os, pathlib, runpy
profile, leave = cProfile.Profile(), os._exit
def report_and_leave(status):
    profile.disable()
    calls = sum(entry.callcount for entry in profile.getstats())
    pathlib.Path(os.environ["CALLS"]).write_text(str(calls))
    leave(status)
os._exit = report_and_leave
profile.enable()
runpy.run_module("tap_cube", run_name="__main__")
"""

VARIANTS = [
    pytest.param({}, "", id="default"),
    pytest.param({"field_names": "snake_case"}, "", id="snake_case"),
    pytest.param({}, "gen info 1", id="a deselected column"),
]


@pytest.mark.parametrize(("settings", "deselected"), VARIANTS)
def test_function_calls_per_record(
    tap: Tap, tmp_path: Path, settings: dict[str, Any], deselected: str
) -> None:
    calls = {}
    with Sandbox(customers=FEW, page_size=500, outcomes=0) as cube:
        config = {"api_url": cube.url, "auth_token": cube.token, "crms": [CRM], **settings}
        catalog = select(tap.discover(config), "customers")
        for entry in stream_of(catalog, "customers")["metadata"]:
            if deselected in entry["breadcrumb"]:
                entry["metadata"]["selected"] = False
        tap.program = ("-c", PROGRAM)
        for number in (FEW, MANY):
            cube.crms[2, "B2B"].resize(number)
            report = tmp_path / f"{number}.txt"
            run = tap(config, catalog=catalog, env={"CALLS": str(report)}).check()
            assert len(run.records("customers")) == number
            calls[number] = int(report.read_text())
    assert (calls[MANY] - calls[FEW]) / (MANY - FEW) < CALLS_PER_RECORD
