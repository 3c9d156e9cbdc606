"""The tap: its settings, its CRMs, its streams."""

from __future__ import annotations

import datetime as dt
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from singer_sdk import Tap
from singer_sdk.exceptions import ConfigurationError, FatalAPIError

from tap_cube import config
from tap_cube.auth import CubeAuthenticator
from tap_cube.calls import CallOutcomes, CustomerStatuses, ProductRegistrations
from tap_cube.compat import override
from tap_cube.customers import CustomerDetails, Customers
from tap_cube.errors import CredentialsRefusedError, UnavailableError
from tap_cube.messages import MessageWriter
from tap_cube.names import Definition
from tap_cube.session import CubeSession
from tap_cube.settings import SETTINGS
from tap_cube.streams import Campaigns, CustomFields
from tap_cube.table import crm_of
from tap_cube.throttle import Throttle

if TYPE_CHECKING:
    from types import FrameType

    import click
    from singer_sdk.helpers.types import Context

    from tap_cube.records import CubeStream


class TapCube(Tap):
    """Reads the customers of a Cube CRM."""

    name = "tap-cube"
    config_jsonschema = SETTINGS
    dynamic_catalog = True
    message_writer_class = MessageWriter
    message_writer: MessageWriter

    def __init__(self, **kwargs: Any) -> None:
        #: What went wrong in a CRM while the others were still read.
        self.failures: list[FatalAPIError] = []
        #: When the run began, for all that depends on the date.
        self.started_at = dt.datetime.now(dt.timezone.utc)
        self._definitions: dict[tuple[Any, ...], list[Definition]] = {}
        if kwargs.get("parse_env_config"):
            config.check_environment(os.environ, "TAP_CUBE_")
        super().__init__(**kwargs)

    @classmethod
    @override
    def invoke(
        cls, *, state: IO[str] | None = None, catalog: IO[str] | None = None, **options: Any
    ) -> None:
        super().invoke(
            state=config.checked("state", state),
            catalog=config.checked("catalog", catalog, "streams"),
            **options,
        )

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        try:
            return super().cb_config(ctx, param, value)
        except OSError:
            msg = f"--config {' '.join(value)}: there is no such file, or it cannot be read"
            raise ConfigurationError(msg) from None
        except ValueError as error:
            # Its first line says where, its text does not quote what stands there
            msg = f"--config {' '.join(value)}: this is no JSON ({str(error).splitlines()[0]})"
            raise ConfigurationError(msg) from None

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """In place of the SDK's, whose messages quote the values: they may be secrets.

        It is private, but the only point at which all sources of settings are merged and nothing
        was done with them yet. `test_settings` fails if the SDK no longer calls it.
        """
        self.append_builtin_config(self.config_jsonschema)
        for sentence in config.unknown(self._config, self.config_jsonschema):
            self.logger.warning("%s", sentence)
        config.validate(self._config, self.config_jsonschema)
        return []

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End at once, but not within a line, and with the status that a signal ends with.

        In place of the SDK's, which reports a read that was broken off as a success. Private to
        the SDK; `test_resume` fails if it is no longer called.
        """
        self.message_writer.between_lines(lambda: self._end_by_signal(signum))

    def _end_by_signal(self, signum: int) -> None:
        if self.state:
            self.state_writer.write_state(self.state)
        self.logger.warning("Ended by signal %d: the next run goes on from here", signum)
        sys.exit(128 + signum)

    @cached_property
    def session(self) -> CubeSession:
        """The HTTP session that all streams share."""
        return CubeSession(config.origin(self.config), self.config["concurrency"])

    @cached_property
    def throttle(self) -> Throttle:
        """When the next request may go out."""
        return Throttle(self.config.get("requests_per_second"))

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        """The workers, which all requests are made by."""
        return ThreadPoolExecutor(self.config["concurrency"], "tap-cube")

    @cached_property
    def authenticator(self) -> CubeAuthenticator:
        """What signs each request."""
        return CubeAuthenticator(self.config)

    @cached_property
    def customers(self) -> Customers:
        """The list of customers, which other streams take the ids from."""
        return Customers(self)

    @cached_property
    def crms(self) -> list[dict[str, Any]]:
        """The CRMs to read: those of the settings, or else all that a campaign names.

        Raises:
            ConfigurationError: If there is none.
        """
        if "crms" in self.config:
            found = [(crm["data_owner_id"], crm["crm_type"]) for crm in self.config["crms"]]
        else:
            found = sorted(self._campaigns_crms())
        if not found:
            msg = "No CRM is known: list the CRMs to read in the setting `crms`"
            raise ConfigurationError(msg)
        return [
            {"data_owner_id": owner, "crm_type": crm_type}
            for owner, crm_type in dict.fromkeys(found)
        ]

    def _campaigns_crms(self) -> set[tuple[int, str]]:
        try:
            campaigns = Campaigns(self).sample(None)
        except UnavailableError as error:
            msg = (
                "The campaigns, which name the CRMs, cannot be read: list the CRMs in the setting "
                f"`crms` ({error})"
            )
            raise ConfigurationError(msg) from None
        return {
            (owner, crm_type)
            for campaign in campaigns
            if isinstance(owner := campaign.get("data_owner__id"), int)
            and isinstance(crm_type := campaign.get("campaign__crm_type"), str)
            and crm_type
        }

    def definitions(self, context: Context | None) -> list[Definition]:
        """The fields that a CRM defines for itself, whether a record has them or not.

        Raises:
            FatalAPIError: If they cannot be read, and names depend on them.
        """
        crm = crm_of(context)
        if crm not in self._definitions:
            try:
                self._definitions[crm] = Definition.of(CustomFields(self).sample(context))
            except CredentialsRefusedError:
                raise
            except FatalAPIError as error:
                if self.config["custom_field_names"] == "label":
                    msg = f"the labels that `custom_field_names` wants cannot be read: {error}"
                    raise type(error)(msg) from None
                self.logger.warning("The definitions of a CRM's own fields are missing: %s", error)
                self._definitions[crm] = []
        return self._definitions[crm]

    @override
    def discover_streams(self) -> list[CubeStream]:
        streams: list[CubeStream] = [
            self.customers,
            CustomerDetails(self),
            CustomFields(self),
            Campaigns(self),
            CallOutcomes(self),
            ProductRegistrations(self),
            CustomerStatuses(self),
        ]
        if self.input_catalog is not None:
            return [stream for stream in streams if self.input_catalog.get_stream(stream.name)]
        return [stream for stream in streams if self._is_available(stream)]

    def _is_available(self, stream: CubeStream) -> bool:
        try:
            _ = stream.schema
        except CredentialsRefusedError:
            raise
        except UnavailableError as error:
            if stream.essential:
                raise
            self.logger.warning("%s. The stream is left out", error)
            return False
        return True
