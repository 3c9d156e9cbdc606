"""The command `cube-sandbox`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tap_cube.sandbox.account import PASSWORD, TOKEN, USERNAME
from tap_cube.sandbox.faults import FAULTS_HELP, Fault, Faults
from tap_cube.sandbox.process import run
from tap_cube.sandbox.server import Sandbox
from tap_cube.sandbox.shapes import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONFLICTING = {
    "TAP_CUBE_ACCOUNT",
    "TAP_CUBE_BASIC_AUTH",
    "TAP_CUBE_PASSWORD",
    "TAP_CUBE_USERNAME",
}

_PORT = 8765
_HELP = f"""A stand-in for the CRM Cube, with invented Norwegian customers.

To try a command against a sandbox of its own, type:

\b
    cube-sandbox exec -- tap-cube --config ENV --discover

To keep a sandbox running until Ctrl-C, and use it from another terminal, type:

\b
    cube-sandbox serve --port {_PORT}

Then give the tap these settings, for example as environment variables:

\b
    TAP_CUBE_API_URL=http://127.0.0.1:{_PORT}
    TAP_CUBE_AUTH_TOKEN={TOKEN}

`cube-sandbox serve --help` lists all options.
"""

Command = TypeVar("Command", bound="Callable[..., Any]")


_COUNT = click.IntRange(min=0)
# The arguments of `Sandbox`.
_OPTIONS = (
    click.option("--host", default="127.0.0.1", help="A loopback address."),
    click.option(
        "--customers",
        default=5000,
        type=_COUNT,
        help="Customers in the CRM 2/B2B; the three "
        "other CRMs have fewer. With --crms, the maximum for each CRM.",
    ),
    click.option("--page-size", default=50, type=click.IntRange(min=1), help="Records per page."),
    click.option(
        "--shape",
        default="flat",
        type=click.Choice(list(KEYS)),
        help="The shape of customer records and the URL of their list: flat (`id`, `name`) at "
        "data_owners/2/crm/B2B/customers/, or prefixed (`crm__customer_id`) at "
        "data_owners/2/B2B/customers/.",
    ),
    click.option(
        "--outcomes",
        type=_COUNT,
        help="Call outcomes in the CRM 2/B2B within the last 60 days, and a fifth as many "
        "product registrations; with --crms, in each CRM.  [default: as many as customers, "
        "at most 600; with --crms, 10]",
    ),
    click.option(
        "--crms",
        type=click.IntRange(min=1),
        metavar="N",
        help="Serve N CRMs of 50 to 500 customers, alternately B2B and B2C, instead of the "
        "default four. Every third has extra fields.",
    ),
    click.option(
        "--latency",
        default=0.0,
        type=click.FloatRange(min=0),
        help="Seconds before each response.",
    ),
    click.option(
        "--quota",
        type=click.FloatRange(min=0, min_open=True),
        metavar="R",
        help="Maximum requests per second. The response to others is 429 with Retry-After.  "
        "[default: no limit]",
    ),
    click.option("--seed", default=0, help="Determines all random choices."),
    click.option("--token", default=TOKEN, help="The token for `Authorization: Token`."),
    click.option("--username", default=USERNAME, help="The user for `Authorization: Basic`."),
    click.option("--password", default=PASSWORD, help="The password of that user."),
    click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="KIND[=VALUE][:SHARE]",
        help="Lets requests fail; can be repeated. The kinds are listed below.",
    ),
    click.option(
        "--restless",
        default=0.0,
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="Share of the responses with a customer list before which a customer is deleted, "
        "added, changed, or gets a new field.",
    ),
)


def _options(port: int) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of both commands."""
    port_option = click.option(
        "--port", default=port, type=click.IntRange(0, 65535), help="0 picks a free one."
    )

    def decorate(command: Command) -> Command:
        for option in (*reversed(_OPTIONS), port_option):
            command = option(command)
        return command

    return decorate


@contextmanager
def _started(faults: tuple[str, ...], seed: int, options: dict[str, Any]) -> Iterator[Sandbox]:
    """Run the sandbox. An error at the start becomes one line."""
    with ExitStack() as stack:
        try:
            planned = Faults(*map(Fault.parse, faults), seed=seed) if faults else None
            sandbox = stack.enter_context(Sandbox(faults=planned, seed=seed, **options))
        except (OSError, ValueError) as error:
            raise click.ClickException(str(error)) from None
        yield sandbox


def _settings(sandbox: Sandbox) -> dict[str, str]:
    return {"TAP_CUBE_API_URL": sandbox.url, "TAP_CUBE_AUTH_TOKEN": sandbox.token}


@click.group(help=_HELP, context_settings={"show_default": True})
def main() -> None:
    """Show the help, or run a command."""


@main.command(epilog=FAULTS_HELP)
@_options(port=_PORT)
def serve(*, faults: tuple[str, ...], seed: int, **options: Any) -> None:
    """Serve until SIGINT (Ctrl-C) or SIGTERM."""
    stop = Event()
    with _started(faults, seed, options) as sandbox:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        click.echo(f"The sandbox is ready at {sandbox.url}. Ctrl-C stops it.", err=True)
        click.echo("Settings for the tap (run it with `--config ENV`):", err=True)
        for name, value in _settings(sandbox).items():
            click.echo(f"  {name}={value}", err=True)
        click.echo(
            f"Or, instead of the token: TAP_CUBE_USERNAME={sandbox.username} "
            f"TAP_CUBE_PASSWORD={sandbox.password}",
            err=True,
        )
        stop.wait()


@main.command(name="exec", epilog=FAULTS_HELP, context_settings={"allow_interspersed_args": False})
@_options(port=0)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(
    command: tuple[str, ...], *, faults: tuple[str, ...], seed: int, **options: Any
) -> None:
    """Start a sandbox, run COMMAND, and exit with its status.

    The environment of COMMAND contains TAP_CUBE_API_URL and TAP_CUBE_AUTH_TOKEN, and no other
    setting for the account or the credentials. Put `--` before COMMAND.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _CONFLICTING}
    with _started(faults, seed, options) as sandbox:
        try:
            status = run(command, environment | _settings(sandbox))
        except OSError as error:
            click.echo(f"cube-sandbox: {command[0]}: {error.strerror}", err=True)
            missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
            status = 127 if missing else 126
    sys.exit(status)


if __name__ == "__main__":
    main(prog_name="cube-sandbox")
