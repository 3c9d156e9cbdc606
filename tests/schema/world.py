"""Random histories of an account: what admins do to fields, night after night.

The oracle knows which field each value came from. It shares no code with the registry.
"""

from __future__ import annotations

import json
import random
import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_cube.schema.documented import CRM_COLUMNS, LISTED_CUSTOMER, PREFIXED_CUSTOMER
from tap_cube.schema.kinds import MISFIT, kind_of, text_of
from tap_cube.schema.names import Definition, Naming
from tap_cube.schema.registry import NamesUnknownError, Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cube.schema.registry import CrmColumns

    Record = dict[str, Any]
    Field = tuple[Any, ...]

LONG = "Et felt som sier hva kunden ønsker seg av oss til jul og påske, i år og helst i fjor også"
#: The unusual names that the tap promises to accept.
UNUSUAL = (
    *('Skjerm 27"', "C:\\mappe", "a\tb", "a\nb", "a\0b", "", " ", "x" * 300, "😀"),
    *("Antall år", "Antall a\u030ar", "a.b", "a/b", "%", "'", "_sdc_deleted_at", "data_owner_id"),
    *("crm_type", "crm_type_in_cube", "row_key", "__class__", "type"),
)
#: And names that look alike, or like a column that the tap makes.
NAMES = (
    *UNUSUAL,
    *("Pris", "pris", "PRIS", "Pris ", "Pris (503)", "pris_503", "Pris__text", "pris__text"),
    *(
        "Pris (kr)",
        "Pris, kr",
        "a\ufffdb",
        LONG,
        LONG + "!",
        "x" * 301,
        "😀😀",
        "ß",
        "ss",
        "\u0131",
        "I",
    ),
    *("sdc_deleted_at", "_SDC_deleted_at", "data_owner_id_in_cube", "CRM_TYPE", "email", "Email"),
    *("crm_type_in_cube__text", "id", "ID", "crm__custom_info__501", "crm__custom_info__502"),
    *("crm__standard_info__email", "gen info 1", "gen_info_1", "501"),
)
NAMINGS = {
    "flat": (Naming(prefixed=False), Naming(prefixed=False, snake_case=True)),
    "prefixed": tuple(
        Naming(labels=labels, snake_case=snake)
        for labels in (False, True)
        for snake in (False, True)
    ),
}
VALUES: dict[str, tuple[Any, ...]] = {
    "text": ("ukjent", "ca. 100", "a\0b", "2020-01-01", " "),
    "digits": ("6", "007", "3.0", "3.50"),
    "integer": (1, 2, 300),
    "number": (1, Decimal("1.50"), Decimal("2.0")),
    "huge": (12345678901234567890123, 1),
    "boolean": (True, False, "True"),
    "empty": (None, ""),
    "object": ({"a": "b\0"}, '{"a": 1}', [1], {}),
}
PINS = ("string", "integer", "number", "boolean", "date", "object")


def alike(name: str) -> str:
    """Equal for names that differ by case or by Unicode composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class Crm:
    """A CRM as its admins see it.

    Attributes:
        labels: The label of each field that it defines, by id.
        bare: The names of other fields in its records.
        is_read: Whether the tap ever read its definitions.
        read: The labels that the tap read last, by the names in prefixed records.
        undecided: Names whose fields the tap could not tell so far.
    """

    def __init__(self, number: int) -> None:
        self.key = (number, "B2B")
        self.labels: dict[int, str] = {}
        self.bare: set[str] = set()
        self.is_read = False
        self.read: dict[str, str] = {}
        self.undecided: set[str] = set()


class History:
    """A random account, and a tap that reads it every night.

    Args:
        seed: Decides everything.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # reproducible
        self.shape = self.random.choice(["flat", "prefixed"])
        self.prefixed = self.shape == "prefixed"
        self.documented = PREFIXED_CUSTOMER if self.prefixed else LISTED_CUSTOMER
        self.naming = self.random.choice(NAMINGS[self.shape])
        self.names = self.random.sample(NAMES, 8)
        pinned = self.random.sample(self.names, self.random.choice([0, 0, 2]))
        self.pins = {n: self.random.choice(PINS) for n in pinned if n not in self.documented}
        self.crms = [Crm(n) for n in range(3)]
        self.present = {0}
        self.next_id = 501
        self.sorts: dict[Any, str] = {}
        # What the tap keeps
        self.state: Any = {}
        self.catalog: Any = None
        # What the oracle knows: see the checks
        self.known: set[Field] = set()
        self.owner_of: dict[Any, Field] = {}
        self.column_of: dict[Any, str] = {}
        self.called: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.schemas: dict[str, Any] = {}

    # What happens between two nights

    def change(self) -> None:
        events = [
            self.define,
            self.define,
            self.undefine,
            self.rename,
            self.swap,
            self.add,
            self.move,
        ]
        for _ in range(self.random.randint(0, 4)):
            self.random.choice(events)(self.random.choice(self.crms))
        if self.random.random() < 0.05:
            self.naming = self.random.choice(NAMINGS[self.shape])

    def label(self, crm: Crm) -> str | None:
        """A label; none that the tap saw as the name of an unknown field in the run before.

        Such a field may be the one that is defined now: it was added while the tap was reading.
        """
        label = self.random.choice(self.names)
        return label if label and label not in crm.undecided else None

    def is_decided(self, crm: Crm) -> bool:
        """Whether labels may change: not while the tap knows fields by their names only."""
        return self.prefixed or crm.undecided.isdisjoint(crm.labels.values())

    def define(self, crm: Crm) -> None:
        if label := self.label(crm):
            crm.labels[self.next_id] = label
            self.next_id += self.random.choice([1, 1, 7])

    def define_during_the_read(self, crm: Crm) -> None:
        names = {*crm.labels.values(), *self.documented, *(f[2] for f in self.known)}
        if (label := self.label(crm)) and label not in names:
            crm.labels[self.next_id] = label
            self.next_id += 1
            crm.undecided.add(label)

    def undefine(self, crm: Crm) -> None:
        if crm.labels and self.is_decided(crm):
            id_ = self.random.choice([*crm.labels])
            label = crm.labels.pop(id_)
            if self.random.random() < 0.3:  # its values are still in the records
                crm.bare.add(f"crm__custom_info__{id_}" if self.prefixed else label)

    def rename(self, crm: Crm) -> None:
        label = self.label(crm)
        if crm.labels and label and self.is_decided(crm):
            crm.labels[self.random.choice([*crm.labels])] = label

    def swap(self, crm: Crm) -> None:
        if len(crm.labels) > 1 and self.is_decided(crm):
            one, two = self.random.sample([*crm.labels], 2)
            crm.labels[one], crm.labels[two] = crm.labels[two], crm.labels[one]

    def add(self, crm: Crm) -> None:
        crm.bare ^= {self.random.choice([*self.names, "crm__custom_info__9001"])}

    def move(self, crm: Crm) -> None:
        self.present ^= {self.crms.index(crm)}

    # What Cube returns

    def fields(self, crm: Crm) -> dict[str, Field]:
        """The names in the records of a CRM, each with the field whose values it has."""
        found: dict[str, Field] = {n: (crm.key, "name", n) for n in (*self.documented, *crm.bare)}
        for id_, label in crm.labels.items():
            if self.prefixed:
                found.setdefault(f"crm__custom_info__{id_}", ())
            elif label not in self.documented:  # of several with a label, it is unknown which
                ids = [other for other, its in crm.labels.items() if its == label]
                found[label] = (crm.key, "ids", tuple(ids))
        for name in found:
            if self.prefixed and name.startswith("crm__custom_info__"):  # defined or not
                found[name] = (crm.key, "id", name)
        return found

    def records(self, crm: Crm) -> list[Record]:
        names = [*self.fields(crm)]
        self.random.shuffle(names)
        return [
            {n: self.value((crm.key, n)) for n in names if self.random.random() < 0.8}
            for _ in range(self.random.randint(0, 4))
        ]

    def value(self, place: Any) -> Any:
        if place not in self.sorts or self.random.random() < 0.05:
            self.sorts[place] = self.random.choice([*VALUES])
        return self.random.choice((*VALUES[self.sorts[place]], None))

    def definitions(self, crm: Crm) -> list[Definition]:
        records = [{"id": i, "key": label, "type": "text"} for i, label in crm.labels.items()]
        self.random.shuffle(records)
        return Definition.of(records)

    # What the tap does

    def night(self) -> None:
        registry = Registry(CRM_COLUMNS, self.documented, naming=self.naming, pins=self.pins)
        registry.restore(self.state)
        keeps_catalog = self.catalog is not None and self.random.random() < 0.5
        if keeps_catalog:
            registry.restore(self.catalog["metadata"])
            registry.restore_properties(self.catalog["properties"])
        read = [*self.readable(registry)]
        if not keeps_catalog:
            for crm, columns in read:
                for record in self.records(crm):
                    for name, value in record.items():
                        registry.join(columns[name], kind_of(value))
            registry.freeze()
            catalog = {"properties": registry.properties(), "metadata": registry.remember()}
            self.catalog = json.loads(json.dumps(catalog))
        for crm, columns in read:
            self.page(registry, crm, columns)
            if self.random.random() < 0.1:
                self.define_during_the_read(crm)
            self.page(registry, crm, columns)
        registry.freeze()
        self.check_schema(registry)
        self.state = json.loads(json.dumps(registry.remember()))

    def readable(self, registry: Registry) -> Iterator[tuple[Crm, CrmColumns]]:
        order = [self.crms[n] for n in self.present]
        self.random.shuffle(order)
        for crm in order:
            is_out = self.random.random() < 0.1
            must_fail = is_out and (self.naming.labels or (not self.prefixed and crm.is_read))
            try:
                columns = registry.columns_of(crm.key, None if is_out else self.definitions(crm))
            except NamesUnknownError:
                assert must_fail
                continue
            assert not must_fail
            if not is_out and self.naming.by_definitions:
                crm.is_read = True
                crm.read = {f"crm__custom_info__{i}": label for i, label in crm.labels.items()}
                crm.undecided.clear()
            for name in columns.keys() & self.fields(crm).keys():
                self.check_field(crm, name, columns[name])
            yield crm, columns

    def page(self, registry: Registry, crm: Crm, columns: CrmColumns) -> None:
        records = self.records(crm)
        new = {columns[name] for record in records for name in record} & {*registry.new_columns}
        for record in records:
            for name, value in record.items():
                if columns[name] in new:
                    registry.join(columns[name], kind_of(value))
        registry.freeze(new)
        for record in records:
            assert len({columns[name] for name in record}) == len(record)
            for name, value in record.items():
                self.check_field(crm, name, columns[name])
                self.check_value(registry, columns[name], value)

    # What must hold

    def check_field(self, crm: Crm, name: str, column: str) -> None:
        """A column has one field of a CRM, and a field has one column per naming.

        Fields of several CRMs share a column only if they were called alike at first.
        """
        field = self.fields(crm)[name]
        if not crm.is_read or (field[1] == "name" and field not in self.known):
            crm.undecided.add(name)
        self.known.add(field)
        assert column not in CRM_COLUMNS
        assert column not in self.texts
        assert not self.naming.snake_case or re.fullmatch(r"[a-z_][a-z0-9_]{0,61}", column)
        if (crm.key, column) not in self.owner_of:
            called = crm.read.get(name, name) if self.naming.labels else name
            assert name in self.documented or self.called.setdefault(column, called) == called
        assert self.owner_of.setdefault((crm.key, column), field) == field
        assert self.column_of.setdefault((self.naming, field), column) == column

    def check_value(self, registry: Registry, column: str, value: Any) -> None:
        """A value is in its column or, as text, in its text column."""
        held = registry.hold(column, value)
        if held is MISFIT:
            text = registry.text_column(column)
            registry.freeze([text])
            assert self.texts.setdefault(text, column) == column
            assert registry.kind(text) == "string"
            assert not self.naming.snake_case or len(text.encode()) <= 62
            assert registry.hold(text, value) == text_of(value)
        elif value is None or (value == "" and registry.kind(column) != "string"):
            assert held is None
        elif registry.kind(column) == "string":
            assert held == text_of(value)
        else:
            assert plain(held) == plain(value)

    def check_schema(self, registry: Registry) -> None:
        """Columns stay, and no column changes its type."""
        properties = registry.properties()
        assert len({alike(name) for name in properties}) == len(properties)
        assert properties.keys() >= self.schemas.keys()
        for name, schema in properties.items():
            type_ = (schema.get("type"), schema.get("format"))
            assert self.schemas.setdefault(name, type_) == type_
            assert "\0" not in name


def plain(value: Any) -> Any:
    """What a value says, in whatever form."""
    if isinstance(value, str):
        try:
            value = json.loads(value.lower().lstrip("0"), parse_float=Decimal)
        except ValueError:
            return value
    return (
        json.loads(json.dumps(value).replace("\\u0000", "\\ufffd"))
        if isinstance(value, (dict, list))
        else value
    )
