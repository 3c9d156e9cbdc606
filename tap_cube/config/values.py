"""JSON values that users write: a walk over all that they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: No setting, state or catalog needs more levels; parsers and validators give up at a few hundred.
_DEEPEST = 64
TOO_DEEP = "is nested too deeply"
NO_UNICODE = "contains bytes or characters that are not valid Unicode: type it again"


def leaves(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    """Yield the names, texts, numbers and constants in a value, each with its place.

    Args:
        value: A JSON value.
        place: The place of the value itself, such as `crms`.

    Yields:
        A place such as `crms[0].crm_type`, and what is there; the place of a name is its object's.

    Raises:
        RecursionError: If the value is nested too deeply.
    """
    waiting = [(place, 0, value)]
    while waiting:
        at, depth, one = waiting.pop()
        if depth > _DEEPEST:
            raise RecursionError
        if isinstance(one, dict):
            for name in one:
                yield at, name
            waiting += ((f"{at}.{name}", depth + 1, item) for name, item in one.items())
        elif isinstance(one, list):
            waiting += ((f"{at}[{number}]", depth + 1, item) for number, item in enumerate(one))
        else:
            yield at, one


def is_unicode(value: object) -> bool:
    """Return whether UTF-8 can hold a text; undecodable bytes of a variable are surrogates."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True
