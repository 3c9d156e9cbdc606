from __future__ import annotations

import re

import pytest

from tap_cube.sandbox import Fault, Faults
from tests.sandbox.support import CUSTOMERS


def drawn(faults: Faults, *targets: str) -> list[str | None]:
    return [fault.what if fault else None for fault in map(faults.draw, targets)]


def test_shares_are_kept_and_a_seed_decides_which_requests_they_mean() -> None:
    shares = {"reset": 0.05, "429=2": 0.1, "500": 0.2}
    faults = Faults(shares, seed=1)
    outcome = drawn(faults, *["/x"] * 4000)
    assert outcome == drawn(Faults(shares, seed=1), *["/x"] * 4000)
    assert outcome != drawn(Faults(shares, seed=2), *["/x"] * 4000)
    for what, share in shares.items():
        assert faults.struck[what] == outcome.count(what)
        assert outcome.count(what) / 4000 == pytest.approx(share, rel=0.3)
    # Half the share strikes part of the same requests.
    fewer = drawn(Faults({"reset": 0.025}, seed=1), *["/x"] * 4000)
    assert {n for n, what in enumerate(fewer) if what} < {
        n for n, what in enumerate(outcome) if what == "reset"
    }


def test_faults_of_some_requests_only() -> None:
    faults = Faults(
        Fault("503=1", first=2), Fault("500", match=r"page=7$"), Fault("empty", match="page=8")
    )
    targets = [f"{CUSTOMERS}?page={page}" for page in (7, 70, 7, 71, 7, 8)]
    assert drawn(faults, *targets) == ["503=1", "503=1", "500", None, "500", "empty"]
    targets = [f"{CUSTOMERS}?page=8&part=2", "/api/v1/campaigns?page=8", "/x/customers?page=8"]
    assert drawn(faults, *targets) == [None, None, None]
    later = Faults(Fault("429", match="b", first=1))
    assert drawn(later, "a", "b", "b") == [None, "429", None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("foo:0.1", "unknown fault 'foo': use reset, cut,"),
        ("600", "unknown fault '600'"),
        ("reset=1", "must be just 'reset'"),
        ("slow=-1", "write it as slow=3"),
        ("429=soon", "write it as 429=2 or 429=date+2"),
        ("503:1.5", "from 0 to 1, not 1.5"),
        ("503:nan", "from 0 to 1, not nan"),
        ("503:many", "'many' in '503:many' is not a share"),
    ],
)
def test_what_is_no_fault(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Fault.parse(text)


def test_shares_of_more_than_all() -> None:
    Faults({"reset": 0.9, "cut": 0.1}, Fault("500", match="x"), Fault("503", first=1))
    with pytest.raises(ValueError, match=r"1\.2, which is more than 1"):
        Faults({"reset": 0.9, "cut": 0.3})
