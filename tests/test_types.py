"""What warehouse targets create for the tap's columns, by their own code, without a server."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tap_cube.schema import kinds
from tap_cube.schema.documented import KEYED_COLUMNS
from tap_cube.schema.keys import ROW_KEY
from tests.targets import ROOT, install, programs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

KINDS = (
    *(kinds.INTEGER, kinds.NUMBER, kinds.BOOLEAN, kinds.STRING),
    *(kinds.DATE, kinds.DATE_TIME, kinds.OBJECT, kinds.ARRAY),
)
NAME = "Beste tid på døgnet"
# Each program prints the types that the target has for `columns`, and what it calls `name`
START = "import json, sys\ncolumns, name = map(json.loads, sys.argv[1:])\n"
SNOWFLAKE = """
from snowflake.sqlalchemy.snowdialect import dialect
from target_snowflake.connector import SnowflakeConnector
connector = SnowflakeConnector(config=CONFIG)
# Otherwise it would be the one of a connection
vars(connector)["formatter"] = dialect().identifier_preparer
to_sql_type = connector.jsonschema_to_sql.to_sql_type
types = [str(to_sql_type(each).compile(dialect=dialect())) for each in columns]
print(json.dumps([*types, connector.format_identifier(name)]))
"""
BIGQUERY = """
from target_bigquery.core import SchemaTranslator
named = {**{str(number): each for number, each in enumerate(columns)}, name: columns[0]}
fields = SchemaTranslator({"properties": named}, {}).translated_schema_transformed
types = [f"{each.field_type} {each.mode}".removesuffix(" NULLABLE") for each in fields[:-1]]
print(json.dumps([*types, fields[-1].name]))
"""
SQL_SERVER = """
from sqlalchemy.dialects.mssql import dialect
from target_mssql.connector import mssqlConnector
from target_mssql.sinks import mssqlSink
to_sql_type = mssqlConnector(config={"sqlalchemy_url": "mssql+pymssql://u:p@h/d"}).to_sql_type
types = [str(to_sql_type(each).compile(dialect=dialect())) for each in columns]
print(json.dumps([*types, object.__new__(mssqlSink).conform_name(name, "column")]))
"""
REDSHIFT = """
from target_redshift.db_sync import column_type, safe_column_name
print(json.dumps([*map(column_type, columns), safe_column_name(name).strip('"')]))
"""


@dataclass(frozen=True)
class Warehouse:
    """A warehouse that cannot be run here, and a target for it.

    Attributes:
        target: What is installed, as the page names it.
        programs: By the heads of its columns on the page.
        more: What the target needs besides.
        instead: What is installed in place of all that it asks for, if that is impossible.
    """

    target: str
    programs: dict[str, str]
    more: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


# A library of old SDKs imports pkg_resources, which later ones lack
OLD_SDK = ("setuptools<80",)
WAREHOUSES = (
    Warehouse(
        "meltanolabs-target-snowflake==0.20.4",
        {
            "Snowflake": SNOWFLAKE.replace("CONFIG", "{}"),
            "Snowflake, `timestamp_type: TIMESTAMP_TZ`": SNOWFLAKE.replace(
                "CONFIG", '{"timestamp_type": "TIMESTAMP_TZ"}'
            ),
        },
    ),
    Warehouse("z3-target-bigquery==0.7.2", {"BigQuery, `denormalized: true`": BIGQUERY}, OLD_SDK),
    Warehouse(
        "target-mssql==0.2.1",
        {"SQL Server": SQL_SERVER},
        # It says that it needs Python 3.10 or older
        ("--ignore-requires-python", *OLD_SDK),
    ),
    Warehouse(
        "pipelinewise-target-redshift==1.6.0",
        {"Redshift": REDSHIFT},
        # It asks for a psycopg2 that does not build with newer Pythons
        instead=(
            *("psycopg2-binary>=2.9", "boto3", "inflection", "joblib"),
            "pipelinewise-singer-python==1.3.0",
        ),
    ),
)


def table() -> tuple[list[str], list[list[str]]]:
    """The head and the rows of the page's table."""
    page = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")
    section = page.partition("<!-- types -->")[2].partition("<!-- /types -->")[0]
    lines = [line[2:-2].split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return lines[0], lines[1:]


@pytest.mark.parametrize("warehouse", WAREHOUSES, ids=lambda warehouse: warehouse.target)
def test_the_page_shows_the_types(warehouse: Warehouse, tmp_path: Path) -> None:
    if warehouse.instead:
        install(environment := tmp_path / "target", *warehouse.instead)
        install(environment, "--no-deps", warehouse.target)
    else:
        install(environment := tmp_path / "target", warehouse.target, *warehouse.more)
    python = str(programs(environment) / "python")
    columns = [*map(kinds.property_of, KINDS), KEYED_COLUMNS[ROW_KEY]]
    head, rows = table()
    for title, program in warehouse.programs.items():
        command = [python, "-c", START + program, json.dumps(columns), json.dumps(NAME)]
        found = json.loads(subprocess.check_output(command))  # noqa: S603  # the lines above
        assert [row[head.index(title)] for row in rows] == found, title
    page = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")
    assert warehouse.target.replace("==", "` ") in page


def test_the_page_shows_all_kinds_and_warehouses() -> None:
    head, rows = table()
    assert head[1:] == [title for warehouse in WAREHOUSES for title in warehouse.programs]
    assert [row[0] for row in rows] == [*KINDS, f"`{ROW_KEY}`", f"the name of `{NAME}`"]
