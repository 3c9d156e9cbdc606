"""The setting `field_types` is for all streams: each pin has to be for a column of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_cube.streams.base import CubeStream


def check(pins: Iterable[str], streams: Sequence[CubeStream]) -> None:
    """Refuse pins that can never hold, before anything is read.

    Args:
        pins: The names in the setting.
        streams: The streams of the catalog, whether they are selected or not.

    Raises:
        ConfigurationError: If a pin is on a key, or on a column that no stream has, and no
            selected stream has the fields that CRMs define for themselves.
    """
    pins = list(pins)
    if not pins:
        return
    own = {name for stream in streams for name in (*stream.form.key.columns, *stream.form.own)}
    if keys := [pin for pin in pins if pin in own]:
        msg = (
            f"Setting `field_types` pins {_quoted(keys)}: the types of keys, and of the columns "
            "that the tap adds, are fixed"
        )
        raise ConfigurationError(msg)
    may_appear = any(stream.selected and stream.form.has_defined_fields for stream in streams)
    if not may_appear and (missing := unknown(pins, streams)):
        msg = f"Setting `field_types` pins {_quoted(missing)}, but no stream has such a column"
        raise ConfigurationError(msg)


def unknown(pins: Iterable[str], streams: Iterable[CubeStream]) -> list[str]:
    """Return the pins on columns that no stream has so far."""
    used = {pin for stream in streams for pin in stream.table.used_pins}
    return [pin for pin in pins if pin not in used]


def warning(missing: Iterable[str]) -> str:
    """Return the warning about pins on columns that may still appear."""
    return (
        f"Setting `field_types` pins {_quoted(missing)}, but no stream has such a column so far. "
        "Fields are named as in Cube, or as their columns are"
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
