"""Records of known fields as rows: parsed, checked and written several times faster than dicts.

msgspec parses a page into structs of one type, and refuses records with other fields, or with
values of another type. Such a page is parsed into dicts, which can hold anything.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import repeat
from operator import attrgetter, is_
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from tap_cube.schema.kinds import BOOLEAN, INTEGER, MISFIT, STRING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    Record = dict[str, Any]

#: The kinds whose values msgspec checks while it parses.
_CHECKED_BY_MSGSPEC: dict[str, Any] = {
    STRING: str | None | UnsetType,
    INTEGER: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None | UnsetType,
    BOOLEAN: bool | None | UnsetType,
}

#: Types of which equal values are written alike.
_EXACT = {str, int, type(None), UnsetType}
_EMPTY = {None: None, UNSET: UNSET}
_PLAIN = {STRING: str, INTEGER: int, BOOLEAN: bool}

# msgspec does not escape what JSON must
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


class Row(msgspec.Struct):
    """A record, each field of which is an attribute. Fields that it lacks are `UNSET`."""

    #: The attribute of each field.
    attributes: ClassVar[dict[str, str]] = {}


class Column(msgspec.Struct, frozen=True):
    """A column as a row type needs it.

    Attributes:
        name: Name of the column.
        kind: What it holds.
        fit: Returns a value as the column holds it, or `MISFIT`.
        fit_all: Does so for many values at once.
        written: Whether it is selected.
    """

    name: str
    kind: str
    fit: Callable[[Any], Any]
    fit_all: Callable[[list[Any]], list[Any]]
    written: bool = True


class RowType:
    """The type of one CRM's records.

    Args:
        columns: The column of each field, in the order in which records are written.
        added: Names of the columns that the tap adds to each record, in order.
        hidden: Those of `added` that are not written.
        keys: Fields that no record may lack.
        loose: Columns known to hold values that need a closer look.
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        *,
        added: Sequence[str],
        hidden: Collection[str] = (),
        keys: Collection[str],
        loose: Collection[str] = (),
    ) -> None:
        attributes = {field: f"f{n}" for n, field in enumerate(columns)}
        strict = {
            field
            for field, column in columns.items()
            if column.kind in _CHECKED_BY_MSGSPEC and column.name not in loose
        }
        self._added = [(name, f"a{n}") for n, name in enumerate(added)]
        self.row = msgspec.defstruct(
            "KnownRow",
            [
                *(
                    (
                        attributes[field],
                        _CHECKED_BY_MSGSPEC[column.kind] if field in strict else Any,
                        UNSET,
                    )
                    for field, column in columns.items()
                ),
                # No JSON value has this type: a record with such a field is refused
                *((attribute, UnsetType, UNSET) for _, attribute in self._added),
            ],
            bases=(Row,),
            namespace={"attributes": attributes | dict(self._added)},
            rename={a: f for f, a in attributes.items()} | {a: n for n, a in self._added},
            forbid_unknown_fields=True,
            gc=False,  # JSON has no cycles
        )
        self._rows = GenericAlias(list, (self.row,))
        self._keys = [attributes[key] for key in keys]
        self._looked_at = [
            (attributes[field], column.fit_all)
            for field, column in columns.items()
            if field not in strict and column.written
        ]
        self._output = self._output_type(columns, attributes, hidden)

    def _output_type(
        self,
        columns: Mapping[str, Column],
        attributes: Mapping[str, str],
        hidden: Collection[str],
    ) -> Callable[[Any], Any] | None:
        """Return what makes the written row of a parsed one; `None` if they are the same."""
        is_same = all(field == column.name and column.written for field, column in columns.items())
        if is_same and not hidden:
            return None
        names = {attributes[f]: column.name for f, column in columns.items() if column.written}
        names |= {attribute: name for name, attribute in self._added if name not in hidden}
        written = msgspec.defstruct(
            "WrittenRow",
            [(attribute, Any) for attribute in names],
            bases=(Row,),
            namespace={"attributes": {name: attribute for attribute, name in names.items()}},
            rename=names,
            gc=False,
        )
        values = attrgetter(*names)
        if len(names) == 1:  # attrgetter returns a tuple of two or more
            return lambda row: written(values(row))
        return lambda row: written(*values(row))

    def converted(self, records: Sequence[Record]) -> Sequence[Any] | None:
        """Return dicts as rows of this type; `None` if they do not suit it."""
        # Strings with NUL have to be replaced, which only happens to dicts
        if any("\0" in v for record in records for v in record.values() if type(v) is str):
            return None
        try:
            rows: Sequence[Any] = msgspec.convert(records, self._rows)
        except (msgspec.ValidationError, RecursionError):
            return None
        return rows

    def fitted(self, rows: Sequence[Any], added: Sequence[Any]) -> Sequence[Any] | None:
        """Return rows as their columns hold them; `None` if a value fits no column.

        Rows are changed only if all of them fit.

        Args:
            rows: Rows of this type.
            added: For each column that the tap adds, one value, or a list of one per row.
        """
        for key in self._keys:
            values = list(map(attrgetter(key), rows))
            if None in values or "" in values or UNSET in values:
                return None
        fitted = {name: _fitted(rows, name, fit_all) for name, fit_all in self._looked_at}
        if None in fitted.values():
            return None
        for attribute, each in fitted.items():
            if each:
                _set(rows, attribute, each)
        for (_, attribute), value in zip(self._added, added, strict=True):
            _set(rows, attribute, value if isinstance(value, list) else repeat(value))
        return rows if self._output is None else list(map(self._output, rows))


def _set(rows: Sequence[Any], attribute: str, values: Iterable[Any]) -> None:
    deque(map(setattr, rows, repeat(attribute), values), maxlen=0)  # a loop in C


def _fitted(
    rows: Sequence[Any], attribute: str, fit_all: Callable[[list[Any]], list[Any]]
) -> list[Any] | None:
    """Return what a column holds of the rows; nothing if they hold it already.

    Returns:
        `None` if a value does not fit.
    """
    values = list(map(attrgetter(attribute), rows))
    is_exact = set(map(type, values)) <= _EXACT
    # Most values repeat
    given = {*values} - _EMPTY.keys() if is_exact else [v for v in values if not _is_empty(v)]
    found = fit_all([*given])
    if all(map(is_, given, found)):
        return []
    if any(map(is_, found, repeat(MISFIT))):
        return None
    if is_exact:
        return list(map((dict(zip(given, found, strict=True)) | _EMPTY).__getitem__, values))
    each = iter(found)
    return [value if _is_empty(value) else next(each) for value in values]


def _is_empty(value: Any) -> bool:
    return value is None or value is UNSET


def suits(names: Collection[str]) -> bool:
    """Return whether rows can have fields or columns of these names."""
    return not any(map(_ESCAPED.search, names))


def as_dict(record: Row | Record) -> Record:
    """Return a record, in whatever form, as JSON has it."""
    if not isinstance(record, Row):
        return record
    pairs = ((field, getattr(record, name)) for field, name in record.attributes.items())
    return {field: value for field, value in pairs if value is not UNSET}


def column(records: Sequence[Any], field: str) -> Sequence[Any]:
    """Return what records, in whatever form, hold in a field; `None` for those that lack it."""
    if not records or not isinstance(records[0], Row):
        return [record.get(field) for record in records]
    attribute = records[0].attributes.get(field)
    if attribute is None:
        return [None] * len(records)
    found = list(map(attrgetter(attribute), records))
    return [None if value is UNSET else value for value in found] if UNSET in found else found


def is_blank(key: Any) -> bool:
    """Return whether the value of a key identifies nothing. It may be of any type."""
    return key is None or key == ""


def is_plain(kind: str, value: Any) -> bool:
    """Return whether msgspec accepts a value where it checks values of a kind."""
    return value is None or kind not in _PLAIN or type(value) is _PLAIN[kind]
