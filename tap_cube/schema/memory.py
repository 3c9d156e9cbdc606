"""What a run remembers of a stream's columns for the next one, as JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_cube.schema.columns import EVERY_CRM, Identity
from tap_cube.schema.kinds import ANYTHING, KINDS, STRING, storable_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_cube.schema.columns import Column, Fields


class Entry(NamedTuple):
    """A column as it is remembered."""

    name: str
    field: str
    kind: str
    text: str | None


class Owner(NamedTuple):
    """A field, and the column that it has under a naming."""

    naming: str
    identity: Identity
    column: Entry


class RememberedFields(NamedTuple):
    """The fields of a CRM as they are remembered; as in `Fields`."""

    crm: str
    owners: list[Owner]
    open: list[Identity]
    is_read: bool


_NUMBER = re.compile(r"0|[1-9]\d{0,15}", re.ASCII)
_NUMBERED = re.compile(r"(.*\D)(0|[1-9]\d{0,8})", re.ASCII | re.DOTALL)


def encode(columns: Sequence[Column], crms: Iterable[Fields]) -> dict[str, Any]:
    """Columns and their fields as JSON.

    `columns` has one entry for each column: the name of a string column whose field is called so;
    `[prefix, number, number...]` for many such columns; `[name, field]` for a string column whose
    field is called differently; or an object.

    `crms` refers to columns by their positions. By the code of a naming, `ids` has `[id, position]`
    or `[first id, first position, number of fields]`; `names`, of fields without a definition, has
    `[first position, number of fields]`. `open` and `unread` are as in `Fields`.
    """
    positions = {id(column): position for position, column in enumerate(columns)}
    entries: list[Any] = []
    for column in columns:
        _append(entries, column)
    remembered = {
        fields.crm: compact
        for fields in crms
        if (compact := _fields(fields, positions)) or fields.is_read
    }
    return _without_empty({"columns": entries, "crms": remembered})


def _fields(fields: Fields, positions: Mapping[int, int]) -> dict[str, Any]:
    owners: dict[str, Any] = {}
    opened: set[int] = set()
    for naming, columns in fields.columns.items():
        known = {who: positions[id(c)] for who, c in columns.items() if id(c) in positions}
        ids = [(who.text, position) for who, position in known.items() if who.is_id]
        names = [position for who, position in known.items() if not who.is_id]
        opened |= {known[who] for who in known.keys() & fields.open}
        owners[naming] = _without_empty({"ids": _runs_of_ids(ids), "names": _runs(names)})
    compact = _without_empty({"columns": _without_empty(owners), "open": _runs(opened)})
    is_unread = compact and not fields.is_read and fields.crm != EVERY_CRM
    return compact | ({"unread": True} if is_unread else {})


def _without_empty(items: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in items.items() if item}


def _append(entries: list[Any], column: Column) -> None:
    text = column.text.name if column.text and column.text.is_announced else None
    kind = STRING if column.kind is None else column.kind
    if kind == STRING and not text and column.field != column.name:
        entries.append([column.name, column.field])
    elif kind != STRING or text:
        entry: dict[str, str] = {"name": column.name}
        if column.field != column.name:
            entry["field"] = column.field
        if kind != STRING:
            entry["kind"] = kind
        if text:
            entry["text"] = text
        entries.append(entry)
    elif match := _NUMBERED.fullmatch(column.name):
        last = entries[-1] if entries else None
        if isinstance(last, list) and last[0] == match[1] and isinstance(last[1], int):
            last.append(int(match[2]))
        else:
            entries.append([match[1], int(match[2])])
    else:
        entries.append(column.name)


def _runs(numbers: Iterable[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return runs


def _runs_of_ids(ids: list[tuple[str, int]]) -> list[list[Any]]:
    runs: list[list[Any]] = []
    for text, number in sorted(ids, key=lambda pair: pair[1]):
        if not _NUMBER.fullmatch(text):
            runs.append([text, number])
        elif runs and [int(text), number] == _next(runs[-1]):
            runs[-1][2] += 1
        else:
            runs.append([int(text), number, 1])
    return runs


def _next(run: list[Any]) -> list[int] | None:
    """Return the id and the number that would make a run longer; `None` if it has only one id."""
    match run:
        case [first, number, length]:
            return [first + length, number + length]
    return None


def decode(remembered: Any) -> tuple[list[Entry], list[RememberedFields]]:
    """The columns and the fields of each CRM that `encode` made JSON of.

    Malformed entries are left out, one by one.
    """
    entries: list[Entry | None] = []
    for item in _list(_dict(remembered).get("columns")):
        match item:
            case [str() as name, str() as field]:
                entries.append(_entry({"name": name, "field": field}))
            case [prefix, *numbers]:
                entries += [
                    _entry({"name": f"{prefix}{n}"} if isinstance(prefix, str) and _is(n) else None)
                    for n in numbers
                ]
            case _:
                entries.append(_entry({"name": item} if isinstance(item, str) else item))
    crms = _dict(_dict(remembered).get("crms"))
    return list(filter(None, entries)), [
        _remembered_fields(crm, item, entries)
        for crm, item in crms.items()
        if isinstance(item, dict)
    ]


def _entry(item: Any) -> Entry | None:
    item = _dict(item)
    name = item.get("name")
    if not isinstance(name, str) or storable_text(name) != name:
        return None
    field_, kind, text = item.get("field", name), item.get("kind", STRING), item.get("text")
    return Entry(
        name,
        field_ if isinstance(field_, str) else name,
        kind if kind in (*KINDS, ANYTHING) else STRING,
        text if isinstance(text, str) and storable_text(text) == text else None,
    )


def _remembered_fields(
    crm: str, item: Mapping[str, Any], entries: Sequence[Entry | None]
) -> RememberedFields:
    owners = [
        Owner(naming, identity or _bare(entry), entry)
        for naming, owned in _dict(item.get("columns")).items()
        for identity, position in _owners(_dict(owned), len(entries))
        if (entry := entries[position])
    ]
    opened = [n for run in _list(item.get("open")) for n in _positions(run, len(entries))]
    bare = [_bare(entry) for position in opened if (entry := entries[position])]
    return RememberedFields(crm, owners, bare, item.get("unread") is not True)


def _bare(entry: Entry) -> Identity:
    return Identity(entry.field, is_id=False)


def _owners(item: Mapping[str, Any], total: int) -> Iterator[tuple[Identity | None, int]]:
    """Yield owners and positions of columns; `None` is a field that has no definition."""
    for run in _list(item.get("ids")):
        match run:
            case [str() as text, int() as position] if _is(position) and position < total:
                yield Identity(text, is_id=True), position
            case [int() as first, *place] if _is(first):
                for number, position in enumerate(_positions(place, total), first):
                    yield Identity(str(number), is_id=True), position
    for run in _list(item.get("names")):
        for position in _positions(run, total):
            yield None, position


def _positions(run: Any, total: int) -> Iterator[int]:
    match run:
        case [int() as first, int() as length] if _is(first) and _is(length):
            yield from range(first, min(first + length, total))


def _is(number: Any) -> bool:
    """Whether it is a number that counts something."""
    return type(number) is int and number >= 0


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
