"""The columns of one CRM's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_cube.cube.decoding import parse_page
from tap_cube.schema.kinds import MISFIT, text_of
from tap_cube.schema.rows import Column, is_plain

if TYPE_CHECKING:
    from tap_cube.cube.decoding import Parser
    from tap_cube.schema.registry import CrmColumns
    from tap_cube.schema.rows import RowType

    Record = dict[str, Any]


class Layout(dict[str, Column]):
    """The columns of one CRM's fields, in the order in which records are written.

    Attributes:
        names: Admits fields to columns.
        parser: Parses the CRM's pages: into rows, if its fields are known and suit. Any thread may
            read it.
        row_type: What these rows are; `None` if its fields do not suit.
        is_complete: Whether it has the announced columns. Discovery needs none of them.
        unprepared: Number of records that were no rows when they came.
        is_outdated: Whether the parser has to be made again.
    """

    def __init__(self, names: CrmColumns) -> None:
        super().__init__()
        self.names = names
        self.parser: Parser = parse_page
        self.row_type: RowType | None = None
        self.is_complete = False
        self.unprepared = 0
        self.is_outdated = True

    def fit(self, record: Record) -> tuple[Record, dict[str, str | None]]:
        """Return a record as its columns hold it, and the texts of values that do not fit."""
        row: Record = {}
        texts: dict[str, str | None] = {}
        for field, column in self.items():
            if field not in record or not column.written:
                continue
            value = column.fit(record[field])
            if value is MISFIT:
                texts[column.name] = text_of(record[field])
                value = None
            row[column.name] = value
        return row, texts

    def loose(self, record: Record) -> set[str]:
        """Return the columns for which a record has a value that needs a closer look."""
        return {
            column.name
            for field, column in self.items()
            if column.written and field in record and not is_plain(column.kind, record[field])
        }
