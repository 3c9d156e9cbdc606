"""Lists that are requested as a whole."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tap_cube.cube.decoding import parse_list
from tap_cube.cube.pages import Page
from tap_cube.readers.whole import WholeReader
from tests.readers.simulation import LIST, NOW


@pytest.mark.parametrize(
    ("body", "is_doubtful"),
    [
        (b"[]", False),
        (b'{"results": [], "next": null, "count": 0}', False),
        (b'{"results": null, "next": null, "count": null}', True),
        (b'{"results": [{}], "next": null, "count": null}', False),
    ],
)
def test_an_empty_list(body: bytes, *, is_doubtful: bool) -> None:
    parsed = parse_list(body)
    pages: Future[list[Page]] = Future()
    pages.set_result([Page(LIST, parsed.results or [], parsed.count, None, None, NOW)])
    reader = WholeReader(lambda: pages)
    assert len(list(reader)) == 1
    assert bool(reader.doubts) is is_doubtful
