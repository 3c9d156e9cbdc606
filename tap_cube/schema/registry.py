"""The columns of a stream: a field keeps its column, and a column keeps its kind.

A stream is one table, the union of its CRMs. Fields of different CRMs share a column if they are
called alike when they first appear. Within a CRM, a column belongs to one field for ever.

There are two operations: admit a field, which gets its column or a new one, and join a kind, which
has no effect once the column was announced. Discovery applies them to samples and definitions,
schema evolution to the records of a page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_cube.schema import kinds
from tap_cube.schema.columns import EVERY_CRM, Column, Columns, Fields, Identity
from tap_cube.schema.kinds import storable_text
from tap_cube.schema.memory import decode, encode
from tap_cube.schema.names import CUSTOM_INFO, fold, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_cube.schema.kinds import Property
    from tap_cube.schema.memory import Entry, RememberedFields
    from tap_cube.schema.names import Definition

_CUSTOM_INFO = re.compile(re.escape(CUSTOM_INFO) + "(.+)", re.DOTALL)
_TEXT = "__text"
# What is left of a long name in snake case if a suffix follows
_SHORTEST = 38


class NamesUnknownError(Exception):
    """The definitions of a CRM are unavailable, and its fields cannot be told apart without."""


@dataclass(eq=False)
class Registry(Columns):
    """The columns of a stream, and the fields of each CRM that own them.

    A registry lives for one run. It is not made for use by several threads.
    """

    _fields: dict[str, Fields] = field(default_factory=dict, init=False)
    _crms: dict[str, CrmColumns] = field(default_factory=dict, init=False)

    # Memory

    def restore(self, remembered: Any) -> dict[str, set[str]]:
        """Load what `remember` returned, from STATE or a catalog; of several, the first counts.

        Malformed entries are ignored one by one.

        Returns:
            For each remembered column, the columns of its fields. They have other ones if what was
            loaded before says so.
        """
        entries, crms = decode(remembered)
        for entry in entries:
            self._restore_column(entry)
        places: dict[str, set[str]] = {}
        for fields in crms:
            for name, place in self._restore_fields(fields):
                places.setdefault(name, set()).add(place)
        return places

    def _restore_column(self, entry: Entry) -> None:
        column = self._by_fold.get(fold(entry.name))
        if column is None:
            column = self._add(Column(entry.name, entry.field, entry.kind))
        elif column.name != entry.name or column.of or fold(entry.name) in self._own:
            return
        elif column.is_fixed and not column.is_announced and not column.is_pinned:
            column.kind = entry.kind
        column.is_settled = column.is_announced = True
        if entry.text and not column.text and fold(entry.text) not in self._by_fold:
            self._add_text(column, entry.text).is_announced = True

    def _restore_fields(self, remembered: RememberedFields) -> Iterator[tuple[str, str]]:
        fields = self._fields_of(remembered.crm)
        before = fields.is_read
        for naming, identity, entry in remembered.owners:
            column = self._columns.get(entry.name)
            if column and column.is_fixed:
                continue
            if column and column.of:
                column = None  # it holds misfits, and not the field that is called so
            held = fields.column(naming, identity)
            is_its = column and (identity.is_id or column.field == identity.text)
            if column and is_its and not held and fields.may_take(identity, column):
                fields.take(naming, identity, column)
                held = column
            if naming == self.naming.code:
                yield entry.name, held.name if held else self._place(fields, identity, entry)
        fields.is_read = fields.is_read or remembered.is_read
        if not before:
            fields.open.update(remembered.open)

    def _place(self, fields: Fields, identity: Identity, entry: Entry) -> str:
        """The column of a field whose remembered column is another's by now."""
        if identity.is_id:
            name = f"{CUSTOM_INFO}{identity.text}" if self.naming.prefixed else entry.field
            bare = Identity(name, is_id=False)
            defined_soon = fields.column(self.naming.code, bare)
            if defined_soon and self._may_define(fields, bare):
                return defined_soon.name
            return self.admit(fields, identity, entry.field)
        column = self._columns.get(entry.name)
        owners = column.owners.get(fields.crm, ()) if column and column.field == entry.field else ()
        if any(owner.is_id for owner in owners):
            return entry.name  # most likely one field, before and after the CRM defined it
        return self.admit(fields, identity, entry.field)

    def _may_define(self, fields: Fields, bare: Identity) -> bool:
        """Whether a new definition of this name is the field that had no definition before."""
        return bare in fields.open or (self.naming.prefixed and fields.know(bare))

    def restore_properties(self, properties: Mapping[str, Any], *, is_first: bool = True) -> None:
        """Load the columns of a catalog: their kinds, and what the user wrote about them.

        What `restore` loaded before takes precedence. The fields of columns that it did not load
        are recognised by their names.

        Args:
            properties: JSON Schema of the columns.
            is_first: Whether no earlier run has decided on the kinds of documented columns.
        """
        properties = {n: schema for n, schema in properties.items() if isinstance(schema, dict)}
        found = {name: kinds.kind_of_property(schema) for name, schema in properties.items()}
        texts = [
            name
            for name, kind in found.items()
            if name.endswith(_TEXT)
            and kind == kinds.STRING != found.get(name.removesuffix(_TEXT), kinds.STRING)
        ]
        for name, schema in properties.items():
            if name not in texts:
                self._restore_property(name, schema, is_first=is_first)
        for name in texts:
            column = self._columns.get(name.removesuffix(_TEXT))
            if column and not column.text and fold(name) not in self._by_fold:
                self._add_text(column, name).is_announced = True

    def _restore_property(self, name: str, schema: Property, *, is_first: bool) -> None:
        kind = kinds.kind_of_property(schema)
        column = self._by_fold.get(fold(name))
        if column is None:
            column = self._add(Column(name, self._field_of(name, schema), kind))
        elif column.name != name or fold(name) in self._own:
            return
        elif column.is_fixed and is_first and not column.is_announced and not column.is_pinned:
            column.kind = kind
        column.is_settled = column.is_announced = True
        if column.is_fixed or "null" in schema.get("type", ("null",)):
            column.schema = {**schema}

    def _field_of(self, name: str, schema: Property) -> str:
        """What the field of a catalog's column is called: its title, unless that is a label."""
        title = schema.get("title")
        if not isinstance(title, str):
            return name
        plain = self.naming.plain(title)
        if plain == name:
            return key_of(title)
        start = f"{plain[:_SHORTEST]}_" if self.naming.snake_case else f"{plain} ("
        has_suffix = self.naming.by_definitions and name.startswith(start)
        return key_of(title) if has_suffix else name

    def remember(self) -> dict[str, Any]:
        """What a later run needs to give each field the same column, and each column the same kind.

        It has the names and kinds of the announced columns, and the ids of definitions.
        """
        columns = [
            column
            for column in self._columns.values()
            if column.is_announced and not column.of and self._is_worth_remembering(column)
        ]
        return encode(columns, self._fields.values())

    def _is_worth_remembering(self, column: Column) -> bool:
        if not column.is_fixed:
            return True
        given = kinds.kind_of_property(self._given[column.name])
        return column.kind != given or column.text is not None

    # Fields

    def columns_of(
        self, crm: Sequence[Any], definitions: Sequence[Definition] | None
    ) -> CrmColumns:
        """The columns of a CRM's fields, by the names that its records have.

        Args:
            crm: What identifies the CRM; empty for a stream that is not read by CRMs.
            definitions: The fields that the CRM defines; `None` if they could not be read.

        Returns:
            A mapping that admits fields as they are looked up. A CRM has one per run.

        Raises:
            NamesUnknownError: If names depend on definitions that could not be read.
        """
        key = storable_text("/".join(map(str, crm))) if self.naming.by_definitions else EVERY_CRM
        fields = self._fields_of(key)
        if key == EVERY_CRM:
            columns = self._crms.setdefault(key, CrmColumns(self, fields, frozenset()))
            for definition in definitions or ():
                self._describe(columns[definition.lookup], definition)
        elif key not in self._crms:
            if definitions is None and (self.naming.labels or fields.is_read):
                msg = "the definitions of its fields are unavailable"
                raise NamesUnknownError(msg)
            self._crms[key] = self._defined(fields, definitions)
        return self._crms[key]

    def _defined(self, fields: Fields, definitions: Sequence[Definition] | None) -> CrmColumns:
        """The columns of the fields that a CRM defines; others are admitted later."""
        by_name: dict[str, list[Definition]] = {}
        for definition in definitions or ():
            name = definition.lookup if self.naming.prefixed else definition.label
            if name not in self._documented:
                by_name.setdefault(name, []).append(definition)
        columns = CrmColumns(self, fields, frozenset(d.id for d in definitions or ()))
        for name, (first, *others) in by_name.items():
            # Definitions with one label: their values cannot be told apart. With one lookup: absurd
            ids = [first.id] if self.naming.prefixed else [first.id, *(d.id for d in others)]
            identity = Identity.of(ids)
            bare = Identity(key_of(name), is_id=False)
            if self._may_define(fields, bare) and not fields.know(identity):
                fields.hand_over(bare, identity)
            columns[name] = self.admit(fields, identity, first.label)
            self._describe(columns[name], first, *others)
        if definitions is not None:
            fields.open.clear()
            fields.is_read = True
        return columns

    def _describe(self, name: str, *definitions: Definition) -> None:
        column = self._columns[name]
        if column.is_fixed:
            return
        column.title = column.title or definitions[0].label
        if not self.is_final(name) and all(definition.is_text for definition in definitions):
            column.kind, column.is_settled = kinds.STRING, True

    def admit_bare(self, fields: Fields, name: str, defined: frozenset[str]) -> str:
        """The column of a field that its CRM does not define; a new one if it has none.

        Args:
            fields: The CRM's fields.
            name: Its name in records.
            defined: The ids of those that the CRM defines.
        """
        if name in self._documented:
            return name
        identity = Identity(key_of(name), is_id=False)
        if self.naming.labels and (match := _CUSTOM_INFO.fullmatch(name)):
            # The same field as the one that the CRM defined, or will define, by this id
            if match[1] not in defined:
                identity = Identity.of([match[1]])
        elif fields.crm != EVERY_CRM and not fields.know(identity):
            fields.open.add(identity)
        return self.admit(fields, identity, name)

    def admit(self, fields: Fields, identity: Identity, name: str) -> str:
        """The column of a field; a new one if it has none.

        Args:
            fields: The CRM's fields.
            identity: What the field is recognised by.
            name: What it is called.
        """
        column = fields.column(self.naming.code, identity)
        if column is None:
            column = self._column_for(fields, identity, name)
            fields.take(self.naming.code, identity, column)
        return column.name

    def _column_for(self, fields: Fields, identity: Identity, field: str) -> Column:
        """A column that no other field of the CRM ever had: one of another CRM's, or a new one."""
        id_ = identity.text if identity.is_id else None
        for name in self.naming.candidates(field, id_, self._own):
            column = self._by_fold.get(fold(name))
            if column is None:
                return self._add(Column(name, key_of(field)))
            is_extra = not column.is_fixed and not column.of
            is_alike = column.name == name and column.field == key_of(field)
            if is_extra and is_alike and fields.may_take(identity, column):
                return column
        raise AssertionError  # there are endless candidates

    def _fields_of(self, crm: str) -> Fields:
        return self._fields.setdefault(crm, Fields(crm))


class CrmColumns(dict[str, str]):
    """The columns of a CRM's fields, by the names that its records have; filled on demand.

    Args:
        registry: The columns of the stream.
        fields: The CRM's fields.
        defined: The ids of the fields that the CRM defines.
    """

    def __init__(self, registry: Registry, fields: Fields, defined: frozenset[str]) -> None:
        super().__init__()
        self._registry = registry
        self._fields = fields
        self._defined = defined

    def __missing__(self, field: str) -> str:
        self[field] = column = self._registry.admit_bare(self._fields, field, self._defined)
        return column
