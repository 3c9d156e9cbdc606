"""Colleagues at work: customers change while their list is read."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tap_cube.sandbox.coding import decode
from tap_cube.sandbox.targets import crm_listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cube.sandbox.cube import Crm


class Restless:
    """Changes a CRM before some of the requests that list its customers.

    It is made to be a Cube's `before_request`.

    Args:
        crms: The CRMs by data owner and CRM type.
        share: The share of those requests, from 0 to 1.
        seed: Decides which requests, and what changes.
    """

    def __init__(self, crms: Mapping[tuple[int, str], Crm], share: float, seed: int) -> None:
        self._crms = crms
        self._share = share
        self._rng = Random(seed)  # noqa: S311 - no secrets here

    def __call__(self, _number: int, target: str) -> None:
        """Changes the CRM that is listed, or leaves it alone."""
        listed = crm_listed(target)
        crm = self._crms.get(listed) if listed else None
        if crm is not None and self._rng.random() < self._share:
            self._change(crm)

    def _change(self, crm: Crm) -> None:
        rows = crm.rows()
        change = self._rng.choice(("delete", "add", "update", "new field"))
        if change == "add" or not rows:
            crm.add()
            return
        number = decode(self._rng.choice(rows))[crm.key_field]
        if change == "delete":
            crm.delete(number)
        elif change == "update":
            note = f"Ringte {self._rng.randrange(1, 10_000)} ganger"
            crm.update(number, **{crm.note_field: note})
        else:
            # A handful of names, or a table that is loaded every night would grow without end
            field = crm.new_field(self._rng.randrange(1, 21))
            crm.update(number, **{field: self._rng.choice(("", "Ønsker SMS", "3990", 3990))})
