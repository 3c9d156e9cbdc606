"""The types that a warehouse target creates for the tap's columns, by its own code, offline."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tap_cube.schema import kinds
from tap_cube.schema.documented import KEYED_COLUMNS
from tap_cube.schema.keys import ROW_KEY
from tests.targets import ROOT, install, programs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

REQUIREMENT = "meltanolabs-target-snowflake==0.20.4"
# Prints the type of each column that it is given: no server is asked
TYPES = """
import json, sys
from snowflake.sqlalchemy.snowdialect import dialect
from target_snowflake.connector import SnowflakeConnector

config, columns = map(json.loads, sys.argv[1:])
to_sql = SnowflakeConnector(config=config).jsonschema_to_sql
print(json.dumps([str(to_sql.to_sql_type(each).compile(dialect=dialect())) for each in columns]))
"""
KINDS = (
    *(kinds.INTEGER, kinds.NUMBER, kinds.BOOLEAN, kinds.STRING),
    *(kinds.DATE, kinds.DATE_TIME, kinds.OBJECT, kinds.ARRAY),
)


def test_the_page_shows_the_types_in_snowflake(tmp_path: Path) -> None:
    install(tmp_path / "snowflake", REQUIREMENT)
    python = str(programs(tmp_path / "snowflake") / "python")
    schemas = [*map(kinds.property_of, KINDS), KEYED_COLUMNS[ROW_KEY]]
    types = [
        json.loads(
            subprocess.check_output([python, "-c", TYPES, json.dumps(config), json.dumps(schemas)])  # noqa: S603  # the lines above
        )
        for config in ({}, {"timestamp_type": "TIMESTAMP_TZ"})
    ]
    rows = zip((*KINDS, f"`{ROW_KEY}`"), *types, strict=True)
    page = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")
    section = page.partition("<!-- types -->")[2].partition("<!-- /types -->")[0]
    shown = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert shown == [f"| {' | '.join(row)} |" for row in rows]
    assert REQUIREMENT.replace("==", "` ") in page
