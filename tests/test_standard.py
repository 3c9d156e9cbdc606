"""The SDK's own suite for taps, against a full CRM and an empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_cube.sandbox import Sandbox
from tap_cube.tap import TapCube
from tests.support import select

if TYPE_CHECKING:
    from collections.abc import Iterator

# The suite asks the tap for its streams while pytest still collects, before any fixture
_cube = Sandbox(customers=60)
_cube.__enter__()


@pytest.fixture(scope="module", autouse=True)
def _stop() -> Iterator[None]:
    yield
    _cube.__exit__(None, None, None)


def _suite(owner: int, crm_type: str, **more: Any) -> type:
    crm = {"data_owner_id": owner, "crm_type": crm_type}
    config = {"api_url": _cube.url, "auth_token": _cube.token, "crms": [crm]}
    tap = TapCube(config=config)
    return get_tap_test_class(
        TapCube,
        config=config,
        # The suite takes each stream as selected, which `customer_details` is not by default
        catalog=select(tap.catalog_dict, *tap.streams),
        suite_config=SuiteConfig(**more),
        parse_env_config=False,
    )


# No customer has the field that only the definitions name, and no company a date of birth
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
@pytest.mark.filterwarnings("ignore:No records were available to test")
class TestFullCrm(_suite(2, "B2B", max_records_limit=None)):  # type: ignore[misc]
    """Every record of 2/B2B."""


@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
class TestEmptyCrm(_suite(1, "B2C", ignore_no_records=True)):  # type: ignore[misc]
    """1/B2C, which has no customers."""


def test_the_suite_was_collected(request: pytest.FixtureRequest) -> None:
    """The SDK builds the tests by name: an empty class would pass as well."""
    names = {item.name.partition("[")[0] for item in request.session.items}
    assert {"test_tap_discovery", "test_tap_stream_returns_record"} <= names
