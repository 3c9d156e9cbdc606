"""Each case in which a column could get another field, or another type."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.schema.documented import CRM_COLUMNS, LISTED_CUSTOMER, PREFIXED_CUSTOMER
from tap_cube.schema.kinds import MISFIT, kind_of, kind_of_property, property_of
from tap_cube.schema.names import Definition, Naming
from tap_cube.schema.registry import NamesUnknownError, Registry
from tests.schema.world import NAMES, NAMINGS, UNUSUAL, alike

if TYPE_CHECKING:
    from collections.abc import Mapping

FLAT, FLAT_SNAKE = NAMINGS["flat"]
ID, ID_SNAKE, LABEL, LABEL_SNAKE = NAMINGS["prefixed"]
CRM, OTHER = (2, "B2B"), (2, "B2C")

#: The labels of a CRM's fields, by id; or `None` if they cannot be read.
Labels = dict[Any, str] | None


def defined(labels: Labels) -> list[Definition] | None:
    if labels is None:
        return None
    return Definition.of({"id": i, "key": label} for i, label in labels.items())


class Nights:
    """A tap that reads every night, and keeps nothing but its STATE."""

    def __init__(self, naming: Naming, pins: Mapping[str, str] | None = None) -> None:
        self.naming = naming
        self.pins = pins or {}
        self.state: Any = {}
        self.registry = self.new()

    def new(self) -> Registry:
        documented = PREFIXED_CUSTOMER if self.naming.prefixed else LISTED_CUSTOMER
        return Registry(CRM_COLUMNS, documented, naming=self.naming, pins=self.pins)

    def columns(self, labels: Labels, *names: str, crm: Any = CRM) -> list[str]:
        """The columns of fields in the records of one night."""
        self.registry = self.new()
        self.registry.restore(self.state)
        columns = self.registry.columns_of(crm, defined(labels))
        found = [columns[name] for name in names]
        self.registry.freeze()
        self.state = json.loads(json.dumps(self.registry.remember()))
        return found

    def holds(self, *values: Any) -> str:
        """The kind of the column of an undefined field with these values, for one night."""
        self.registry = self.new()
        self.registry.restore(self.state)
        column = self.registry.columns_of(CRM, [])["extra"]
        for value in values:
            self.registry.join(column, kind_of(value))
        self.registry.freeze()
        self.state = json.loads(json.dumps(self.registry.remember()))
        return self.registry.kind(column)


# Names

NIGHTS: dict[str, tuple[Naming, list[tuple[Labels, dict[str, str]]]]] = {
    "renamed, and the old label given to another": (
        FLAT,
        [
            ({501: "Pris"}, {"Pris": "Pris"}),
            ({501: "Price"}, {"Price": "Pris"}),
            ({501: "Price", 777: "Pris"}, {"Pris": "Pris (777)", "Price": "Pris"}),
            ({777: "Pris"}, {"Pris": "Pris (777)"}),
            ({501: "Pris", 777: "Price"}, {"Pris": "Pris", "Price": "Pris (777)"}),
        ],
    ),
    "the same in snake case": (
        FLAT_SNAKE,
        [
            ({501: "Pris"}, {"Pris": "pris"}),
            ({501: "Price", 777: "Pris"}, {"Pris": "pris_777", "Price": "pris"}),
        ],
    ),
    "the same by labels": (
        LABEL,
        [
            ({501: "Pris"}, {"crm__custom_info__501": "Pris"}),
            (
                {501: "Price", 777: "Pris"},
                {"crm__custom_info__777": "Pris (777)", "crm__custom_info__501": "Pris"},
            ),
        ],
    ),
    "the same by ids": (
        ID,
        [
            ({501: "Pris"}, {"crm__custom_info__501": "crm__custom_info__501"}),
            ({777: "Pris"}, {"crm__custom_info__777": "crm__custom_info__777"}),
        ],
    ),
    "names that collide in snake case, and the first is deleted": (
        FLAT_SNAKE,
        [
            ({9: "Pris, kr"}, {"Pris, kr": "pris_kr"}),
            ({5: "Pris (kr)", 9: "Pris, kr"}, {"Pris (kr)": "pris_kr_5", "Pris, kr": "pris_kr"}),
            ({5: "Pris (kr)"}, {"Pris (kr)": "pris_kr_5"}),
        ],
    ),
    "names that differ by case, in another order": (
        FLAT,
        [
            ({}, {"Pris": "Pris", "pris": "pris (1bc06782)"}),
            ({}, {"pris": "pris (1bc06782)", "Pris": "Pris"}),
            ({}, {"pris": "pris (1bc06782)"}),
        ],
    ),
    "labels swapped": (
        FLAT,
        [
            ({5: "A", 6: "B"}, {"A": "A", "B": "B"}),
            ({5: "B", 6: "A"}, {"A": "B", "B": "A"}),
        ],
    ),
    "two fields with one label, and the first is deleted": (
        LABEL,
        [
            ({5: "A", 6: "A"}, {"crm__custom_info__5": "A", "crm__custom_info__6": "A (6)"}),
            ({6: "A"}, {"crm__custom_info__6": "A (6)"}),
            ({6: "A", 7: "A"}, {"crm__custom_info__7": "A (7)"}),
        ],
    ),
    "two fields with one label in flat records, which cannot be told apart": (
        FLAT,
        [
            ({5: "A"}, {"A": "A"}),
            ({5: "A", 6: "A"}, {"A": "A (5+6)"}),
            ({6: "A"}, {"A": "A (6)"}),
            ({5: "A"}, {"A": "A"}),
        ],
    ),
    "an id that looks like two ids": (
        FLAT,
        [
            ({"5+6": "A"}, {"A": "A"}),
            ({5: "A", 6: "A"}, {"A": "A (5+6)"}),
            ({"5+6": "B"}, {"B": "A"}),
        ],
    ),
    "a field deleted, whose values are still in the records": (
        FLAT,
        [
            ({5: "A"}, {"A": "A"}),
            ({}, {"A": "A (af3c7293)"}),
            ({5: "A"}, {"A": "A"}),
        ],
    ),
    "the same by labels, where the name tells the id": (
        LABEL,
        [
            ({5: "A"}, {"crm__custom_info__5": "A"}),
            ({}, {"crm__custom_info__5": "A"}),
        ],
    ),
    "a field of old, and a definition that gets its name": (
        FLAT,
        [
            ({}, {"A": "A"}),
            ({}, {"A": "A"}),
            ({5: "A"}, {"A": "A (5)"}),
        ],
    ),
    "a field added after its definition was read": (
        FLAT,
        [
            ({}, {"A": "A"}),
            ({5: "A"}, {"A": "A"}),
            ({5: "B"}, {"B": "A"}),
        ],
    ),
    "the same by labels, where the field has no label so far": (
        LABEL,
        [
            ({}, {"crm__custom_info__5": "crm__custom_info__5"}),
            ({}, {}),
            ({5: "A"}, {"crm__custom_info__5": "crm__custom_info__5"}),
        ],
    ),
    "definitions that were never read so far": (
        FLAT,
        [
            (None, {"A": "A"}),
            (None, {"A": "A"}),
            ({5: "A"}, {"A": "A"}),
        ],
    ),
    "ids as text": (
        FLAT,
        [
            ({"5": "A"}, {"A": "A"}),
            ({5: "B"}, {"B": "A"}),
            ({5: "B", "x-1": "A"}, {"A": "A (x-1)"}),
        ],
    ),
    "labels like documented fields": (
        FLAT,
        [({5: "email", 6: "Email"}, {"email": "email", "Email": "Email (6)"})],
    ),
    "labels like documented columns": (
        LABEL,
        [
            (
                {5: "crm__standard_info__email"},
                {
                    "crm__custom_info__5": "crm__standard_info__email (5)",
                    "crm__standard_info__email": "crm__standard_info__email",
                },
            )
        ],
    ),
    "names like the tap's own": (
        ID,
        [
            (
                {},
                {
                    "crm_type_in_cube": "crm_type_in_cube",
                    "crm_type": "crm_type (c903daaf)",
                    "data_owner_id": "data_owner_id_in_cube",
                    "crm_type__text": "crm_type__text",
                },
            )
        ],
    ),
}


@pytest.mark.parametrize(("naming", "nights"), NIGHTS.values(), ids=NIGHTS)
def test_a_field_keeps_its_column(
    naming: Naming, nights: list[tuple[Labels, dict[str, str]]]
) -> None:
    tap = Nights(naming)
    for labels, columns in nights:
        found = tap.columns(labels, *columns)
        assert dict(zip(columns, found, strict=True)) == columns


def test_crms_share_the_columns_of_fields_that_are_called_alike() -> None:
    tap = Nights(FLAT)
    assert tap.columns({5: "A", 6: "B"}, "A", "B", crm=CRM) == ["A", "B"]
    assert tap.columns({9: "B", 8: "A", 7: "b"}, "A", "B", "b", crm=OTHER) == ["A", "B", "b (7)"]
    # One renames a field; the other joins, leaves and returns
    assert tap.columns({5: "C", 6: "B", 7: "A"}, "A", "C", crm=CRM) == ["A (7)", "A"]
    assert tap.columns({9: "B", 8: "A", 7: "b"}, "A", "B", "b", crm=OTHER) == ["A", "B", "b (7)"]


@pytest.mark.parametrize("naming", [FLAT, FLAT_SNAKE, LABEL, LABEL_SNAKE])
def test_a_crm_fails_whose_definitions_are_needed_and_unavailable(naming: Naming) -> None:
    tap = Nights(naming)
    tap.columns({}, crm=CRM)
    with pytest.raises(NamesUnknownError):
        tap.columns(None, crm=CRM)
    if naming.prefixed:
        with pytest.raises(NamesUnknownError):
            tap.columns(None, crm=OTHER)


@pytest.mark.parametrize("naming", [ID, ID_SNAKE])
def test_ids_need_no_definitions(naming: Naming) -> None:
    tap = Nights(naming)
    name = "crm__custom_info__5"
    assert tap.columns({5: "A"}, name) == tap.columns(None, name) == [name]


def test_another_naming_has_other_columns_and_the_old_ones_stay() -> None:
    tap = Nights(FLAT)
    assert tap.columns({5: "Pris", 6: "antall"}, "Pris", "antall") == ["Pris", "antall"]
    tap.naming = FLAT_SNAKE
    # `pris` is alike `Pris`; a name that is the same under both namings stays
    assert tap.columns({5: "Pris", 6: "antall"}, "Pris", "antall") == ["pris_5", "antall"]
    assert {"Pris", "pris_5"} <= tap.registry.properties().keys()
    tap.naming = FLAT
    assert tap.columns({5: "Price", 7: "Pris"}, "Price", "Pris") == ["Pris", "Pris (7)"]


@pytest.mark.parametrize("naming", [FLAT, FLAT_SNAKE, *NAMINGS["prefixed"]])
@pytest.mark.parametrize("names", [UNUSUAL, NAMES], ids=["unusual", "all"])
def test_unusual_names_at_once(naming: Naming, names: tuple[str, ...]) -> None:
    tap = Nights(naming)
    found = tap.columns({}, *names)
    assert len({*found}) == len(names)
    assert {*found}.isdisjoint(CRM_COLUMNS)
    for name in found:
        tap.registry.text_column(name)
    properties = tap.registry.properties()
    assert len({alike(name) for name in properties}) == len(properties)
    assert tap.columns({}, *reversed(names)) == [*reversed(found)]
    by_labels = Nights(naming)
    labels = {n: name for n, name in enumerate(names) if name}
    by_labels.columns(labels)
    properties = by_labels.registry.properties()
    assert len({alike(name) for name in properties}) == len(properties)


def test_columns_stay_when_their_fields_go() -> None:
    tap = Nights(FLAT)
    tap.columns({5: "A"}, "B")
    tap.columns({})
    assert [*tap.registry.properties()][-2:] == ["A", "B"]


def test_what_was_never_announced_is_not_remembered() -> None:
    registry = Nights(FLAT).registry
    columns = registry.columns_of(CRM, [])
    assert [columns["A"], columns["B"]] == registry.new_columns[-2:]
    registry.freeze([columns["A"]])
    assert registry.remember()["columns"] == ["A"]


# Kinds

SAMPLES: dict[str, tuple[list[list[Any]], str]] = {
    "nothing but empty": ([[None, ""], [1]], "string"),
    "integers, then a fraction": ([[1, 2], [Decimal("1.5")]], "integer"),
    "integer and number": ([[1, Decimal("1.5")], [1]], "number"),
    "one text among numbers, which leaves the sample": ([[1, "ca. 100"], [1, 2]], "string"),
    "text later": ([[1, 2], ["ca. 100"]], "integer"),
    "a value corrected": ([["ukjent"], [1]], "string"),
    "25 digits": ([[10**24, 1], [1]], "string"),
}


@pytest.mark.parametrize("naming", [FLAT, ID])
@pytest.mark.parametrize(("nights", "kind"), SAMPLES.values(), ids=SAMPLES)
def test_a_column_keeps_its_kind(naming: Naming, nights: list[list[Any]], kind: str) -> None:
    tap = Nights(naming)
    assert [tap.holds(*values) for values in nights] == [kind] * len(nights)


def test_defined_fields_are_text_even_if_definitions_are_missing_later() -> None:
    tap = Nights(ID)
    for labels in ({5: "A"}, None):
        registry = tap.registry
        (column,) = tap.columns(labels, "crm__custom_info__5")
        registry = tap.new()
        registry.restore(tap.state)
        registry.join(column, "integer")
        assert registry.kind(column) == "string"


def test_an_announced_column_keeps_its_kind_whatever_another_crm_defines() -> None:
    registry = Nights(FLAT).new()
    number = Definition("7", "Antall", "", is_text=False)
    column = registry.columns_of((2, "B2B"), [number])["Antall"]
    registry.join(column, "integer")
    registry.freeze()
    assert registry.columns_of((3, "B2B"), [Definition("7", "Antall", "")])["Antall"] == column
    assert registry.kind(column) == "integer"


def test_other_types_of_definitions_are_left_to_the_sample() -> None:
    registry = Nights(FLAT).registry
    records = [{"id": 5, "key": "A", "type": "number"}, {"id": 6, "key": "B", "type": "text"}]
    columns = registry.columns_of(CRM, Definition.of(records))
    for name in ("A", "B"):
        registry.join(columns[name], "integer")
    assert [registry.kind(columns[name]) for name in ("A", "B")] == ["integer", "string"]


def test_documented_kinds_do_not_depend_on_samples_but_on_memory() -> None:
    tap = Nights(FLAT)
    tap.registry.join("birth_date", "integer")
    assert tap.registry.kind("birth_date") == "date"
    tap.state = {"columns": [{"name": "address_street_no", "kind": "string"}, "birth_date"]}
    tap.columns({})
    kinds = [tap.registry.kind(name) for name in ("address_street_no", "birth_date", "id")]
    assert kinds == ["string", "string", "integer"]
    assert tap.registry.properties()["birth_date"] == {
        "type": ["string", "null"],
        "description": "Date of birth",
    }
    assert tap.registry.properties()["id"] == LISTED_CUSTOMER["id"]


def test_misfits_go_to_a_text_column_which_stays() -> None:
    tap = Nights(FLAT)
    assert tap.holds(1) == "integer"
    registry = tap.registry
    assert registry.hold("extra", 5) == 5
    assert registry.hold("extra", "ca. 100") is MISFIT
    assert "extra__text" not in registry.properties()
    assert registry.text_column("extra") == registry.text_column("extra") == "extra__text"
    assert registry.new_columns == ["extra__text"]
    assert registry.text_column("birth_date") == "birth_date__text"
    registry.freeze()
    names = [*registry.properties()]
    assert names[-2:] == ["extra__text", "birth_date__text"], "new columns come last"
    tap.state = registry.remember()
    # A field of that name later gets another column
    assert tap.columns({}, "extra__text", "extra")[1] == "extra"
    assert tap.registry.columns_of(CRM, [])["extra__text"] not in {"extra__text", "extra"}
    assert {*names} < {*tap.registry.properties()}


def test_a_text_column_keeps_out_of_the_way_of_fields() -> None:
    for naming, text in ((FLAT, "Pris (2)__text"), (FLAT_SNAKE, "pris_2__text")):
        tap = Nights(naming)
        pris, _ = tap.columns({}, "Pris", "Pris__text")
        assert tap.registry.text_column(pris) == text


# Pins

PINS = {"Pris": "number", "gen_info": "integer", "crm_type": "integer", "missing": "date"}


def test_pins_win_and_convert() -> None:
    tap = Nights(FLAT_SNAKE)
    pris, info, own = tap.columns({5: "Pris"}, "Pris", "gen info", "crm_type")
    assert tap.registry.hold(pris, "3.50") == "3.50"
    tap.pins = PINS
    assert tap.columns({5: "Pris"}, "Pris", "gen info", "crm_type") == [pris, info, own]
    registry = tap.registry
    assert [registry.kind(name) for name in (pris, info, own)] == ["number", "integer", "integer"]
    assert registry.hold(pris, "3.50") == Decimal("3.50")
    assert registry.hold(info, "007") == 7
    assert registry.hold(info, "ukjent") is MISFIT
    assert registry.kind("crm_type") == "string"
    assert registry.used_pins == PINS.keys() - {"missing"}


def test_a_pinned_kind_stays_when_the_pin_goes() -> None:
    tap = Nights(FLAT, {"A": "integer"})
    tap.columns({}, "A")
    tap.pins = {}
    tap.columns({}, "A")
    assert tap.registry.kind("A") == "integer"
    assert tap.registry.hold("A", "6") is MISFIT


# Catalogs


def test_a_catalog_without_memory_keeps_columns_and_kinds() -> None:
    for naming in (FLAT, FLAT_SNAKE, LABEL):
        tap = Nights(naming)
        labels: Labels = {5: "Pris på", 6: "PRIS PÅ", 7: "Annet"}
        names = ["Pris på", "PRIS PÅ"]
        if naming.prefixed:
            names = ["crm__custom_info__5", "crm__custom_info__6"]
        found = tap.columns(labels, *names, "extra")
        tap.registry.text_column("extra")
        catalog = json.loads(json.dumps(tap.registry.properties()))
        catalog["extra"] = {"type": ["integer", "null"], "title": "Ours", "minimum": 0}
        catalog["anything"] = {"anyOf": [{"type": "string"}, {"type": "array"}]}
        registry = tap.new()
        registry.restore_properties(catalog)
        columns = registry.columns_of(CRM, defined(labels))
        assert [columns[name] for name in (*names, "extra")] == found
        registry.join("extra", "string")
        registry.freeze()
        assert registry.properties() == catalog
        again = tap.new()
        again.restore(registry.remember())
        again.restore_properties(catalog)
        assert again.properties() == catalog


def test_state_takes_precedence_over_a_catalog() -> None:
    tap = Nights(FLAT)
    tap.columns({5: "A", 6: "B"})
    catalog = {"metadata": tap.state, "properties": tap.registry.properties()}
    tap.columns({5: "B", 6: "A", 7: "C"}, "extra")
    registry = tap.new()
    registry.restore(tap.state)
    registry.restore(catalog["metadata"])
    registry.restore_properties({**catalog["properties"], "extra": property_of("integer")})
    assert registry.kind("extra") == "string"
    assert registry.columns_of(CRM, defined({5: "C", 6: "B", 7: "A"})) == {
        "C": "A",
        "B": "B",
        "A": "C",
    }


def test_titles_are_labels() -> None:
    registry = Nights(ID).registry
    registry.columns_of(CRM, defined({5: "Antall år"}))
    assert registry.properties()["crm__custom_info__5"]["title"] == "Antall år"
    registry = Nights(FLAT_SNAKE).registry
    registry.columns_of(CRM, defined({5: "Antall år"}))["Pris, kr"]
    titles = [registry.properties()[name]["title"] for name in ("antall_ar", "pris_kr")]
    assert titles == ["Antall år", "Pris, kr"]
    assert all(kind_of_property(schema) for schema in registry.properties().values())
