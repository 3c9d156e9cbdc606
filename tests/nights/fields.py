"""What admins do to the fields of a CRM, and an oracle that knows whose value each one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tests.nights.cube import Crm
from tests.schema.world import UNUSUAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support import Record, Run

Field = tuple[str, Any]
CUSTOMERS = (1, 2, 3, 4)
DAY = "2024-05-10"


class Night(NamedTuple):
    """A CRM in one night.

    Attributes:
        labels: The labels of the fields that it defines, by id.
        bare: The names of fields in its records that it does not define.
        is_first_deleted: Whether the first customer is gone, whose fields have another order.
        failure: The status of its definitions, if they cannot be read.
    """

    labels: dict[int, str]
    bare: tuple[str, ...] = ()
    is_first_deleted: bool = False
    failure: int = 0


#: By case, a CRM's nights; `None` where the account lacks it.
CASES: dict[str, list[Night | None]] = {
    "the first customer is deleted, who determined the order": [
        Night({}, ("Antall", "antall", "ANTALL", "Møte (1)", "møte, 1")),
        Night({}, ("Antall", "antall", "ANTALL", "Møte (1)", "møte, 1"), is_first_deleted=True),
        Night({}, ("antall", "ANTALL", "møte, 1"), is_first_deleted=True),
        Night({}, ("Antall", "antall", "ANTALL", "Møte (1)", "møte, 1")),
        Night({}, ("ANTALL", "Antall")),
    ],
    "a field is added whose plain name collides": [
        Night({9: "Pris, kr"}),
        Night({5: "Pris (kr)", 9: "Pris, kr"}),
        Night({5: "Pris (kr)"}),
        Night({5: "Pris (kr)", 9: "Pris, kr", 2: "PRIS KR"}),
        Night({2: "PRIS KR"}, is_first_deleted=True),
    ],
    "the first of two fields with one label is deleted": [
        Night({5: "Telefon", 6: "Telefon"}),
        Night({6: "Telefon"}),
        Night({6: "Telefon", 7: "Telefon"}),
        Night({7: "Telefon"}),
        Night({5: "Telefon"}),
    ],
    "field 501 is renamed, and its old label is given to field 777": [
        Night({501: "Pris"}),
        Night({501: "Price", 777: "Pris"}),
        Night({777: "Pris"}),
        Night({501: "Pris", 777: "Price"}),
        Night({501: "Price", 777: "Pris"}, is_first_deleted=True),
    ],
    "a field is added that is named like an existing column": [
        Night({501: "Beløp"}),
        Night({501: "Beløp"}, ("beløp", "beloep", "belop", "crm_type", "data_owner_id_in_cube")),
        Night({501: "Beløp", 502: "BELØP"}, ("beløp", "beloep", "belop", "row_key")),
        Night({502: "BELØP"}, ("beløp", "crm_type", "crm_type_in_cube", "data_owner_id")),
        Night(
            {501: "Beløp"}, ("belop", "belop__text", "data_owner_id_in_cube"), is_first_deleted=True
        ),
    ],
    "definitions return 500 for a night, and 403 for another": [
        Night({8: "Farge", 9: "Størrelse"}),
        Night({8: "Størrelse", 9: "Farge"}, failure=500),
        Night({8: "Størrelse", 9: "Farge"}),
        Night({8: "Farge", 9: "Størrelse"}, failure=403),
        Night({9: "Farge", 10: "Størrelse"}),
    ],
    "a CRM joins, leaves, and returns": [
        None,
        Night({1: "Pris", 2: "Telefon", 3: "antall"}),
        None,
        Night({1: "Telefon", 2: "Pris", 4: "antall"}),
        Night({3: "Pris", 2: "Antall"}),
    ],
}
NIGHTS = 5
_LABELS = dict(enumerate((name for name in UNUSUAL if name), 100))
CASES |= {
    "unusual names at once": [
        Night({}, UNUSUAL),
        Night({}, UNUSUAL[::-1]),
        Night({}, UNUSUAL[4:]),
        Night({}, UNUSUAL[:-4]),
        Night({}, (*UNUSUAL[::3], *UNUSUAL[1::3])),
    ],
    "unusual labels at once": [
        Night(_LABELS),
        Night(_LABELS, is_first_deleted=True),
        Night(dict(reversed(_LABELS.items()))),
        Night({id_: label for id_, label in _LABELS.items() if id_ % 2}),
        Night({**_LABELS, 1: "'%", 2: "%'"}),
    ],
}


class Account:
    """The CRMs of cases, night after night.

    Args:
        cases: Names of the cases.
        is_flat: Whether records are flat, and not prefixed.
        labels: Whether columns are named by labels in prefixed records.

    Attributes:
        expected: Of the last night, by stream, CRM and customer: each value, and its field.
    """

    def __init__(
        self, cases: Iterable[str] = CASES, *, is_flat: bool, labels: bool = False
    ) -> None:
        self._cases = [CASES[name] for name in cases]
        self._is_flat = is_flat
        self._labels = labels
        self._number = -1
        self.expected: dict[str, dict[Any, dict[Any, Field]]] = {}
        self._owners: dict[Any, Field] = {}
        self._columns: dict[Any, str] = {}

    def tonight(self) -> dict[tuple[int, str], Crm]:
        """The CRMs of the next night."""
        self._number += 1
        self.expected = {"customers": {}, "call_outcomes": {}}
        crms = {}
        for number, nights in enumerate(self._cases, 11):
            if night := nights[self._number]:
                crms[number, "B2B"] = self._crm((number, "B2B"), night)
        return crms

    def is_failing(self, stream: str) -> bool:
        """Whether a CRM has to fail: its columns depend on definitions that cannot be read."""
        depends = self._labels or (self._is_flat and stream == "customers")
        return depends and any(
            night[self._number] and night[self._number].failure  # type: ignore[union-attr]
            for night in self._cases
        )

    def _crm(self, crm: tuple[int, str], night: Night) -> Crm:
        definitions = [
            {"id": id_, "key": label, "type": "text", "lookup__id": f"crm__custom_info__{id_}"}
            for id_, label in night.labels.items()
        ]
        ids = CUSTOMERS[night.is_first_deleted :]
        return Crm(
            night.failure or definitions,
            [self._record("customers", crm, night, id_, is_flat=self._is_flat) for id_ in ids],
            {
                "call_outcomes": [
                    (DAY, self._record("call_outcomes", crm, night, id_, is_flat=False))
                    for id_ in ids
                ]
            },
        )

    def _record(
        self, stream: str, crm: tuple[int, str], night: Night, id_: int, *, is_flat: bool
    ) -> Record:
        """A customer's record, each of whose values says which field it belongs to."""
        fields: dict[str, Field] = {name: ("name", name) for name in night.bare}
        fields["email" if is_flat else "crm__standard_info__email"] = ("documented", "email")
        for number, label in night.labels.items():
            if is_flat:  # fields with one label cannot be told apart
                alike = [other for other in night.labels if night.labels[other] == label]
                fields[label] = ("ids", tuple(alike))
            else:
                fields[f"crm__custom_info__{number}"] = ("ids", (number,))
        if id_ == CUSTOMERS[0]:
            fields = dict(reversed(fields.items()))
        values = {
            name: f"{crm[0]} {field} of {id_} in night {self._number}"
            for name, field in fields.items()
        }
        depends = self._labels or (self._is_flat and stream == "customers")
        if not (night.failure and depends):
            self.expected[stream][crm, str(id_)] = {
                value: fields[name] for name, value in values.items()
            }
        if is_flat:
            return {"id": id_, **values}
        if stream == "customers":
            return {"crm__customer_id": str(id_), **values}
        return {
            "crm__customer_id": str(id_),
            "call_outcome__report_as__submitted_when": f"{DAY} 10:0{id_}",
            **values,
        }

    def check(self, run: Run, stream: str) -> None:
        """Every value arrived, in a column that never held a value of another field."""
        expected = self.expected[stream]
        key = "id" if self._is_flat and stream == "customers" else "crm__customer_id"
        rows = {
            ((row["data_owner_id"], row["crm_type"]), str(row[key])): row
            for row in run.records(stream)
        }
        assert rows.keys() == expected.keys(), run.log
        for (crm, id_), row in rows.items():
            fields = expected[crm, id_]
            values = {n: v for n, v in row.items() if isinstance(v, str) and " in night " in v}
            assert sorted(values.values()) == sorted(fields), "each value is in one column"
            for column, value in values.items():
                field = fields[value]
                place = (stream, crm)
                assert self._owners.setdefault((place, column), field) == field, column
                assert self._columns.setdefault((place, field), column) == column, field
