"""The fields that CRMs define for themselves, as the table of a stream needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_cube.cube.resources import Subject
from tap_cube.errors import CubeError
from tap_cube.schema.names import Definition
from tap_cube.streams.tables import naming_of

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence

    from tap_cube.cube.account import Account
    from tap_cube.cube.resources import Crm, Resource
    from tap_cube.schema.table import Table
    from tap_cube.streams.tables import Form


class Definitions:
    """Tells a table which fields a CRM defines: each CRM is asked once per run.

    Args:
        account: Requests the definitions.
        resource: What the stream reads.
        forms: The forms that its records may have.
        config: The settings.
        logger: Where failures are reported.
    """

    def __init__(
        self,
        account: Account,
        resource: Resource,
        forms: Sequence[Form],
        config: Mapping[str, Any],
        logger: logging.Logger,
    ) -> None:
        self._account = account
        self._resource = resource
        self._are_needed = any(form.has_defined_fields for form in forms)
        self._settings = config
        self._logger = logger

    def start(self, crm: Crm | None) -> None:
        """Request the definitions of a CRM, without waiting for them."""
        if crm is not None and self._are_needed:
            self._account.start_definitions(crm)

    def define(self, table: Table, form: Form, crm: Crm | None) -> None:
        """Tell a table which fields a CRM defines, unless it knows.

        Raises:
            CubeError: If the definitions cannot be read, and columns depend on them.
        """
        if table.knows(crm):
            return
        records = None
        if crm is not None and form.has_defined_fields:
            try:
                records = self._account.definitions(crm)
            except CubeError as error:
                if naming_of(form, self._settings).by_definitions:
                    msg = f"the definitions of its fields, which name columns, are missing: {error}"
                    raise CubeError(msg) from None
                self._logger.warning("%s: %s", Subject(self._resource, crm), error)
        table.define(crm, None if records is None else Definition.of(records))

    def discover(self, table: Table, form: Form, crm: Crm | None) -> bool:
        """As `define`, but report a failure: the CRM is tried again when it is read.

        Returns:
            Whether the table knows the CRM now.
        """
        try:
            self.define(table, form, crm)
        except CubeError as error:
            failure = error
        else:
            return True
        self._logger.error("%s: %s", Subject(self._resource, crm), failure)
        return False
