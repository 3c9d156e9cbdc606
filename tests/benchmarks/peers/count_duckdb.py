"""How many different customers a table holds."""

from __future__ import annotations

import sys

import duckdb


def main(database: str, table: str) -> None:
    query = f"select count(distinct id) from {table}"  # noqa: S608  # a name of this project's own
    connection = duckdb.connect(database, read_only=True)
    ((count,),) = connection.sql(query).fetchall()
    sys.stdout.write(f"{count}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
