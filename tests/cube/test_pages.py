"""Links between pages: paths on the configured origin, with or without page numbers."""

from __future__ import annotations

import pytest

from tap_cube.cube.pages import local_link, page_number, spread, with_page_number
from tap_cube.errors import ReadError

LIST = "/api/v1/data_owners/2/crm/B2B/customers/"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (f"http://elsewhere.example{LIST}?page=2", f"{LIST}?page=2"),
        (f"{LIST}?page=2", f"{LIST}?page=2"),
        ("?page=2", f"{LIST}?page=2"),
        ("../leads/?page=2", "/api/v1/data_owners/2/crm/B2B/leads/?page=2"),
        ("http://elsewhere.example", "/"),
        (f"//elsewhere.example{LIST}?a=%20#fragment", f"{LIST}?a=%20"),
    ],
)
def test_a_link_is_reduced_to_path_and_query(link: str, expected: str) -> None:
    assert local_link(f"{LIST}?page=1", link) == expected


def test_a_link_that_is_no_url() -> None:
    with pytest.raises(ReadError, match="no URL"):
        local_link(LIST, "http://[")


@pytest.mark.parametrize(
    ("link", "number"),
    [
        (f"{LIST}?page=2", 2),
        (f"{LIST}?size=9&page=12&x=1", 12),
        (f"{LIST}?page_size=50", None),
        (f"{LIST}?page=", None),
        (f"{LIST}?page=2a", None),
        (f"{LIST}?page=\u0662", None),
        (LIST, None),
    ],
)
def test_page_number(link: str, number: int | None) -> None:
    assert page_number(link) == number
    if number is not None:
        other = with_page_number(link, number + 7)
        assert page_number(other) == number + 7
        assert with_page_number(other, number) == link


@pytest.mark.parametrize("total", range(12))
@pytest.mark.parametrize("wanted", range(1, 8))
def test_spread(total: int, wanted: int) -> None:
    indices = spread(total, wanted)
    assert indices == sorted({*indices})
    assert len(indices) == min(total, max(wanted, 2))
    if total:
        assert (indices[0], indices[-1]) == (0, total - 1)
