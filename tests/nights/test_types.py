"""A column keeps its type, night after night, and no value is lost: neither a sum nor a text."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.nights.cube import Crm, Cube
from tests.nights.nights import Mode, Nights

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Record, Run, Tap

CRM, OTHER = (2, "B2B"), (3, "B2B")
KEYS = {"customers": "id", "product_registrations": "row_key"}
MONDAY = dt.datetime(2024, 5, 20, 8, tzinfo=dt.timezone.utc)
#: Days after the first night. The odd sale is then older than 30 days, which discovery looks at.
LATER = (0, 1, 2, 3, 5)
ODD_SALE = dt.date(2024, 4, 23)
PRICE = "product__price"


class Shop:
    """A CRM whose values are sometimes of another type.

    Args:
        discovers: Whether discovery precedes the read each night, and not only in the first one.

    Attributes:
        crm: What it has.
        fields: The type of a field's column, and its values by night and customer. From the second
            night on, the third customer's value comes in the midst of the read.
        prices: The price of each sale, by its product code.
        looks: How often the second page has yet to be requested before it changes.
    """

    fields: ClassVar[dict[str, tuple[str, list[tuple[Any, ...]]]]] = {
        "Antall": ("integer", [(1, 2, 3), (1, 2, 30), (10, 2, "ca. 30"), (1, "2", 3), (1, 2, 5)]),
        "Rettet": ("string", [(1, "ukjent", 3), (1, 2, 3), (1, 2, 4), (5, 2, 3), (1, 2, 3)]),
        "Tom": ("string", [("", None, ""), (1, 2, 3), ("", 2.5, 3), (1, None, 3), (1, 2, "x")]),
        "Vekt": ("number", [(1, 2.5, 3), (1, 2, 3), (1, 2, 30.75), (True, 2, 3), (1, 2, "3,5")]),
        "Konto": ("string", [(1, 10**24, 3), (1, 2, 3), (10**24, 2, 3), (1, 2, 3), (1, 2, 3)]),
        "Aktiv": ("boolean", [(True, False, True), (True, True, 1), (True, "ja", "True")]),
        "birth_date": ("date", [("1990-01-31", None, ""), ("1990-01-31", "", "ukjent")]),
    }

    def __init__(self, *, discovers: bool) -> None:
        self.crm = Crm([], [], {"product_registrations": []})
        self.night = -1
        self._discovers = discovers
        self.looks = 0
        self.prices: dict[str, Any] = {}

    def tonight(self, day: dt.date) -> None:
        self.night += 1
        self.looks = int(self._discovers or self.night == 0)
        self.crm.customers = [self._customer(n, late=False) for n in range(3)]
        sales: list[tuple[dt.date, Any]] = [
            (day - dt.timedelta(days=3), 100 + self.night),
            (day - dt.timedelta(days=3), 0.5),
        ]
        if self.night == 0:
            sales.append((ODD_SALE, "ca. 100"))
        for number, (when, price) in enumerate(sales):
            self.prices[f"{self.night}-{number}"] = price
            self.crm.events["product_registrations"].append(
                (str(when), self._sale(f"{self.night}-{number}", when, number, price))
            )
        self.crm.events["product_registrations"].sort(key=lambda event: event[0])

    def change(self, target: str) -> None:
        """Let values be others on the second page than discovery saw."""
        if "customers/" not in target or "page=2" not in target:
            return
        self.looks -= 1
        if self.looks < 0:
            self.crm.customers = [self._customer(n, late=True) for n in range(3)]

    def value(self, field: str, number: int, *, late: bool) -> Any:
        nights = self.fields[field][1]
        if self.night and number == 2 and not late:
            return nights[0][2]
        return nights[min(self.night, len(nights) - 1)][number]

    def _customer(self, number: int, *, late: bool) -> Record:
        fields = {name: self.value(name, number, late=late) for name in self.fields}
        return {"id": number, **fields, **({"Ny": number} if self.night else {})}

    def _sale(self, code: str, day: dt.date, minute: int, price: Any) -> Record:
        return {
            "crm__customer_id": "1",
            "call_outcome__report_as__submitted_when": f"{day} 10:{minute:02}",
            "product__code": code,
            PRICE: price,
            "product__extra__Rabatt": price,
        }


@pytest.mark.parametrize("mode", ["kept", "found", pytest.param("remade", marks=pytest.mark.e2e)])
@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (str, {}),
        pytest.param(
            lambda name: name.lower(), {"field_names": "snake_case"}, marks=pytest.mark.e2e
        ),
    ],
    ids=["source", "snake_case"],
)
def test_columns_keep_their_types_and_sums_are_right(
    tap: Tap, mode: Mode, names: Callable[[str], str], settings: dict[str, Any]
) -> None:
    shop, sales = Shop(discovers=mode != "kept"), dict[str, "Record"]()
    # What is new in the second night, in pages of two CRMs, is of two types
    other = Crm([], [{"id": 1}], {"product_registrations": []})
    with Cube(page_size=2) as cube:
        cube.crms = {CRM: shop.crm, OTHER: other}
        cube.before_page = shop.change
        nights = Nights(tap, mode, *KEYS)
        for days in LATER:
            now = MONDAY + dt.timedelta(days=days)
            shop.tonight(now.date())
            if shop.night:
                other.customers = [{"id": 1, "Ny": "tekst"}]
            run = nights.night(cube.settings(**settings), now)
            assert run.status == 0, run.log
            assert shop.looks < 0, "the second page was read after discovery"
            check_customers(shop, run, names)
            sales |= {row["row_key"]: row for row in run.records("product_registrations")}
            check_sales(shop, list(sales.values()), run, names)


def check_customers(shop: Shop, run: Run, names: Callable[[str], str]) -> None:
    *rows, other = run.rows("customers")
    assert len(rows) == 3
    if shop.night:
        kind = run.properties("customers")[names("Ny")]["type"][0]
        assert_holds(other, names("Ny"), kind, "tekst")
        for row in rows:
            assert_holds(row, names("Ny"), kind, row["id"])
    for field, (kind, _) in shop.fields.items():
        schema = run.properties("customers")[names(field)]
        assert (schema.get("format") or schema["type"][0]) == kind
        for row in rows:
            value = shop.value(field, row["id"], late=True)
            assert_holds(row, names(field), kind, value)


def assert_holds(row: Record, column: str, kind: str, value: Any) -> None:
    """A value is in its column, or its text is in the text column, and nowhere else."""
    found, text = row.get(column), row.get(f"{column}__text")
    assert (found is None) or (text is None)
    if value is None or (value == "" and kind != "string"):
        assert (found, text) == (None, None)
    elif kind == "string":
        assert found == (value if isinstance(value, str) else str(value))
    elif fits(kind, value):
        assert found == (Decimal(str(value)) if kind == "number" else value)
        assert type(found) is not bool or kind == "boolean"
    else:
        assert text == (value if isinstance(value, str) else str(value).lower())


def fits(kind: str, value: Any) -> bool:
    if kind == "date":
        return bool(value != "ukjent")
    types = {"integer": (int,), "number": (int, float), "boolean": (bool,)}
    return type(value) in types[kind]


def check_sales(shop: Shop, sales: list[Record], run: Run, names: Callable[[str], str]) -> None:
    properties = run.properties("product_registrations")
    extra = next(name for name in properties if names("product__extra__Rabatt") == name)
    assert properties[PRICE]["type"] == ["number", "null"]
    assert properties[extra]["type"] == ["string", "null"]
    assert len(sales) == len(shop.prices)
    numbers = [Decimal(str(price)) for price in shop.prices.values() if price != "ca. 100"]
    assert sum(row[PRICE] for row in sales if row[PRICE] is not None) == sum(numbers)
    assert [row[f"{PRICE}__text"] for row in sales if f"{PRICE}__text" in row] == ["ca. 100"]
    assert sum(Decimal(row[extra]) for row in sales if row[extra] != "ca. 100") == sum(numbers)
