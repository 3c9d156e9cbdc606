"""Values that are nested too deeply for Python cost one clear error, and no traceback."""

from __future__ import annotations

import datetime as dt
import json
import logging

import pytest

from tap_cube.cube.decoding import parse_page
from tap_cube.cube.pages import Page
from tap_cube.cube.resources import Crm
from tap_cube.errors import ReadError
from tap_cube.schema.announced import Policy
from tap_cube.schema.keys import Key
from tap_cube.schema.names import Naming
from tap_cube.schema.registry import Registry
from tap_cube.schema.table import Table

CRM = Crm(2, "B2B")
OWN = {"data_owner_id": {"type": ["integer"]}, "crm_type": {"type": ["string"]}}
DOCUMENTED = {"id": {"type": ["integer"]}, "name": {"type": ["string", "null"]}}


@pytest.mark.parametrize("field", ["name", "other"])
def test_nested_too_deeply(field: str) -> None:
    registry = Registry(OWN, DOCUMENTED, naming=Naming(), pins={})
    key = Key(("data_owner_id", "crm_type", "id"), "id")
    table = Table(registry, key, OWN, DOCUMENTED, logging.getLogger("test"))
    deep = "[" * 900 + "]" * 900
    page = parse_page(f'{{"next":null,"results":[{{"id":1,"{field}":{deep}}}]}}'.encode())
    table.define(CRM, [])
    table.discover(CRM, page.results or ())
    table.announce(Policy())
    now = dt.datetime(2024, 5, 20, tzinfo=dt.timezone.utc)
    for parse in (parse_page, table.parser(CRM)):
        body = json.dumps({"next": None, "results": [{"id": 1}]}).replace(
            '"id": 1', f'"id": 1, "{field}": {deep}'
        )
        records = parse(body.encode()).results or ()
        with pytest.raises(ReadError, match="nested too deeply"):
            table.admit(Page("/list/", records, 1, None, None, now), CRM)
