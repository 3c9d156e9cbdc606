"""A stream as a table: the one way by which the records of a page become rows of its columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tap_cube.cube.decoding import parse_page, row_parser
from tap_cube.errors import ReadError
from tap_cube.schema.announced import Announced
from tap_cube.schema.kinds import MISFIT, conform, conform_all, kind_of
from tap_cube.schema.layouts import Layout
from tap_cube.schema.pins import convert, convert_all
from tap_cube.schema.registry import NamesUnknownError
from tap_cube.schema.rows import Column, RowType, as_dict, suits

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Sequence

    from tap_cube.cube.decoding import Parser
    from tap_cube.cube.pages import Page
    from tap_cube.cube.resources import Crm
    from tap_cube.schema.announced import Policy
    from tap_cube.schema.keys import Key
    from tap_cube.schema.names import Definition
    from tap_cube.schema.registry import Registry

    Record = dict[str, Any]


# To make a type costs as much as to admit so many records without one
_WORTHWHILE = 50


@dataclass(frozen=True)
class Batch:
    """The records of a page, ready to be written.

    Attributes:
        records: Dicts or structs whose members are columns.
        evolved: Whether the schema has to be announced again before the records.
        anonymous: Number of records that were left out, as they lack their key.
    """

    records: Sequence[Any]
    evolved: bool = False
    anonymous: int = 0


class Table:
    """The columns of a stream, and what admits records to them.

    Args:
        registry: The columns, and the fields that they hold.
        key: What identifies records.
        own: The columns that the tap adds to each record.
        documented: The documented fields, in the order in which they are written.
        logger: Where new columns are reported.
    """

    def __init__(
        self,
        registry: Registry,
        key: Key,
        own: Iterable[str],
        documented: Iterable[str],
        logger: logging.Logger,
    ) -> None:
        self._registry = registry
        self._key = key
        self._own = list(own)
        self._documented = list(documented)
        self._announced = Announced(registry, key.columns, logger)
        self._loose: set[str] = set()
        self._layouts: dict[Crm | None, Layout] = {}
        self._columns: dict[str, Column] = {}
        self._row_types: dict[type, RowType] = {}
        #: Number of values of each column that became null, as no column keeps their text.
        self.lost: Counter[str] = Counter()

    # Columns

    def knows(self, crm: Crm | None) -> bool:
        """Return whether `define` was called for a CRM."""
        return crm in self._layouts

    def define(self, crm: Crm | None, definitions: Sequence[Definition] | None) -> None:
        """Tell which fields a CRM defines. This precedes all of its records.

        Args:
            crm: The CRM; `None` if the records belong to the account.
            definitions: The definitions; `None` if the CRM offers none.

        Raises:
            ReadError: If names depend on definitions that are missing.
        """
        if not self.knows(crm):
            try:
                names = self._registry.columns_of(crm or (), definitions)
            except NamesUnknownError as error:
                msg = f"{error}, and the names of its columns depend on them: try again later"
                raise ReadError(msg) from None
            self._layouts[crm] = Layout(names)

    def discover(self, crm: Crm | None, records: Iterable[Record]) -> None:
        """Let records of a sample decide on columns and kinds, until `announce` is called."""
        registry, names = self._registry, self._layouts[crm].names
        for record in records:
            for field, value in record.items():
                column = names[field]
                registry.join(column, kind_of(value))
                try:
                    is_misfit = registry.is_final(column) and registry.hold(column, value) is MISFIT
                except RecursionError:
                    continue  # the read of the CRM fails for it
                if is_misfit:
                    registry.text_column(column)

    def announce(self, policy: Policy, columns: Iterable[str] | None = None) -> None:
        """Fix what was discovered: from now on, columns keep their kinds.

        Args:
            policy: What happens to other columns.
            columns: The columns of a catalog; `None` announces all that are known.
        """
        self._announced.begin(policy, self._registry.properties() if columns is None else columns)

    def prepare(self, crm: Crm | None) -> None:
        """Let the pages of a CRM be parsed into rows from now on. `announce` precedes it."""
        layout = self._layouts[crm]
        self._complete(layout)
        if layout.is_outdated:
            layout.parser, layout.is_outdated = self._new_parser(layout), False

    def release(self, crm: Crm | None) -> None:
        """Free what the pages of a CRM needed. `define` precedes it if the CRM is read again."""
        self._layouts.pop(crm, None)
        self._row_types.clear()

    def _complete(self, layout: Layout) -> None:
        """Let a layout have the announced columns of documented and of defined fields."""
        if layout.is_complete:
            return
        layout.is_complete = True
        for field in dict.fromkeys([*self._documented, *layout.names]):
            if field not in layout and (column := layout.names[field]) in self._announced:
                layout[field] = self._column(column)

    def _column(self, name: str) -> Column:
        """Return a column: one object for all CRMs, once it is announced."""
        if name not in self._columns:
            column = self._new_column(name)
            if name not in self._announced:
                return column
            self._columns[name] = column
        return self._columns[name]

    def _new_column(self, name: str) -> Column:
        kind = self._registry.kind(name)
        converts = name == self._key.field or self._registry.is_pinned(name)
        fit, fit_all = (convert, convert_all) if converts else (conform, conform_all)
        return Column(
            name, kind, partial(fit, kind), partial(fit_all, kind), self._announced.is_written(name)
        )

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of all columns."""
        return self._announced.schema()

    def selected_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the selected columns: the same object until it changes."""
        return self._announced.selected_schema()

    def remember(self) -> dict[str, Any]:
        """Return what a later run needs to give each field the same column and kind.

        Of records that may have two shapes, it says which one the table has.
        """
        shape = {"key": self._key.field} if self._key.other_shape else {}
        return {**self._registry.remember(), **shape}

    @property
    def used_pins(self) -> frozenset[str]:
        """The pins of columns that exist so far."""
        return self._registry.used_pins

    # Records

    def parser(self, crm: Crm | None) -> Parser:
        """Return what parses the pages of a CRM. Any thread may ask for it."""
        layout = self._layouts.get(crm)
        return layout.parser if layout else parse_page

    def _new_parser(self, layout: Layout) -> Parser:
        layout.row_type = None
        names = [column.name for column in layout.values() if column.written]
        if not suits([*layout, *names]) or not layout.keys().isdisjoint(self._own):
            return parse_page
        keys = [self._key.field] if self._key.field else []
        row_type = RowType(
            layout, added=self._own, hidden=self._hidden, keys=keys, loose=self._loose
        )
        self._row_types[row_type.row] = layout.row_type = row_type
        return row_parser(row_type.row)

    def admit(self, page: Page, crm: Crm | None) -> Batch:
        """Return the records of a page as rows of the table.

        Raises:
            ReadError: If records cannot be identified, or new fields are not wanted.
        """
        values: list[Any] = [*([list(page.keys)] if page.keys is not None else []), *(crm or ())]
        try:
            rows = self._rows(page.records, crm, values)
            if rows is not None:
                return Batch(rows)
            return self._admit_dicts([as_dict(record) for record in page.records], crm, values)
        except RecursionError:
            msg = "a record is nested too deeply: report it to Cube"
            raise ReadError(msg) from None

    def _rows(self, records: Sequence[Any], crm: Crm | None, values: Sequence[Any]) -> Any:
        """Return records as they are written; `None` if they need a closer look."""
        if not records:
            return records
        if parsed := self._row_types.get(type(records[0])):
            return parsed.fitted(records, values)
        # The records of a CRM that was read ahead, when its fields were not known
        layout = self._layouts[crm]
        layout.unprepared += len(records)
        if layout.unprepared >= _WORTHWHILE:
            self.prepare(crm)
        row_type = layout.row_type
        rows = row_type.converted(records) if row_type else None
        return row_type.fitted(rows, values) if row_type and rows is not None else None

    @property
    def _hidden(self) -> list[str]:
        """The columns of the tap itself that are not selected."""
        return [name for name in self._own if not self._announced.is_written(name)]

    def _admit_dicts(self, records: list[Record], crm: Crm | None, values: list[Any]) -> Batch:
        layout = self._layouts[crm]
        self._complete(layout)
        identified = self._key.identified(records)
        before = len(self._announced)
        self._admit_fields(identified, layout)
        rows, hidden = [], self._hidden
        for position, record in enumerate(identified):
            row = self._fitted(record, layout)
            for name, value in zip(self._own, values, strict=True):
                if name not in hidden:
                    row[name] = value[position] if isinstance(value, list) else value
            rows.append(row)
        evolved = len(self._announced) > before
        return Batch(rows, evolved, len(records) - len(identified))

    def _admit_fields(self, records: Iterable[Record], layout: Layout) -> None:
        """Give fields that the layout lacks their columns."""
        registry = self._registry
        new: dict[str, str] = {}
        for record in records:
            # In the order of the record: that of a set differs between two runs
            for field in record:
                if field not in layout:
                    name = new[field] = layout.names[field]
                    registry.join(name, kind_of(record[field]))
        if not new:
            return
        self._announced.offer(new.values())
        for field, name in new.items():
            layout[field] = self._column(name)
        layout.is_outdated = True

    def _fitted(self, record: Record, layout: Layout) -> Record:
        """Return a record as its columns hold it."""
        row, texts = layout.fit(record)
        if loose := layout.loose(record) - self._loose:
            self._loose |= loose
            layout.is_outdated = True
        for name, text in texts.items():
            if name == self._key.field:
                msg = f"a record has a `{name}` that is no {self._registry.kind(name)}"
                raise ReadError(msg)
            twin = self._registry.text_column(name)
            self._announced.offer([twin])
            if self._announced.is_written(twin):
                row[twin] = text
            else:
                self.lost[name] += 1
        return row
