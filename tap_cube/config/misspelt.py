"""Names that are not known: warnings with the nearest name that is."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PREFIX = "TAP_CUBE_"


def meant(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return a question for the nearest known name; `""` if none is near.

    Args:
        name: A name that is not known.
        known: All known names.
        prefix: What all of them begin with in the question.
    """
    near = difflib.get_close_matches(name, known, n=1)
    return f": did you mean `{prefix}{near[0]}`?" if near else ""


def settings(names: Iterable[str], schema: Mapping[str, Any]) -> list[str]:
    """Return a warning for each name that is no setting.

    Args:
        names: The names of the settings as the user gave them.
        schema: JSON Schema of all settings, those of the SDK included.
    """
    known = schema["properties"]
    return [
        f"There is no setting `{name}`{meant(name, known)}" for name in names if name not in known
    ]


def variables(names: Iterable[str], schema: Mapping[str, Any]) -> list[str]:
    """Return a warning for each `TAP_CUBE_...` variable that holds no setting.

    Args:
        names: The names of all variables. Those of Meltano begin with `TAP_CUBE__`.
        schema: JSON Schema of all settings, those of the SDK included.
    """
    known = {"LOGLEVEL", *(name.upper() for name in schema["properties"])}
    ours = (name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))
    return [
        f"There is no setting for the variable {_PREFIX}{name}{meant(name, known, _PREFIX)}"
        for name in ours
        if name not in known and not name.startswith("_")
    ]
