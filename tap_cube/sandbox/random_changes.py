"""Random changes of the customer lists while they are read."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tap_cube.sandbox.json_codec import decode

if TYPE_CHECKING:
    from tap_cube.sandbox.crm import Crm


class RandomChanges:
    """Changes a CRM before some of the responses that list its customers.

    Args:
        share: The share of those responses, from 0 to 1.
        seed: Determines which responses, and what changes.
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._rng = Random(seed)  # noqa: S311 - no secrets here

    def maybe_change(self, crm: Crm) -> None:
        """Delete, add or update a customer, give one a new field, or do nothing."""
        if self._rng.random() >= self._share:
            return
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
            # Few names, because a table that is loaded every night would otherwise grow forever.
            field = crm.new_field(self._rng.randrange(1, 21))
            crm.update(number, **{field: self._rng.choice(("", "Ønsker SMS", "3990", 3990))})
