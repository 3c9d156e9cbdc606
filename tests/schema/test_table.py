"""Records become rows of a table, whichever way they come."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest

from tap_cube.cube.decoding import parse_page
from tap_cube.cube.pages import Page
from tap_cube.cube.resources import Crm
from tap_cube.errors import ReadError
from tap_cube.schema.announced import Policy
from tap_cube.schema.keys import Key
from tap_cube.schema.names import Naming
from tap_cube.schema.registry import Registry
from tap_cube.schema.rows import Row, as_dict
from tap_cube.schema.table import Table

CRM = Crm(2, "B2B")
OWN = {"data_owner_id": {"type": ["integer"]}, "crm_type": {"type": ["string"]}}
DOCUMENTED = {"id": {"type": ["integer"]}, "name": {"type": ["string", "null"]}}
NOW = dt.datetime(2024, 5, 20, tzinfo=dt.timezone.utc)


def table_of(sample: str = "") -> Table:
    """A table that was discovered, in which the CRM's turn has come."""
    registry = Registry(OWN, DOCUMENTED, naming=Naming(), pins={})
    key = Key(("data_owner_id", "crm_type", "id"), "id")
    table = Table(registry, key, OWN, DOCUMENTED, logging.getLogger("test"))
    table.define(CRM, [])
    table.discover(CRM, parse_page(body(sample)).results or ())
    table.announce(Policy())
    table.prepare(CRM)
    return table


def body(*members: str) -> bytes:
    records = ",".join(f'{{"id":{id_}{each}}}' for id_, each in enumerate(members, 1))
    return f'{{"next":null,"results":[{records}]}}'.encode()


def page(records: Any) -> Page:
    return Page("/list/", records or (), None, None, None, NOW)


@pytest.mark.parametrize("field", ["name", "other"])
def test_nested_too_deeply(field: str) -> None:
    """It costs one clear error, and no traceback."""
    deep = f',"{field}":{"[" * 900 + "]" * 900}'
    table = table_of(deep)
    for parse in (parse_page, table.parser(CRM)):
        with pytest.raises(ReadError, match="nested too deeply"):
            table.admit(page(parse(body(deep)).results), CRM)


@pytest.mark.parametrize(
    ("members", "is_row"),
    [
        ([',"name":"Kari"', ',"name":null'], True),
        ([',"name":"Kari"', ',"name":"a\\u0000b"'], False),
        ([',"name":"Kari"', ',"name":5'], False),
        ([',"name":"Kari"', ',"other":5'], False),
    ],
)
def test_dicts_become_rows_where_they_suit(members: list[str], *, is_row: bool) -> None:
    """Pages of a CRM that is read ahead are dicts, as its fields are not known by then."""
    records = parse_page(body(*members)).results
    rows = table_of().admit(page(records), CRM).records
    assert all(isinstance(row, Row) == is_row for row in rows)
    parsed = table_of()
    expected = parsed.admit(page(parsed.parser(CRM)(body(*members)).results), CRM).records
    assert [*map(as_dict, rows)] == [*map(as_dict, expected)]
    assert "\0" not in str(rows)


def test_a_crm_that_was_released_can_be_read_again() -> None:
    table = table_of()
    parsed = table.parser(CRM)(body("")).results
    table.release(CRM)
    assert not table.knows(CRM)
    assert table.parser(CRM) is parse_page
    table.define(CRM, [])
    assert [*map(as_dict, table.admit(page(parsed), CRM).records)] == [
        {"id": 1, "data_owner_id": 2, "crm_type": "B2B"}
    ]
