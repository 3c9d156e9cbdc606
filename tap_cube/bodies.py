"""Parsing the bodies of answers: fast where that works, and with half a character in them too."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from msgspec.json import Decoder

# Escapes in JSON: whole surrogate pairs, halves of them, all others. No UTF-8 can hold a half, so
# that one customer's broken character would make the whole list unreadable.
_SURROGATE = re.compile(
    rb"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(u[dD][89a-fA-F][\da-fA-F]{2})|.)",
    re.DOTALL,
)


def parse(body: bytes, decoder: Decoder[Any], fast: Decoder[Any] | None = None) -> Any:
    """What a body holds.

    Args:
        body: JSON.
        decoder: What it is to be parsed by.
        fast: What is tried before, as it is faster, but copes with less.

    Raises:
        msgspec.ValidationError: If it has another form.
        msgspec.DecodeError: If it is no JSON.
        UnicodeDecodeError: If it is no UTF-8.
    """
    if fast is not None:
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            return fast.decode(body)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        repaired = _SURROGATE.sub(lambda m: rb"\ufffd" if m[1] else m[0], body)
        if repaired == body:
            raise
        return decoder.decode(repaired)
