"""Parsing response bodies: fast where possible, and leniently where JSON was damaged on the way."""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.json import Decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Parses a body into a page.
    Parser = Callable[[bytes], "Envelope[Any]"]

T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T]):
    """The body of one page of a list.

    Attributes:
        results: The records; `null` is an empty page.
        next: Link to the following page; only `null` ends a list. It may be missing or empty if all
            records that are counted are here.
        previous: Link to the preceding page.
        count: Length of the whole list. Any other value counts as missing.
    """

    results: list[T] | None
    next: str | UnsetType | None = UNSET
    previous: Any = None
    count: Any = None

    def __post_init__(self) -> None:
        """Accept a missing or malformed `count` or `previous`: only some readers need them."""
        if type(self.count) is not int or self.count < 0:
            self.count = None
        if self.next is UNSET or self.next == "":
            if self.count is None or self.count > len(self.results or ()):
                msg = "`next` is missing, and there may be more records"
                raise ValueError(msg)
            self.next = None
        if not isinstance(self.previous, str):
            self.previous = None


def decimal_of(text: str) -> Decimal | str:
    """The `float_hook` of a JSON decoder: a number with all digits.

    Returns:
        The text itself if its exponent is beyond what Python can hold, such as
        `1e9999999999999999999`.
    """
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


_PAGE: Decoder[Any] = Decoder(Envelope[dict[str, Any]], float_hook=decimal_of)
_LIST: Decoder[Any] = Decoder(
    list[dict[str, Any]] | Envelope[dict[str, Any]], float_hook=decimal_of
)
_OBJECT: Decoder[Any] = Decoder(dict[str, Any], float_hook=decimal_of)
_ENVELOPE: Decoder[Any] = Decoder(Envelope[Any], float_hook=decimal_of)


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a single record. Errors are those of `parse_page`."""
    record: dict[str, Any] = _parse(body, _OBJECT)
    return record


def parse_list(body: bytes) -> Envelope[Any]:
    """Parse a bare JSON array. Paginated responses are accepted too. Errors as `parse_page`."""
    content = _parse(body, _LIST)
    is_array = isinstance(content, list)
    return Envelope(results=content, next=None, count=len(content)) if is_array else content


def parse_page(body: bytes) -> Envelope[Any]:
    """Parse a page into dicts.

    Raises:
        msgspec.ValidationError: If the JSON does not have the form of a page.
        msgspec.DecodeError: If the body is no JSON, even after repair.
    """
    page: Envelope[Any] = _parse(body, _PAGE)
    return page


def row_parser(row: type[msgspec.Struct]) -> Callable[[bytes], Envelope[Any]]:
    """Return a parser of pages whose records are structs, and dicts where those do not fit."""
    decoder = Decoder(Envelope[row], float_hook=decimal_of)  # type: ignore[valid-type]

    def parse(body: bytes) -> Envelope[Any]:
        # Strings with NUL have to be replaced, which only happens to dicts. CPython searches such a
        # body two to three times as fast from its end
        if body.rfind(b"\\u0000") < 0:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                page: Envelope[Any] = decoder.decode(body)
                return page
        return parse_page(body)

    return parse


def _parse(body: bytes, decoder: Decoder[Any]) -> Any:
    try:
        try:
            return decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            repaired = _repaired(body)
            if repaired == body:
                raise
            parsed = decoder.decode(repaired)
            if isinstance(parsed, Envelope):
                _check_envelope(body)
            return parsed
    except RecursionError:
        msg = "Values are nested too deeply"
        raise msgspec.ValidationError(msg) from None


# Strings (one that has no end extends to the end, or each quote in it would be tried as a start),
# what some encoders write in place of numbers, and numbers that are long
_TOKEN = re.compile(
    rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|-?\b(?:Infinity|NaN)\b|-?\d[\d.eE+-]{99,}', re.DOTALL
)
# In a string: whole surrogate pairs and proper escapes; then lone surrogates, other escapes, raw
# control characters
_IN_STRING = re.compile(
    rb"\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}"
    rb"|\\u(?![dD][89a-fA-F])[\da-fA-F]{4}|\\[\"\\/bfnrt]"
    rb"|(\\u[dD][89a-fA-F][\da-fA-F]{2}|\\|[\x00-\x1f])"
)
_REPLACEMENT = rb"\ufffd"
_NUMBER: Decoder[Any] = Decoder(float_hook=decimal_of)


def _check_envelope(body: bytes) -> None:
    """Raise `msgspec.DecodeError` if damage hides where the list goes on, or all the records.

    The `null` that stands in for a damaged value would end the list, or be an empty page.
    """
    try:
        _ENVELOPE.decode(_repaired(body, no_number=b"false"))
    except msgspec.ValidationError:
        msg = "`next` or `results` is damaged"
        raise msgspec.DecodeError(msg) from None


def _repaired(body: bytes, no_number: bytes = b"null") -> bytes:
    """Replace what no JSON parser accepts, so that it costs a value and not the whole list.

    Args:
        body: The body.
        no_number: What replaces `NaN` and the like.
    """
    text = body.decode("utf-8-sig", "replace").encode()
    return _TOKEN.sub(partial(_repaired_token, no_number), text)


def _repaired_token(no_number: bytes, match: re.Match[bytes]) -> bytes:
    token = match[0]
    if token.startswith(b'"'):
        return _IN_STRING.sub(lambda m: _REPLACEMENT if m[1] else m[0], token)
    if token.endswith((b"Infinity", b"NaN")):
        return no_number
    try:
        _NUMBER.decode(token)
    except msgspec.ValidationError:
        # Neither msgspec nor Python converts an integer of more than 4,300 digits
        return b'"%b"' % token
    except msgspec.DecodeError:
        return token
    return token
