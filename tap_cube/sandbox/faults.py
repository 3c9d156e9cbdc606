"""Which requests go wrong, and how. This is the plan alone: `mishaps` carries it out."""

from __future__ import annotations

import re
from collections import Counter
from math import fsum
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tap_cube.sandbox.targets import is_list

if TYPE_CHECKING:
    from collections.abc import Mapping

# In the query of the link that an empty page has: its customers come there.
SECOND_PART = "part=2"


class _Value(NamedTuple):
    """The value of a kind: a pattern, what holds when none is given, and how it is written."""

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
_ON_LISTS_ONLY = {"self-link", "cycle", "empty"}
_STATUS = r"[2-5]\d\d"
_RETRY_AFTER = _Value(r"(date\+)?\d{1,6}", "", "429=2 or 429=date+2")


class Fault:
    """One way in which requests go wrong.

    Args:
        what: The kind, in some with `=` and a value:
            `503`: that status, any from 200 to 599, with a customer's data in the body;
            `503=2`, `503=date+2`: and `Retry-After`, as 2 seconds or as the time in 2 seconds;
            `reset`: the connection is reset without an answer;
            `cut`: the connection is closed half-way through the answer's body;
            `slow=3`: the answer comes after 3 seconds (5 if not given);
            `html`: status 200 with an HTML page, with a customer's data in it;
            `self-link`: a page whose next link is its own URL;
            `cycle=2`: a page whose next link leads back to page 2 (1 if not given);
            `empty`: a page without customers, whose next link leads to the page with them.
            The last three befall lists only.
        share: The share of requests that it befalls, from 0 to 1.
        match: Befalls only requests in whose path and query this regular expression is found.
        first: Befalls only the first so many of those; None for no end.

    Attributes:
        what: As given.
        kind: What stands before `=`.
        value: What stands behind it, or what holds when nothing does.
        share: As given.
        first: As given.

    Raises:
        ValueError: There is no such fault.
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
        """The fault that `KIND[=VALUE][:SHARE]` means, as on the command line."""
        what, colon, share = text.partition(":")
        try:
            number = float(share) if colon else 1.0
        except ValueError:
            raise ValueError(f"{share!r} in {text!r} is not a share, such as 0.1") from None
        return cls(what, number)

    @property
    def always_applies(self) -> bool:
        """Whether no request is exempt from it."""
        return not self._match.pattern and self.first is None

    def matches(self, target: str) -> bool:
        """Whether it can befall this request."""
        if self.kind in _ON_LISTS_ONLY and not is_list(target):
            return False
        if self.kind == "empty" and SECOND_PART in target:
            return False
        return self._match.search(target) is not None


class Faults:
    """What goes wrong with which request. The same seed and requests give the same faults.

    Args:
        faults: Each a fault, or a mapping that gives kinds their shares. When several match a
            request, their shares add up, and the earlier ones come first when they exceed 1.
        seed: Decides which requests a share means.

    Attributes:
        struck: How many requests each fault was chosen for, by `Fault.what`.

    Raises:
        ValueError: There is no such fault, or shares of all requests add up to more than 1.
    """

    def __init__(self, *faults: Fault | Mapping[str, float], seed: int = 0) -> None:
        self._faults = [
            fault
            for given in faults
            for fault in ([given] if isinstance(given, Fault) else _by_share(given))
        ]
        total = fsum(fault.share for fault in self._faults if fault.always_applies)
        if total > 1 + 1e-9:
            raise ValueError(f"the shares of the faults add up to {total:g}, which is more than 1")
        self.struck: Counter[str] = Counter()
        self._matched: Counter[Fault] = Counter()
        self._random = Random(seed).random  # noqa: S311 - no secrets here

    def draw(self, target: str) -> Fault | None:
        """What goes wrong with the next request, if anything does."""
        # One draw a request, so that a fault of few requests leaves those of all others as they are
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


def _by_share(shares: Mapping[str, float]) -> list[Fault]:
    return [Fault(what, share) for what, share in shares.items()]


def _kind_and_value(what: str) -> tuple[str, str]:
    kind, equals, value = what.partition("=")
    is_status = re.fullmatch(_STATUS, kind, re.ASCII) is not None
    if not is_status and kind not in _KINDS:
        kinds = ", ".join(_KINDS)
        raise ValueError(
            f"there is no fault {kind!r}; there are {kinds} and the status codes 200 to 599"
        )
    possible = _RETRY_AFTER if is_status else _KINDS[kind]
    if not equals:
        return kind, possible.default if possible else ""
    if possible is None:
        raise ValueError(f"the fault {what!r} must be just {kind!r}: it takes no value")
    if not re.fullmatch(possible.pattern, value, re.ASCII):
        raise ValueError(f"the fault {what!r} has no such value: write it as {possible.example}")
    return kind, value
