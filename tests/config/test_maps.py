"""What `stream_maps` may hold."""

from __future__ import annotations

import pytest
from singer_sdk.exceptions import ConfigurationError

from tap_cube.config import maps


@pytest.mark.parametrize("expression", ["md5(email)", " md5(email)", "\n  md5(email)\n"])
def test_an_expression_may_have_blanks_around_it(expression: str) -> None:
    maps.check({"stream_maps": {"customers": {"mail": expression}}})


@pytest.mark.parametrize("expression", ["md5(email", "email; name", "x = email", " "])
def test_an_expression_is_one_expression(expression: str) -> None:
    with pytest.raises(ConfigurationError, match=r"`stream_maps\.customers\.mail`"):
        maps.check({"stream_maps": {"customers": {"mail": expression}}})
