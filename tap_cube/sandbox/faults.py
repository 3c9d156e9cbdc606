"""Which requests fail, and how. `fault_injection` makes them fail."""

from __future__ import annotations

import re
from collections import Counter
from math import fsum
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

# Added to the query of the link on an empty page, which leads to the page with the records.
AFTER_EMPTY = "part=2"

FAULTS_HELP = """Values of --fault:

\b
  503         a response with this status, from 200 to 599
  503=2       the same with `Retry-After: 2`
  503=date+2  the same with `Retry-After` as a date, 2 seconds from now
  reset       a TCP reset instead of a response
  cut         the connection is closed in the middle of the body
  slow=3      the response is delayed by 3 seconds (slow: 5)
  html        an HTML page with status 200
  self-link   the next link of a page is the page itself
  cycle=2     the next link of a page is page 2 (cycle: page 1)
  empty       an empty page, whose next link leads to the page

:SHARE is the share of requests that fail, from 0 to 1; by default, all. Example:
--fault 503:0.1 --fault reset:0.05 --fault 429=2:0.1 --fault slow=3:0.02
"""

_LIST = re.compile(
    r"/(customers|call_outcomes|product_registrations|callflow_customers)/(\?|$)", re.ASCII
)


class _Value(NamedTuple):
    """The value after `=`: its pattern, its default, and an example."""

    pattern: str
    default: str
    example: str


_KINDS = {
    "reset": None,
    "cut": None,
    "slow": _Value(r"\d{1,6}(\.\d{1,6})?", "5", "slow=3"),
    "html": None,
    "self-link": None,
    "cycle": _Value(r"[1-9]\d{0,5}", "1", "cycle=2"),
    "empty": None,
}
_LIST_KINDS = {"self-link", "cycle", "empty"}
_STATUS = r"[2-5]\d\d"
_RETRY_AFTER = _Value(r"(date\+)?\d{1,6}", "", "429=2 or 429=date+2")


class Fault:
    """One kind of failure.

    Args:
        what: The kind, for some kinds with `=` and a value, as in `FAULTS_HELP`. The body of a
            status or an HTML page contains a customer's data. `self-link`, `cycle` and `empty`
            apply to lists only.
        share: The share of requests that fail, from 0 to 1.
        match: Restricts the fault to requests whose path and query match this regular expression.
        first: Restricts the fault to this number of matching requests; None for all.

    Attributes:
        what: As given.
        kind: The part of `what` before `=`.
        value: The part of `what` after `=`, or its default.
        share: As given.
        first: As given.

    Raises:
        ValueError: `what` or `share` is invalid.
    """

    def __init__(
        self, what: str, share: float = 1.0, *, match: str = "", first: int | None = None
    ) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"the share of the fault {what!r} must be from 0 to 1, not {share}")
        self.what = what
        self.kind, self.value = _kind_and_value(what)
        self.share = share
        self.first = first
        self._match = re.compile(match)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Return the fault that `KIND[=VALUE][:SHARE]` on the command line means."""
        what, colon, share = text.partition(":")
        try:
            number = float(share) if colon else 1.0
        except ValueError:
            raise ValueError(f"{share!r} in {text!r} is not a share such as 0.1") from None
        return cls(what, number)

    @property
    def is_unrestricted(self) -> bool:
        """Whether it applies to all requests."""
        return not self._match.pattern and self.first is None

    def matches(self, target: str) -> bool:
        """Whether it applies to the request with this path and query."""
        if self.kind in _LIST_KINDS and _LIST.search(target) is None:
            return False
        if self.kind == "empty" and AFTER_EMPTY in target:
            return False
        return self._match.search(target) is not None


class Faults:
    """The faults of an account. The same seed and requests result in the same failures.

    Args:
        faults: Faults, or mappings from kinds to shares. If several match a request, their shares
            add up; if the sum exceeds 1, the first ones take precedence.
        seed: Determines which requests fail.

    Attributes:
        struck: The number of failed requests by `Fault.what`.

    Raises:
        ValueError: A fault is invalid, or the shares of unrestricted faults exceed 1 in total.
    """

    def __init__(self, *faults: Fault | Mapping[str, float], seed: int = 0) -> None:
        self._faults = [
            fault
            for given in faults
            for fault in ([given] if isinstance(given, Fault) else _from_shares(given))
        ]
        total = fsum(fault.share for fault in self._faults if fault.is_unrestricted)
        if total > 1 + 1e-9:
            raise ValueError(f"the shares of the faults add up to {total:g}, which is more than 1")
        self.struck: Counter[str] = Counter()
        self._matched: Counter[Fault] = Counter()
        self._random = Random(seed).random  # noqa: S311 - no secrets here

    def draw(self, target: str) -> Fault | None:
        """Return the fault of the next request, or None."""
        # One draw per request: faults of some requests do not change those of the others.
        chance, reached = self._random(), 0.0
        for fault in self._candidates(target):
            reached += fault.share
            if chance < reached:
                self.struck[fault.what] += 1
                return fault
        return None

    def _candidates(self, target: str) -> list[Fault]:
        matching = [fault for fault in self._faults if fault.matches(target)]
        self._matched.update(matching)
        return [f for f in matching if f.first is None or self._matched[f] <= f.first]


def _from_shares(shares: Mapping[str, float]) -> list[Fault]:
    return [Fault(what, share) for what, share in shares.items()]


def _kind_and_value(what: str) -> tuple[str, str]:
    kind, equals, value = what.partition("=")
    is_status = re.fullmatch(_STATUS, kind, re.ASCII) is not None
    if not is_status and kind not in _KINDS:
        kinds = ", ".join(_KINDS)
        raise ValueError(f"unknown fault {kind!r}: use {kinds} or a status from 200 to 599")
    possible = _RETRY_AFTER if is_status else _KINDS[kind]
    if not equals:
        return kind, possible.default if possible else ""
    if possible is None:
        raise ValueError(f"the fault {what!r} must be just {kind!r}, without a value")
    if not re.fullmatch(possible.pattern, value, re.ASCII):
        raise ValueError(f"the fault {what!r} has an invalid value: write it as {possible.example}")
    return kind, value
