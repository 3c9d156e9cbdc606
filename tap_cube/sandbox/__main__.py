"""The command line: `cube-sandbox serve` and `cube-sandbox exec`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tap_cube.sandbox.child import run
from tap_cube.sandbox.cube import PASSWORD, TOKEN, USERNAME
from tap_cube.sandbox.faults import Fault, Faults
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

_FAULTS = """What --fault can do to a request:

\b
  503         answers with that status, any from 200 to 599
  503=2       and with `Retry-After: 2`
  503=date+2  and with `Retry-After`, as the time in 2 seconds
  reset       resets the connection without an answer
  cut         closes the connection half-way through the answer
  slow=3      answers after 3 seconds (slow: after 5)
  html        answers with an HTML page and status 200
  self-link   a page's next link is the page itself
  cycle=2     a page's next link leads back to page 2 (cycle: to page 1)
  empty       an empty page comes before the one that was asked for

:SHARE is the share of requests that it is done to, from 0 to 1; without it, to all. For example:
--fault 503:0.1 --fault reset:0.05 --fault 429=2:0.1 --fault slow=3:0.02
"""

Command = TypeVar("Command", bound="Callable[..., Any]")


def _options(port: int, port_help: str) -> Callable[[Command], Command]:
    """The options of both commands, which are the arguments of `Sandbox`."""
    count = click.IntRange(min=0)
    options = [
        click.option("--host", default="127.0.0.1", help="A loopback address."),
        click.option("--port", default=port, type=click.IntRange(0, 65535), help=port_help),
        click.option(
            "--customers", default=5000, type=count, help="Customers in data owner 2's B2B."
        ),
        click.option("--page-size", default=50, type=click.IntRange(min=1), help="Records a page."),
        click.option(
            "--shape",
            default="flat",
            type=click.Choice(list(KEYS)),
            help="How customers are written and where they are listed: flat records such as "
            "`id` and `name`, at data_owners/2/crm/B2B/customers/; or prefixed ones such as "
            "`crm__customer_id`, at data_owners/2/B2B/customers/.",
        ),
        click.option(
            "--outcomes",
            type=count,
            help="Call outcomes in data owner 2's B2B, over the 60 days to today, and a fifth as "
            "many product registrations.  [default: as many as customers, at most 600]",
        ),
        click.option(
            "--latency",
            default=0.0,
            type=click.FloatRange(min=0),
            help="Seconds before each answer.",
        ),
        click.option(
            "--seed", default=0, help="Decides all that is random, such as the customers."
        ),
        click.option("--token", default=TOKEN, help="For `Authorization: Token`."),
        click.option("--username", default=USERNAME, help="For `Authorization: Basic`."),
        click.option("--password", default=PASSWORD, help="For `Authorization: Basic`."),
        click.option(
            "--fault",
            "faults",
            multiple=True,
            metavar="KIND[=VALUE][:SHARE]",
            help="Makes requests go wrong; can be repeated. The kinds are listed below.",
        ),
        click.option(
            "--restless",
            default=0.0,
            type=click.FloatRange(0, 1),
            metavar="SHARE",
            help="Share of the requests for a customer list before which a customer is deleted, "
            "added, changed, or gets a new field.",
        ),
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@contextmanager
def _started(faults: tuple[str, ...], seed: int, options: dict[str, Any]) -> Iterator[Sandbox]:
    """The running stand-in; what keeps it from starting becomes one line."""
    with ExitStack() as stack:
        try:
            planned = Faults(*map(Fault.parse, faults), seed=seed) if faults else None
            sandbox = stack.enter_context(Sandbox(faults=planned, seed=seed, **options))
        except (OSError, ValueError) as error:
            raise click.ClickException(str(error)) from None
        yield sandbox


@click.group(context_settings={"show_default": True})
def main() -> None:
    """A stand-in for the CRM Cube, with invented Norwegian customers."""


@main.command(epilog=_FAULTS)
@_options(port=8765, port_help="0 takes a free one.")
def serve(*, faults: tuple[str, ...], seed: int, **options: Any) -> None:
    """Serve until SIGINT (Ctrl-C) or SIGTERM."""
    stop = Event()
    with _started(faults, seed, options) as sandbox:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        click.echo(f"Cube's stand-in is ready at {sandbox.url}. Ctrl-C stops it.", err=True)
        click.echo(
            f"Token {sandbox.token}; or user {sandbox.username}, password {sandbox.password}",
            err=True,
        )
        stop.wait()


@main.command(name="exec", epilog=_FAULTS, context_settings={"allow_interspersed_args": False})
@_options(port=0, port_help="0 takes a free one.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(
    command: tuple[str, ...], *, faults: tuple[str, ...], seed: int, **options: Any
) -> None:
    """Run COMMAND beside the stand-in, and end with its exit status.

    COMMAND finds TAP_CUBE_API_URL and TAP_CUBE_AUTH_TOKEN in its environment, and no other setting
    of the account or the credentials. Put `--` before it.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _CONFLICTING}
    with _started(faults, seed, options) as sandbox:
        environment["TAP_CUBE_API_URL"] = sandbox.url
        environment["TAP_CUBE_AUTH_TOKEN"] = sandbox.token
        try:
            status = run(command, environment)
        except OSError as error:
            click.echo(f"cube-sandbox: {command[0]}: {error.strerror}", err=True)
            missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
            status = 127 if missing else 126
    sys.exit(status)


if __name__ == "__main__":
    main(prog_name="cube-sandbox")
