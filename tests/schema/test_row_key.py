"""The SCHEMA tells targets how long a `row_key` can be."""

from __future__ import annotations

from tap_cube.readers.row_keys import KEY_LENGTH, row_key
from tap_cube.schema.documented import KEYED_COLUMNS
from tap_cube.schema.keys import ROW_KEY


def test_the_length_that_the_schema_tells_is_that_of_the_keys() -> None:
    longest = row_key(b"\xff" * 16, 9_999_999_999)
    assert KEYED_COLUMNS[ROW_KEY]["maxLength"] == KEY_LENGTH == len(longest)
