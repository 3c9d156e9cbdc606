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
from tap_cube.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONFLICTING = {
    "TAP_CUBE_ACCOUNT",
    "TAP_CUBE_BASIC_AUTH",
    "TAP_CUBE_PASSWORD",
    "TAP_CUBE_USERNAME",
}

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
        click.option(
            "--page-size", default=50, type=click.IntRange(min=1), help="Customers a page."
        ),
        click.option(
            "--latency",
            default=0.0,
            type=click.FloatRange(min=0),
            help="Seconds before each answer.",
        ),
        click.option("--seed", default=0, help="The same seed invents the same customers."),
        click.option("--token", default=TOKEN, help="For `Authorization: Token`."),
        click.option("--username", default=USERNAME, help="For `Authorization: Basic`."),
        click.option("--password", default=PASSWORD, help="For `Authorization: Basic`."),
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@contextmanager
def _started(options: dict[str, Any]) -> Iterator[Sandbox]:
    """The running stand-in; what keeps it from starting becomes one line."""
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(Sandbox(**options))
        except (OSError, ValueError) as error:
            raise click.ClickException(str(error)) from None
        yield sandbox


@click.group(context_settings={"show_default": True})
def main() -> None:
    """A stand-in for the CRM Cube, with invented Norwegian customers."""


@main.command()
@_options(port=8765, port_help="0 takes a free one.")
def serve(**options: Any) -> None:
    """Serve until SIGINT (Ctrl-C) or SIGTERM."""
    stop = Event()
    with _started(options) as sandbox:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        click.echo(f"Cube's stand-in is ready at {sandbox.url}. Ctrl-C stops it.", err=True)
        click.echo(
            f"Token {sandbox.token}; or user {sandbox.username}, password {sandbox.password}",
            err=True,
        )
        stop.wait()


@main.command(name="exec", context_settings={"allow_interspersed_args": False})
@_options(port=0, port_help="0 takes a free one.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(command: tuple[str, ...], **options: Any) -> None:
    """Run COMMAND beside the stand-in, and end with its exit status.

    COMMAND finds TAP_CUBE_API_URL and TAP_CUBE_AUTH_TOKEN in its environment, and no other setting
    of the account or the credentials. Put `--` before it.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _CONFLICTING}
    with _started(options) as sandbox:
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
