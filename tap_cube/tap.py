"""The tap: wires its parts, and lists its streams."""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import replace
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk import Tap

from tap_cube import crms
from tap_cube.compat import override
from tap_cube.config import environment, files, maps, misspelt, validation
from tap_cube.config.connection import connection
from tap_cube.config.settings import SETTINGS
from tap_cube.cube import resources
from tap_cube.cube.account import Account
from tap_cube.cube.client import CubeClient
from tap_cube.cube.resources import Crm
from tap_cube.errors import CubeError, UnavailableError
from tap_cube.output.writer import MessageWriter
from tap_cube.schema.documented import CALL_OUTCOME, PRODUCT_REGISTRATION
from tap_cube.streams import check, pinned
from tap_cube.streams.bookmarks import COLUMNS
from tap_cube.streams.campaigns import Campaigns
from tap_cube.streams.custom_fields import CustomFields
from tap_cube.streams.customer_details import CustomerDetails
from tap_cube.streams.customer_statuses import CustomerStatuses
from tap_cube.streams.customers import Customers
from tap_cube.streams.events import Events
from tap_cube.streams.services import Runtime, Services

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

    import click

    from tap_cube.streams.base import CubeStream

NAMES = frozenset(
    resource.name
    for resource in (
        resources.CUSTOMERS,
        resources.CUSTOMER_DETAILS,
        resources.CUSTOM_FIELDS,
        resources.CAMPAIGNS,
        resources.CALL_OUTCOMES,
        resources.PRODUCT_REGISTRATIONS,
        resources.CUSTOMER_STATUSES,
    )
)


class TapCube(Tap):
    """Reads the customers of a Cube CRM."""

    name = "tap-cube"
    config_jsonschema = SETTINGS
    dynamic_catalog = True
    message_writer_class = MessageWriter
    message_writer: MessageWriter
    #: Makes the clock and the intervals of a run.
    runtime: ClassVar[Callable[[], Runtime]] = Runtime

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        catalog: Any = None,
        parse_env_config: bool = False,
        setup_mapper: bool = True,
        **kwargs: Any,
    ) -> None:
        self.append_builtin_config(self.config_jsonschema)
        given = dict(config or {})
        unread: Sequence[str] = ()
        if parse_env_config:
            given |= environment.settings_in(os.environ, self.config_jsonschema)
            warnings = misspelt.variables(os.environ, self.config_jsonschema)
        else:
            unread = environment.variables_set(os.environ, self.config_jsonschema)
            warnings = []
        warnings += misspelt.settings(given, self.config_jsonschema)
        warnings += maps.unknown_streams(given, NAMES)
        for warning in warnings:
            self.logger.warning("%s", warning)
        self._columns_in_catalog = _columns_in(catalog)
        super().__init__(
            config=validation.validated(given, self.config_jsonschema, unread),
            catalog=catalog,
            setup_mapper=False,
            **kwargs,
        )
        if threading.current_thread() is threading.main_thread():
            # After those of the SDK, which reports a read that was broken off as a success
            for signum in (signal.SIGINT, signal.SIGTERM):
                signal.signal(signum, self._end)
        if setup_mapper:
            self.setup_mapper()
            pinned.check(self._pins, self._streams_of_catalog)

    @classmethod
    @override
    def invoke(  # type: ignore[override]  # the SDK's own type is not compatible with its parent's
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        """Run the command: as the SDK does, but a run in which a CRM failed fails.

        Raises:
            CubeError: If a CRM failed.
        """
        super(Tap, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        tap = cls(
            config=config.config if config else None,
            state=files.checked_state(state, NAMES),
            catalog=files.checked_catalog(catalog, NAMES),
            parse_env_config=bool(config and config.parse_env),
        )
        if not any(stream.selected for stream in tap.streams.values()):
            tap.logger.warning("No stream is selected: nothing is read")
        tap.sync_all()
        tap.message_writer.conclude(tap.state)
        tap.warn_of_pins()
        tap.raise_failure()

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        command.params.append(crms.option(cls._find_crms))
        return command

    @classmethod
    def _find_crms(cls, config: Mapping[str, Any] | None, parse_env: object) -> Sequence[Crm]:
        """Return the CRMs that a run would read, without discovery."""
        tap = cls(config=config, parse_env_config=bool(parse_env), setup_mapper=False)
        return tap.services.account.crms()

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        # A file may be a pipe, which can be read only once
        given = super().cb_config(ctx, param, tuple(path for path in value if path == "ENV"))
        given.config = files.settings(value)
        return given

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        if value in {"disabled", "schema"}:
            super().cb_test(ctx, param, value)
            return
        with check.for_people():
            config = ctx.params["config"]
            tap = cls(config=config.config, parse_env_config=config.parse_env)
            streams = [tap._stream(name) for name in tap.streams]
            for line in check.report(
                tap.services, streams, lambda stream: tap.run_sync_dry_run(1, [stream])
            ):
                sys.stderr.write(f"{line}\n")
        tap.raise_failure()
        ctx.exit()

    @override
    def setup_mapper(self) -> None:
        """Set up the stream maps, whose errors name their place."""
        self.mapper = maps.Mapper(self.config, self.logger, NAMES)
        self.mapper.register_raw_streams_from_catalog(self.catalog)

    def raise_failure(self) -> None:
        """Raise the first failure of the run, if there was one.

        Raises:
            CubeError: With the number of further failures.
        """
        failures = self.services.failures
        if failures:
            more = f" (and {len(failures) - 1} more errors above)" if len(failures) > 1 else ""
            msg = f"{failures[0]}{more}"
            raise CubeError(msg)

    def warn_of_pins(self) -> None:
        """Warn of pinned types whose columns did not appear."""
        if missing := pinned.unknown(self._pins, self._streams_of_catalog):
            self.logger.warning("%s", pinned.warning(missing))

    @property
    def _pins(self) -> list[str]:
        return [pin["field"] for pin in self.config.get("field_types", ())]

    @property
    def _streams_of_catalog(self) -> list[CubeStream]:
        return [self._stream(name) for name in self.streams]

    def _end(self, signum: int, _frame: FrameType | None) -> None:
        then = ": the next run continues from here" if self.state else ""
        self.logger.warning("Ended by signal %d%s", signum, then)
        self.message_writer.end(self.state, 128 + signum)

    @cached_property
    def services(self) -> Services:
        """What all streams share."""
        runtime = type(self).runtime()
        client = CubeClient(
            replace(connection(self.config), first_delay=runtime.first_delay), self.logger
        )
        crms = self.config.get("crms")
        return Services(
            client=client,
            account=Account(
                client,
                None if crms is None else [Crm(c["data_owner_id"], c["crm_type"]) for c in crms],
                include_inactive=self.config["include_inactive_campaigns"],
            ),
            writer=self.message_writer,
            runtime=runtime,
            catalog_columns=self._columns_in_catalog,
        )

    @override
    def discover_streams(self) -> Sequence[CubeStream]:
        customers = Customers(self, self.services)
        streams: list[CubeStream] = [
            customers,
            CustomerDetails(self, self.services, customers),
            CustomFields(self, self.services),
            Campaigns(self, self.services),
            Events(self, self.services, resources.CALL_OUTCOMES, CALL_OUTCOME),
            Events(self, self.services, resources.PRODUCT_REGISTRATIONS, PRODUCT_REGISTRATION),
            CustomerStatuses(self, self.services),
        ]
        if self.input_catalog is not None:
            return [stream for stream in streams if self.input_catalog.get_stream(stream.name)]
        return [stream for stream in streams if self._is_available(stream)]

    def _is_available(self, stream: CubeStream) -> bool:
        try:
            _ = stream.schema
        except UnavailableError as error:
            if stream.essential:
                raise
            self.logger.warning("%s. The stream is left out", error)
            return False
        return True

    def _stream(self, name: str) -> CubeStream:
        return cast("CubeStream", self.streams[name])

    @property
    @override
    def catalog_dict(self) -> dict[str, Any]:
        """The catalog, with what it remembers of columns until there is a STATE."""
        catalog = super().catalog_dict
        pinned.check(self._pins, self._streams_of_catalog)
        self.warn_of_pins()
        for entry in catalog["streams"]:
            remembered = self._stream(entry["tap_stream_id"]).table.remember()
            for metadata in entry["metadata"]:
                if not metadata["breadcrumb"] and remembered:
                    metadata["metadata"][COLUMNS] = remembered
        return catalog


def _columns_in(catalog: Any) -> dict[str, Any]:
    """Return what a catalog's metadata remembers of columns, by stream."""
    if not isinstance(catalog, dict):
        return {}
    return {
        entry.get("tap_stream_id"): metadata["metadata"][COLUMNS]
        for entry in catalog["streams"]
        for metadata in entry.get("metadata", ())
        if not metadata["breadcrumb"] and COLUMNS in metadata["metadata"]
    }
