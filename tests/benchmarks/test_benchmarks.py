"""What is said of results that are made up: no program is run here."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks.count import count
from tests.benchmarks.experiments import experiments
from tests.benchmarks.programs import PEERS_AND_FLOOR, TAP_CUBE
from tests.benchmarks.results import Figures, Result, Results, report

if TYPE_CHECKING:
    from pathlib import Path


def results(seconds: dict[str, float], *, complete: bool = True, scale: float = 1) -> Results:
    """One run of each program, of the throughput and with latency."""
    return {
        experiment.name: Result(
            runs=1,
            scale=scale,
            machine="2 cores",
            figures={
                case.name: [
                    Figures(
                        seconds=seconds.get(case.name, 100),
                        cpu_seconds=1,
                        peak_bytes=60_000_000,
                        records=case.load.customers,
                        complete=complete or case.name == TAP_CUBE.name,
                    )
                ]
                for case in experiment.cases
            },
        )
        for experiment in experiments(scale)
        if experiment.name in ("throughput", "latency")
    }


def test_the_report_holds_the_ratios_against_their_bounds() -> None:
    told = report(results({"tap-cube": 10, "dlt rest_api, iterating": 29}))
    assert "| tap-cube | 10.00 | 10.00 | 1.00 | 60 | 50,000 |" in told
    assert "| tap-cube: times as fast as tap-rest-api-msdk | ≥ 10 | 10 | holds |" in told
    assert "times as fast as dlt rest_api, iterating | ≥ 3 | 2.9 | **missed** |" in told
    assert "Scaled" not in told


def test_a_run_that_did_not_write_everything_does_not_count() -> None:
    told = report(results({}, complete=False))
    assert "| tap-rest-api-msdk (1 incomplete: not counted) | | | | | |" in told
    assert "| tap-cube: times as fast as tap-rest-api-msdk | ≥ 10 | | not measured |" in told


def test_results_of_fewer_customers_are_marked() -> None:
    assert "Scaled by 0.01: for trying out only" in report(results({}, scale=0.01))


@pytest.mark.parametrize(
    "written",
    [
        ['{"id":1}', '{"id":2}', '{"id":2}'],
        [
            '{"type":"SCHEMA","stream":"customers","schema":{}}',
            '{"type":"RECORD","stream":"custom_fields","record":{"id":7}}',
            '{"type":"RECORD","stream":"customers","record":{"id":1}}',
            '{"type":"RECORD","stream":"customers","record":{"id":2}}',
            '{"type":"STATE","value":{}}',
        ],
        [
            '{"type":"LOG","log":{"level":"INFO"}}',
            '{"type":"RECORD","record":{"stream":"customers","data":{"id":1}}}',
            '{"type":"RECORD","record":{"stream":"customers","data":{"id":2}}}',
        ],
        ['{"count":2}'],
    ],
    ids=["lines", "Singer", "Airbyte", "number"],
)
def test_different_customers_are_counted(written: list[str], tmp_path: Path) -> None:
    stdout = tmp_path / "stdout"
    stdout.write_text("\n".join(written), encoding="utf-8")
    assert count(TAP_CUBE, tmp_path, stdout) == 2


def test_the_same_figures_make_the_same_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from tests.benchmarks.plot import plot  # noqa: PLC0415  # needs matplotlib

    seconds = {peer.name: 10.0 + number for number, peer in enumerate(PEERS_AND_FLOOR)}
    files = tmp_path / "a.svg", tmp_path / "b.svg"
    for file in files:
        plot(results(seconds), file)
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert ET.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  # our own
