"""The option `--crms`: print the CRMs that a run would read, for orchestrators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_cube.cube.resources import Crm

    #: Returns the CRMs to read. Takes the settings of `--config`, and whether the environment
    #: holds further ones (`--config ENV`).
    FindCrms = Callable[[Mapping[str, Any] | None, object], Iterable[Crm]]


def option(find: FindCrms) -> click.Option:
    """Return the option. Like `--discover`, it takes the settings of `--config`.

    Args:
        find: Returns the CRMs, or raises what the command reports.
    """

    def print_crms(ctx: click.Context, _option: click.Parameter, given: object) -> None:
        if not given:
            return
        config = ctx.params.get("config")
        crms = find(config.config, config.parse_env) if config else find(None, None)
        # ASCII only, whatever the encoding of stdout is
        click.echo(json.dumps([crm._asdict() for crm in crms]))
        ctx.exit()

    return click.Option(
        ["--crms"],
        is_flag=True,
        help="Print the CRMs that a run would read, as the setting `crms`, and exit.",
        callback=print_crms,
        expose_value=False,
    )
