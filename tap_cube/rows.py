"""Records of known columns as rows: parsed, checked and written some times faster than as dicts.

A stream's schema says which columns there are. So msgspec parses a page into structs with just
these, and refuses what is new, or of another type than its column. Whatever it refuses is parsed
into dicts, and takes the way that can cope with anything.
"""

from __future__ import annotations

import re
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from tap_cube import schema as js
from tap_cube.pagination import Page

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    Record = dict[str, Any]


# The kinds whose values msgspec can check, which is faster than to look at each
_STRICT: dict[str, Any] = {
    js.STRING: str | None | UnsetType,
    js.INTEGER: int | None | UnsetType,
    js.BOOLEAN: bool | None | UnsetType,
}


# What JSON escapes in a name
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


class Row(msgspec.Struct):
    """A record, of which each field is an attribute. Fields that it lacks are `UNSET`."""

    #: The attribute of each field.
    attributes: ClassVar[dict[str, str]] = {}

    def as_dict(self) -> Record:
        """The record as JSON has it."""
        pairs = ((field, getattr(self, name)) for field, name in self.attributes.items())
        return {field: value for field, value in pairs if value is not UNSET}


def suits(names: Iterable[str]) -> bool:
    """Whether rows can have columns of these names: msgspec does not escape what JSON must."""
    return not any(map(_ESCAPED.search, names))


class RowType:
    """Rows of the columns that a stream has at some time.

    Args:
        columns: The columns.
        keys: Those that no record may lack.
        added: What the tap adds to each record.
        order: Columns in the order that records have them, as far as it is known.
        loose: Columns that are known to hold what they should not: it is looked at then.
    """

    def __init__(
        self,
        columns: js.Columns,
        *,
        keys: Collection[str],
        added: Mapping[str, Any],
        order: Iterable[str],
        loose: Collection[str] = (),
    ) -> None:
        kinds = {name: columns.kinds[name] for name in dict.fromkeys([*order, *columns.kinds])}
        attributes = {name: f"f{i}" for i, name in enumerate(kinds) if name not in added}
        strict = {name for name in attributes if kinds[name] in _STRICT and name not in loose}
        self.row = msgspec.defstruct(
            "KnownRow",
            [
                *(
                    (attribute, _STRICT[kinds[name]] if name in strict else Any, UNSET)
                    for name, attribute in attributes.items()
                ),
                # No JSON value is of this type: a record that has such a field is refused
                *((name, UnsetType, value) for name, value in added.items()),
            ],
            bases=(Row,),
            namespace={"attributes": attributes},
            rename={attribute: name for name, attribute in attributes.items()},
            forbid_unknown_fields=True,
            gc=False,  # what comes from JSON has no cycles
        )
        self.decoder = msgspec.json.Decoder(Page[self.row], float_hook=Decimal)  # type: ignore[name-defined]
        self.columns = columns
        self.loose = frozenset(loose)
        self._keys = [attributes[key] for key in keys if key not in added]
        self._checked = [
            (attributes[name], kinds[name], columns.plain[name])
            for name in attributes
            if name not in strict
        ]

    def settle(self, rows: Sequence[Any]) -> bool:
        """Write what is empty, or a date and time, the way the columns hold it; in place.

        Returns:
            Whether the rows are of this type, and all of them fit now.
        """
        if rows and type(rows[0]) is not self.row:
            return False
        for key in self._keys:
            if not {None, "", UNSET}.isdisjoint(map(attrgetter(key), rows)):
                return False
        for attribute, kind, plain in self._checked:
            for row in rows:
                value = getattr(row, attribute)
                if value is None or value is UNSET or type(value) is plain:
                    continue
                if not js.fits(kind, value):
                    return False
                setattr(row, attribute, js.conformed(kind, value))
        return True


def as_dicts(records: Sequence[Any]) -> list[Record]:
    """Records as dicts, in whatever form they are."""
    return [record.as_dict() if isinstance(record, Row) else record for record in records]


def values(records: Sequence[Any], field: str) -> list[Any]:
    """What records, in whatever form they are, hold in a field; `None` for those that lack it."""
    if records and isinstance(records[0], Row):
        found = map(attrgetter(records[0].attributes[field]), records)
        return [None if value is UNSET else value for value in found]
    return [record.get(field) for record in records]
