"""What `stream_maps` may hold."""

from __future__ import annotations

import logging

import pytest
from singer_sdk.exceptions import ConfigurationError

from tap_cube.config import maps
from tap_cube.config.settings import SETTINGS
from tap_cube.config.validation import validated

GOOD = {"account": "acme", "auth_token": "t0ken"}


@pytest.mark.parametrize("expression", ["email", " email", "\n  email\n"])
def test_an_expression_may_have_blanks_around_it(expression: str) -> None:
    """As of a template, or of YAML. The SDK refuses blanks before it."""
    alias = expression.replace("email", "'people'")
    definition = {"mail": expression, "__filter__": expression, "__alias__": alias}
    settings = {**GOOD, "stream_maps": {"customers": definition}}
    mapper = maps.Mapper(validated(settings, SETTINGS), logging.getLogger(__name__), {"customers"})
    schema = {"properties": {"email": {"type": ["string", "null"]}}}
    mapper.register_raw_stream_schema("customers", schema, ["email"])
    (people,) = mapper.stream_maps["customers"]
    assert people.stream_alias == "people"
    record = people.transform({"email": "kari@example.com"})
    assert record == {"email": "kari@example.com", "mail": "kari@example.com"}


@pytest.mark.parametrize("expression", ["md5(email", "email; name", "x = email", " "])
def test_an_expression_is_one_expression(expression: str) -> None:
    with pytest.raises(ConfigurationError, match=r"`stream_maps\.customers\.mail`"):
        maps.check({"stream_maps": {"customers": {"mail": expression}}})
