"""A tap that runs night after night, and hands STATE on."""

from __future__ import annotations

import dataclasses
import unicodedata
from typing import TYPE_CHECKING, Any, Literal

from tests.support import deselect, program, select

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from tests.support import Run, Tap

#: How a run learns of columns: from the catalog of the first night, by discovery in the run, or
#: from a catalog that `--discover` makes each night, without STATE, perhaps to pick columns.
Mode = Literal["kept", "found", "remade", "picked"]
#: A documented column of each stream that is deselected where columns are picked.
UNWANTED = {"phone_2", "crm__standard_info__phone_2", "submitter__name"}


class Nights:
    """Runs of a tap that follow one another.

    Args:
        tap: The tap.
        mode: How a run learns of columns.
        streams: What is selected; everything if there is no catalog.
    """

    def __init__(self, tap: Tap, mode: Mode, *streams: str) -> None:
        self._tap = tap
        self._mode = mode
        self._streams = streams
        self._files: dict[str, Any] = {}
        self._types: dict[tuple[str, str], Any] = {}

    def night(self, config: Mapping[str, Any], now: dt.datetime | None = None) -> Run:
        """Read once. Records fit the last SCHEMA before them, and no column changes its type."""
        if now:
            arguments = ", ".join(map(str, (now.year, now.month, now.day, now.hour)))
            clock = program(now=f"datetime({arguments}, tzinfo=timezone.utc)")
            self._tap.program = ("-c", clock)
        if self._mode != "found" and ("catalog" not in self._files or self._mode != "kept"):
            self._files["catalog"] = select(self._tap.discover(config), *self._streams)
        if self._mode == "picked":
            for stream in self._streams:
                deselect(self._files["catalog"], stream, *UNWANTED)
        run = self._tap(config, **self._files)
        self._files["state"] = run.state
        # Also of a run in which a CRM fails
        dataclasses.replace(run, status=0).check()
        self._check_schemas(run)
        return run

    def _check_schemas(self, run: Run) -> None:
        columns: dict[str, Any] = {}
        for message in run.messages:
            if message["type"] == "RECORD":
                assert message["record"].keys() <= columns[message["stream"]], "SCHEMA comes first"
            if message["type"] != "SCHEMA":
                continue
            stream, properties = message["stream"], message["schema"]["properties"]
            columns[stream] = properties.keys()
            assert len({alike(name) for name in properties}) == len(properties)
            for name, schema in properties.items():
                type_ = (schema.get("type"), schema.get("format"))
                assert self._types.setdefault((stream, name), type_) == type_, name
            known = {name for known, name in self._types if known == stream}
            if self._mode in {"kept", "found"}:
                assert known == properties.keys(), "columns stay"


def alike(name: str) -> str:
    """Equal for names that differ by case or by Unicode composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
