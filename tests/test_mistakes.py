"""What users may get wrong, and the last line that they read: `docs/errors.md` is made from it.

    UPDATE_ERRORS=1 pytest -n 0 tests/test_mistakes.py

writes the page again. A process per mistake would take a minute: a program that has imported the
tap once forks for each of them. The file descriptors, the environment and the exit status are real.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from tap_cube.compat import override
from tap_cube.sandbox import Sandbox
from tests.support import Run, own_environment, select
from tests.targets import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from typing_extensions import Self

    from tests.support import Tap

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

PAGE = ROOT / "docs" / "errors.md"
SECRET = "s3cr3t"  # noqa: S105  # invented
HTTP: dict[str, Any] = {"max_tries": 1, "crms": [{"data_owner_id": 2, "crm_type": "B2B"}]}
PLACEHOLDERS = ("{cube}", "{web}", "{web_port}", "{closed_port}", "{folder}")

SERVER = """
import json, os, sys
from tap_cube.__main__ import main
import tap_cube.command, tap_cube.streams.check, urllib3.util.ssl_, encodings.idna
for line in sys.stdin:
    task = json.loads(line)
    child = os.fork()
    if child == 0:
        for descriptor, path in ((1, task["stdout"]), (2, task["stderr"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        os.environ.clear()
        os.environ.update(task["environment"])
        os.chdir(task["folder"])
        sys.argv = ["tap-cube", *task["arguments"]]
        main()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Mistake:
    """A mistake, and what tells of it.

    Attributes:
        what: What the user did.
        config: The settings; without `api_url` and `auth_token`, unless `whole`.
        whole: Whether the settings are complete as they are.
        arguments: The arguments; `--config config.json` comes first if there are settings.
        variables: Environment variables.
        files: Further files in the folder, by name.
        says: What must be in the line.
        status: The exit status.
        stdout: Where stdout goes.
    """

    what: str
    says: str
    config: Any = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    status: int = 1
    stdout: str = "stdout"


def settings(what: str, says: str, **config: Any) -> Mistake:
    """A wrong setting beside right ones."""
    return Mistake(what, says, config, ("--discover",))


def whole(what: str, says: str, **config: Any) -> Mistake:
    """Settings for account and credentials that do not work."""
    return Mistake(what, says, config, ("--discover",), whole=True)


def warning(what: str, says: str, **config: Any) -> Mistake:
    """A mistake that only deserves a warning."""
    return Mistake(what, says, config, ("--discover",), status=0)


def files(what: str, says: str, *arguments: str, **contents: str) -> Mistake:
    """Wrong files beside right settings; `config` without them."""
    named = {f"{name}.json": text for name, text in contents.items()}
    config: Any = None if "config" in contents or "--config" in arguments else {}
    return Mistake(what, says, config, arguments, files=named)


def http(what: str, says: str, **config: Any) -> Mistake:
    """Settings for another server than the user believes."""
    return whole(what, says, **{"auth_token": SECRET, **HTTP, **config})


JSONL = {"format": "jsonl"}
ACCOUNT: dict[str, Any] = {"account": "acme", "auth_token": SECRET}
ACCESS = {"TAP_CUBE_ACCOUNT": "acme", "TAP_CUBE_AUTH_TOKEN": SECRET}
ENV = ("--config", "ENV", "--discover")

CHAPTERS: dict[str, list[Mistake]] = {
    "Account and credentials": [
        whole("no settings", "`account`"),
        whole("no account", "Neither of the settings `account` and `api_url`", auth_token=SECRET),
        whole("`account` and `api_url`", "Both", **ACCOUNT, api_url="https://cube.example.com"),
        whole("`account`: a URL", "it is acme", account="https://acme.headshed.com"),
        whole("`account`: a host", "it is acme", account="acme.headshed.com"),
        whole("`account`: a line break at the end", "it is acme", account="acme\n"),
        whole("`api_url`: no scheme", "origin", api_url="cube.example.com", auth_token=SECRET),
        whole("`api_url`: a path", "origin", api_url="https://cube.example.com/api/v1"),
        whole("`api_url`: plain http", "https://", api_url="http://cube.example.com"),
        whole("no credentials", "No credentials are set", account="acme"),
        whole("two kinds of credentials", "are set together", **ACCOUNT, basic_auth=SECRET),
        whole("no password", "`password` is missing", account="acme", username="me"),
        whole("no user name", "`username` is missing", account="acme", password=SECRET),
        whole("`basic_auth`: not base64", "base64", account="acme", basic_auth=f"me:{SECRET}"),
        whole("`auth_token`: two words", "paste it", account="acme", auth_token=f"a {SECRET}"),
        whole("`auth_token`: a number", "`auth_token` must be", account="acme", auth_token=7),
        Mistake(
            "variables, but no `--config ENV`",
            "TAP_CUBE_ACCOUNT, TAP_CUBE_AUTH_TOKEN are not read without `--config ENV`",
            None,
            ("--discover",),
            ACCESS,
        ),
        Mistake(
            "a misspelt variable",
            "did you mean `TAP_CUBE_CRMS`?",
            variables={"TAP_CUBE_CRM": "[]"},
            arguments=("--config", "ENV", "--discover"),
            status=0,
        ),
        Mistake(
            "a variable in another encoding than UTF-8",
            "`password` contains bytes or characters",
            None,
            ENV,
            {"TAP_CUBE_ACCOUNT": "acme", "TAP_CUBE_USERNAME": "me", "TAP_CUBE_PASSWORD": "\udce5"},
        ),
        Mistake("no arguments", "tap-cube --about", None, status=2),
    ],
    "Other settings": [
        settings("`crms`: one CRM, not an array", "`crms` must be of type array", crms={"a": 1}),
        settings("`crms`: names", "`crms[0]` must be of type object", crms=["B2B"]),
        settings("`crms`: no type", "`crms[0].crm_type` is missing", crms=[{"data_owner_id": 2}]),
        settings(
            "`crms`: an owner's name",
            "`crms[0].data_owner_id` must be of type integer",
            crms=[{"data_owner_id": "acme", "crm_type": "B2B"}],
        ),
        settings("`crms`: an empty array", "remove it to read every CRM", crms=[]),
        settings("`customer_ids`: no array", "must be of type array", customer_ids="971352"),
        settings("`start_date`: not ISO 8601", "2024-01-31", start_date="31.01.2024"),
        settings("`start_date`: in the future", "in the future", start_date="2999-01-01"),
        settings("`lookback_days`: negative", "must be 0 or more", lookback_days=-1),
        settings("`lookback_days`: more than ten years", "3650 or less", lookback_days=4000),
        settings("`sample_size`: 0", "must be 1 or more", sample_size=0),
        settings("`concurrency`: 0", "must be 1 or more", concurrency=0),
        settings("`concurrency`: 17", "must be 16 or less", concurrency=17),
        settings("`max_tries`: a fraction", "must be of type integer", max_tries=1.5),
        settings("`request_timeout`: 0", "must be more than 0", request_timeout=0),
        settings("`requests_per_second`: 0", "must be more than 0", requests_per_second=0),
        settings(
            "`include_inactive_campaigns`: text",
            "must be true or false",
            include_inactive_campaigns="no",
        ),
        settings(
            "`new_fields`: another word", "must be evolve, discard or fail", new_fields="ignore"
        ),
        settings(
            "`field_names`: another word", "must be source or snake_case", field_names="snake"
        ),
        settings("`field_types`: no array", "of type array", field_types={"zip_code": "integer"}),
        settings(
            "`field_types`: another type",
            "`field_types[0].type` must be string, integer",
            field_types=[{"field": "zip_code", "type": "int"}],
        ),
        settings("`user_agent`: a line break", "`user_agent` contains", user_agent="acme\nbot"),
        warning("a setting that does not exist", "did you mean `start_date`?", start_dat="2024"),
        Mistake(
            "`TAP_CUBE_CRMS`: not JSON", "as JSON", None, ENV, {**ACCESS, "TAP_CUBE_CRMS": "B2B"}
        ),
        Mistake(
            "`TAP_CUBE_CONCURRENCY`: a word",
            "`concurrency` must be of type integer: see the variable TAP_CUBE_CONCURRENCY",
            None,
            ENV,
            {**ACCESS, "TAP_CUBE_CONCURRENCY": "many"},
        ),
        Mistake(
            "`LOGLEVEL`: another word",
            "LOGLEVEL must be DEBUG",
            arguments=("--discover",),
            variables={"LOGLEVEL": "LOUD"},
        ),
        Mistake(
            "`LOGLEVEL`: CRITICAL",
            "must be 1 or more",
            {"max_tries": 0},
            variables={"LOGLEVEL": "CRITICAL"},
        ),
        Mistake(
            "`SINGER_SDK_LOG_CONFIG`: no such file",
            "logging.yml: No such file or directory: check the variable `SINGER_SDK_LOG_CONFIG`",
            variables={"SINGER_SDK_LOG_CONFIG": "logging.yml"},
        ),
        Mistake(
            "`SINGER_SDK_LOG_CONFIG`: a class that does not exist",
            "Unable to configure handler 'stderr': Cannot resolve 'logging.StderrHandler'",
            variables={"SINGER_SDK_LOG_CONFIG": "logging.json"},
            files={
                "logging.json": '{"version": 1, "handlers": {"stderr": {"class": '
                '"logging.StderrHandler"}}}'
            },
        ),
    ],
    "Stream maps, flattening, batches": [
        warning(
            "`stream_maps`: no such stream",
            "did you mean `customers`?",
            stream_maps={"customrs": {}},
        ),
        settings(
            "`stream_maps`: not an object", "stream_maps.html", stream_maps={"customers": "x"}
        ),
        settings(
            "`stream_maps`: two names for a copy",
            "`stream_maps.copy` has `__source__`, so `copy` is the name: remove `__alias__`",
            stream_maps={"copy": {"__source__": "customers", "__alias__": "other"}},
        ),
        settings(
            "`stream_maps`: a copy of nothing",
            "`stream_maps.copy.__source__` must be the name of a stream",
            stream_maps={"copy": {"__source__": None}},
        ),
        settings(
            "`stream_maps`: a syntax error",
            "`stream_maps.customers.mail` is not a valid Python expression",
            stream_maps={"customers": {"mail": "md5(email"}},
        ),
        Mistake(
            "`stream_maps`: no such function",
            "`stream_maps.customers.mail` calls `sha`, which is not a function",
            {"stream_maps": {"customers": {"mail": "sha(email)"}}},
        ),
        Mistake(
            "`stream_maps`: no such field",
            "write record.get('mail')",
            {"stream_maps": {"customers": {"mail": "md5(mail)"}}},
        ),
        Mistake(
            "`stream_maps`: a field that not all records have",
            "write record.get('...')",
            {"stream_maps": {"customers": {"mail": "md5(record['mail'])"}}},
        ),
        Mistake(
            "`stream_maps`: a value that is null",
            "`stream_maps.customers.mail` fails for a record (AttributeError), perhaps because a",
            {"stream_maps": {"customers": {"mail": "md5(None)"}}},
        ),
        Mistake(
            "`stream_maps`: a key removed",
            "`customers` would lack a column of its key: keep data_owner_id, crm_type, id",
            {"stream_maps": {"customers": {"id": "__NULL__"}}},
        ),
        Mistake(
            "`stream_maps`: a misspelt column removed",
            "`stream_maps.customers.emial` removes a column that the stream lacks",
            {"stream_maps": {"customers": {"emial": "__NULL__"}}},
            status=0,
        ),
        settings(
            "`stream_maps`: another value of `__else__`",
            "`stream_maps.customers.__else__` must be null",
            stream_maps={"customers": {"__else__": "drop"}},
        ),
        settings(
            "`stream_maps`: no such operator",
            "did you mean `__filter__`?",
            stream_maps={"customers": {"__filtr__": "True"}},
        ),
        settings(
            "`stream_maps`: a salt that is not set",
            "`stream_maps.customers.mail` uses config['salt'], which `stream_map_config` lacks",
            stream_maps={"customers": {"mail": "md5(config['salt'] + email)"}},
        ),
        Mistake(
            "`stream_maps`: an alias that is not a name",
            "`stream_maps.customers.__alias__` is not the name of a stream",
            {"stream_maps": {"customers": {"__alias__": "'a' + 1"}}},
        ),
        Mistake(
            "`faker_config`: no such locale",
            "such as nb_NO",
            {
                "stream_maps": {"customers": {"name": "fake.name()"}},
                "faker_config": {"locale": "norsk"},
            },
        ),
        Mistake(
            "`flattening_max_key_length`: names that become equal",
            "get the same name",
            {
                "flattening_enabled": True,
                "flattening_max_depth": 1,
                "flattening_max_key_length": 8,
            },
        ),
        settings("flattening without a depth", "`flattening_max_depth`", flattening_enabled=True),
        settings("`batch_config`: no format", "encoding.format", batch_config={"storage": {}}),
        settings("`batch_config`: no storage", "storage.root", batch_config={"encoding": JSONL}),
        settings(
            "`batch_config`: another format",
            "must be jsonl or parquet",
            batch_config={"encoding": {"format": "csv"}},
        ),
        settings(
            "`batch_config`: `s3://` without its package",
            "install `singer-sdk[s3]` where tap-cube is installed",
            batch_config={"encoding": JSONL, "storage": {"root": "s3://bucket"}},
        ),
        settings(
            "`batch_config`: another scheme",
            "must be a folder",
            batch_config={"encoding": JSONL, "storage": {"root": "bucket://folder"}},
        ),
        settings(
            "`batch_config`: Parquet without its package",
            "install `singer-sdk[parquet]`",
            batch_config={"encoding": {"format": "parquet"}, "storage": {"root": "."}},
        ),
        settings(
            "`batch_config` and `emit_activate_version_messages`",
            "do not go together",
            batch_config={"encoding": JSONL, "storage": {"root": "."}},
            emit_activate_version_messages=True,
        ),
        Mistake(
            "`batch_config`: a folder that cannot be made",
            "config.json/batches: Not a directory",
            {
                "batch_config": {
                    "encoding": JSONL,
                    "storage": {"root": "{folder}/config.json/batches"},
                }
            },
        ),
    ],
    "Files and options": [
        files("`--config`: no such file", "No such file", "--config", "nowhere.json"),
        files("`--config`: a folder", "Is a directory", "--config", "."),
        files("`--config`: empty", "name a file of settings, or ENV", "--config", ""),
        files(
            "`--config`: settings in place of a file",
            "not the settings themselves",
            *("--config", f'["{SECRET}"]'),
        ),
        files("`--config`: a comma too many", "not JSON", config='{"account": "acme",}'),
        files("`--config`: an empty file", "the file is empty", config=""),
        files("`--config`: an array", "not a JSON object", config='["acme"]'),
        files("`--state`: no JSON", "not JSON", "--state", "state.json", state="{"),
        files(
            "`--state`: all lines that were written",
            "Hand over the last line of STATE",
            *("--state", "state.json"),
            state='{"bookmarks": {}}\n{"bookmarks": {}}\n',
        ),
        files(
            "`--state`: edited by hand",
            "`bookmarks.customers.partitions[0]`: it lacks the field `context`",
            *("--state", "state.json"),
            state='{"bookmarks": {"customers": {"partitions": [{}]}}}',
        ),
        files(
            "`--state`: a file of settings",
            "it has no `bookmarks`",
            *("--state", "state.json"),
            state='{"account": "acme"}',
        ),
        files(
            "`--catalog`: an empty file",
            "the file is empty",
            *("--catalog", "catalog.json"),
            catalog="",
        ),
        files(
            "`--catalog`: edited by hand",
            "`streams[0]`: it lacks the field `tap_stream_id`",
            *("--catalog", "catalog.json"),
            catalog='{"streams": [{"stream": "customers"}]}',
        ),
        files(
            "`--catalog`: a file of settings",
            "not a catalog",
            *("--catalog", "catalog.json"),
            catalog='{"account": "acme"}',
        ),
        files(
            "`--catalog`: of another tap",
            "no stream of tap-cube is in it",
            *("--catalog", "catalog.json"),
            catalog='{"streams": [{"tap_stream_id": "users", "schema": {"properties": {}}}]}',
        ),
        Mistake("`--state`: no such file", "No such file", {}, ("--state", "nowhere"), status=2),
        Mistake("no such option", "No such option", {}, ("--stat", "state.json"), status=2),
        Mistake("a file without `--config`", "extra argument", None, ("config.json",), status=2),
    ],
    "stdout": [
        Mistake("a full disk, in a run", "No space left on device", stdout="/dev/full"),
        Mistake(
            "a full disk, in discovery",
            "stdout cannot be written: No space left on device",
            arguments=("--discover",),
            stdout="/dev/full",
        ),
    ],
    "The server": [
        http("a wrong token", "the credentials were rejected (401)", api_url="{cube}"),
        http(
            "a wrong password",
            "the credentials were rejected (401)",
            api_url="{cube}",
            auth_token="",
            username="me",
            password=SECRET,
        ),
        settings(
            "`crms`: no such CRM",
            "(404)",
            crms=[{"data_owner_id": 2, "crm_type": "b2b"}],
        ),
        http("a server that is not Cube", "(404)", api_url="{web}"),
        http("https to a port that speaks http", "TLS", api_url="https://127.0.0.1:{web_port}"),
        http("nothing listens", "connection refused", api_url="http://127.0.0.1:{closed_port}"),
        Mistake(
            "`HTTPS_PROXY`: not an address",
            "`http://host:port`: check the variable `HTTPS_PROXY`",
            ACCOUNT,
            variables={"HTTPS_PROXY": f"http://me:{SECRET}@proxy.example.com:port"},
            whole=True,
        ),
    ],
}
MISTAKES = [mistake for chapter in CHAPTERS.values() for mistake in chapter]


class Forks:
    """Runs the tap again and again, without importing it each time.

    Args:
        folder: Where the files go that it reads and writes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(  # noqa: S603  # the lines above
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def __call__(
        self, arguments: tuple[str, ...], variables: Mapping[str, str], stdout: str
    ) -> Run:
        assert self._process.stdin
        assert self._process.stdout
        task = {
            "arguments": arguments,
            "environment": own_environment(**variables),
            "folder": str(self.folder),
            "stdout": str(self.folder / stdout),
            "stderr": str(self.folder / "stderr"),
        }
        print(json.dumps(task), file=self._process.stdin, flush=True)
        status = int(self._process.stdout.readline())
        written = self.folder / stdout
        return Run(
            status,
            written.read_bytes() if written.is_file() else b"",
            (self.folder / "stderr").read_text(encoding="utf-8"),
        )


class NotCube(BaseHTTPRequestHandler):
    """A web server that has no API."""

    def do_GET(self) -> None:
        self.send_error(404)

    @override
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What stands for the placeholders in settings."""
    web = ThreadingHTTPServer(("127.0.0.1", 0), NotCube)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with socket.socket() as unused, Sandbox(customers=3, outcomes=0) as cube:
        unused.bind(("127.0.0.1", 0))
        yield {
            "{cube}": cube.url,
            "{token}": cube.token,
            "{web}": f"http://127.0.0.1:{web.server_port}",
            "{web_port}": str(web.server_port),
            "{closed_port}": str(unused.getsockname()[1]),
            "{folder}": str(tmp_path_factory.mktemp("mistakes")),
        }
    web.shutdown()
    web.server_close()


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("forks")) as running:
        yield running


def filled(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(name, value)
    return text


def make(mistake: Mistake, forks: Forks, places: Mapping[str, str]) -> Run:
    """Let a user make the mistake."""
    for old in forks.folder.glob("*.json"):
        old.unlink()
    contents = dict(mistake.files)
    arguments = mistake.arguments
    if mistake.config is not None:
        access = {} if mistake.whole else {"api_url": "{cube}", "auth_token": "{token}"}
        contents["config.json"] = json.dumps({**access, **mistake.config})
    if "config.json" in contents:
        arguments = ("--config", "config.json", *arguments)
    for name, text in contents.items():
        own = {**places, "{folder}": str(forks.folder)}
        (forks.folder / name).write_text(filled(text, own), encoding="utf-8")
    return forks(arguments, mistake.variables, mistake.stdout)


def told(mistake: Mistake, run: Run, places: Mapping[str, str], forks: Forks) -> str:
    """The line that tells of the mistake, as it would be in an account of the user's."""
    line = run.last_line
    if mistake.status == 0:
        (line,) = (
            text.split(" | ", 3)[-1] for text in run.log.splitlines() if "| WARNING " in text
        )
    line = line.replace(f"{forks.folder}/", "/srv/cube/")
    for name in ("{cube}", "{web}"):
        line = line.replace(places[name], "https://acme.headshed.com")
    for name in ("{web_port}", "{closed_port}"):
        line = line.replace(places[name], "8765")
    return line


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_the_line_names_the_cause(mistake: Mistake, forks: Forks, places: dict[str, str]) -> None:
    if "Parquet" in mistake.what and find_spec("pyarrow"):
        pytest.skip("pyarrow is installed")
    run = make(mistake, forks, places)
    assert run.status == mistake.status, run.log
    assert mistake.says in told(mistake, run, places, forks)
    assert "Unexpected" not in run.log
    assert "Traceback" not in run.log
    assert "unhandled error" not in run.log
    assert "Skipping parse" not in run.log
    assert SECRET not in run.log
    if mistake.status and "--discover" in mistake.arguments and mistake.stdout == "stdout":
        assert run.stdout == b""


def test_there_are_sixty() -> None:
    assert len({mistake.what for mistake in MISTAKES}) == len(MISTAKES) >= 60


def page(forks: Forks, places: Mapping[str, str]) -> str:
    """All mistakes with their lines, as Markdown."""
    text = PAGE.read_text(encoding="utf-8").partition("\n## ")[0].rstrip() + "\n"
    for chapter, mistakes in CHAPTERS.items():
        rows = ["| mistake | status | last line, or warning |", "|---|--:|---|"]
        for mistake in mistakes:
            run = make(mistake, forks, places)
            line = told(mistake, run, places, forks).replace("|", chr(92) + "|")
            rows.append(f"| {mistake.what} | {run.status} | {line} |")
        text += f"\n## {chapter}\n\n" + "\n".join(rows) + "\n"
    return text


@pytest.mark.e2e
def test_the_page_shows_the_lines(forks: Forks, places: dict[str, str]) -> None:
    found = page(forks, places)
    if os.environ.get("UPDATE_ERRORS"):
        PAGE.write_text(found, encoding="utf-8", newline="\n")
    assert PAGE.read_text(encoding="utf-8") == found


# Standard streams are found closed when Python starts: these are processes of their own


@pytest.mark.parametrize("arguments", ["--discover", ""], ids=["discovery", "a run"])
def test_a_closed_stdout(tmp_path: Path, arguments: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(ACCOUNT))
    run = shell(f"{sys.executable} -m tap_cube --config config.json {arguments} >&-", tmp_path)
    assert run.returncode == 1
    assert run.stderr == "stdout is closed: redirect it to a target or a file\n"


def test_a_closed_stderr_does_no_harm(tmp_path: Path, places: dict[str, str]) -> None:
    config = {"api_url": places["{cube}"], "auth_token": places["{token}"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    run = shell(f"{sys.executable} -m tap_cube --config config.json 2>&-", tmp_path)
    assert run.returncode == 0
    assert '"type":"STATE"' in run.stdout.splitlines()[-1]


def test_the_sandbox_names_its_extra(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['starlette'] = None; "
        "from tap_cube.sandbox_command import main; main()"
    )
    run = shell(f'{sys.executable} -c "{program}"', tmp_path)
    assert run.returncode == 1
    assert run.stderr == (
        "cube-sandbox: the package `starlette` is not installed. The sandbox is an extra: install "
        "tap-cube[sandbox] in place of tap-cube\n"
    )


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own program
        ["bash", "-c", f"set -o pipefail; {script}"],  # noqa: S607
        cwd=folder,
        env=own_environment(),
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=60,
    )


def test_an_empty_log_level_is_none(forks: Forks, places: dict[str, str]) -> None:
    empty = {"LOGLEVEL": "", "TAP_CUBE_LOGLEVEL": " "}
    mistake = Mistake("", "", arguments=("--discover",), variables=empty, status=0)
    run = make(mistake, forks, places)
    assert run.status == 0, run.log
    assert json.loads(run.stdout)["streams"]


def test_a_check_before_the_first_read(forks: Forks, places: dict[str, str]) -> None:
    run = make(Mistake("", "", HTTP, ("--test",), status=0), forks, places)
    assert run.status == 0, run.log
    assert run.log.replace(places["{cube}"], "https://acme.headshed.com") == CHECKED
    assert run.stdout.count(b'"type":"RECORD"') >= 4, "programs may read it"


CHECKED = """\
https://acme.headshed.com accepts the credentials of the setting `auth_token`.

CRM    customers
2/B2B          3

stream                 one record
call_outcomes          ok
campaigns              ok
custom_fields          ok
customer_details       ok (not selected by default)
customer_statuses      ok
customers              ok
product_registrations  ok

Everything works.
"""


def test_a_check_that_fails_names_crm_and_stream(forks: Forks, places: dict[str, str]) -> None:
    both = [*HTTP["crms"], {"data_owner_id": 2, "crm_type": "Nowhere"}]
    run = make(Mistake("", "", {**HTTP, "crms": both}, ("--test",)), forks, places)
    assert run.status == 1
    assert re.search(r"^2/B2B +3$", run.log, re.MULTILINE)
    assert re.search(
        r"^2/Nowhere +failed: CRM 2/Nowhere, customers: not found", run.log, re.MULTILINE
    )
    assert "Everything works" not in run.log
    assert "CRM 2/Nowhere, customers: not found (404)" in run.last_line


GIVEN = {"bookmarks": {"customers": {"partitions": [{"context": HTTP["crms"][0]}]}}}


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({}, "Ended by signal 2"),
        (GIVEN, "Ended by signal 2: the next run continues from here"),
    ],
    ids=["a first run", "a later run"],
)
def test_ctrl_c_claims_no_more_than_is_true(tap: Tap, state: dict[str, Any], sentence: str) -> None:
    """Before anything is read, only a run that was given a STATE has something to go on from."""
    with Sandbox(customers=3, latency=1) as cube:
        process = tap.start(
            config={"api_url": cube.url, "auth_token": cube.token},
            **({"state": state} if state else {}),
        )
        while not cube.requests:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 130
    assert Run(130, b"", log.decode()).last_line == sentence


INTERRUPTED = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == "singer_sdk":
            os.kill(os.getpid(), signal.{name})

sys.meta_path.insert(0, Interrupt())
from tap_cube.__main__ import main
main()
"""


@pytest.mark.parametrize(("name", "number"), [("SIGINT", 2), ("SIGTERM", 15)])
def test_a_signal_while_the_tap_is_imported(tmp_path: Path, name: str, number: int) -> None:
    run = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", INTERRUPTED.replace("{name}", name), "--discover"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (128 + number, b"")
    assert run.stderr.decode() == f"Ended by signal {number}\n"


LOUD = {
    "version": 1,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"level": "DEBUG", "handlers": ["stderr"]},
    "loggers": {
        name: {"level": "DEBUG", "handlers": ["stderr"], "propagate": False}
        for name in ("urllib3", "urllib3.connectionpool", "requests")
    },
}


@pytest.fixture
def with_log(forks: Forks, places: dict[str, str]) -> Callable[..., Run]:
    """Run the tap, discovery by default, with a configuration of the log."""

    def run(log: Any, config: Any = HTTP, *arguments: str) -> Run:
        variables = {"SINGER_SDK_LOG_CONFIG": "logging.json"}
        files = {"logging.json": json.dumps(log)}
        mistake = Mistake("", "", config, arguments or ("--discover",), variables, files)
        return make(mistake, forks, places)

    return run


def test_no_log_config_shows_urls(with_log: Callable[..., Run]) -> None:
    """They hold ids of customers."""
    run = with_log(LOUD)
    assert run.status == 0, run.log
    assert "Validating config using jsonschema" in run.log, "the level that would show them is on"
    assert "/api/v1/" not in run.log
    assert "HTTP/1.1" not in run.log


QUIET = {"stderr": {"class": "logging.StreamHandler", "level": "CRITICAL"}}
QUIET_LOGS: dict[str, dict[str, Any]] = {
    "a level of the handler": {**LOUD, "handlers": QUIET},
    "a level of the tap's own handler": {
        "handlers": QUIET,
        "loggers": {"tap-cube": {"handlers": ["stderr"], "propagate": False}},
    },
    "a handler that writes nothing": {
        "handlers": {"null": {"class": "logging.NullHandler"}},
        "root": {"handlers": ["null"]},
    },
    "no handler": {"root": {"handlers": []}},
    "handlers of others only": {
        "handlers": QUIET,
        "loggers": {"singer_sdk": {"handlers": ["stderr"]}},
        "root": {"handlers": []},
    },
}


@pytest.mark.parametrize("quiet", QUIET_LOGS.values(), ids=QUIET_LOGS)
def test_no_log_config_hides_a_failure(quiet: dict[str, Any], with_log: Callable[..., Run]) -> None:
    """Of a night's run, cron would mail nothing."""
    run = with_log({"version": 1, **quiet}, {"max_tries": 0})
    assert run.status == 1
    assert run.log == "Setting `max_tries` must be 1 or more\n"


def test_a_log_in_a_file_holds_the_failure(with_log: Callable[..., Run], forks: Forks) -> None:
    written = {"file": {"class": "logging.FileHandler", "filename": "tap.log"}}
    run = with_log(
        {"version": 1, "handlers": written, "root": {"handlers": ["file"]}}, {"max_tries": 0}
    )
    assert (run.status, run.log) == (1, "")
    log = (forks.folder / "tap.log").read_text(encoding="utf-8")
    assert log.endswith("Setting `max_tries` must be 1 or more\n")


def test_no_log_config_mixes_the_log_into_the_messages(with_log: Callable[..., Run]) -> None:
    out = {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}}
    root = {"handlers": ["stdout"], "level": "DEBUG"}
    run = with_log({"version": 1, "handlers": out, "root": root})
    assert run.status == 0, run.log
    assert json.loads(run.stdout)["streams"]
    assert "Validating config using jsonschema" in run.log


def test_an_operator_that_is_null_removes_no_column(forks: Forks, places: dict[str, str]) -> None:
    config = {**HTTP, "stream_maps": {"customers": {"__filter__": None}}}
    run = make(Mistake("", "", config), forks, places)
    assert run.status == 0, run.log
    assert run.records("customers")
    assert "removes a column" not in run.log


def test_a_map_of_a_stream_that_is_not_selected(forks: Forks, places: dict[str, str]) -> None:
    catalog = json.loads(make(Mistake("", "", HTTP, ("--discover",)), forks, places).stdout)
    of_another_tap = {
        "tap_stream_id": "users",
        "key_properties": ["id"],
        "schema": {"properties": {}},
        "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
    }
    streams = [*select(catalog, "campaigns")["streams"], of_another_tap]
    maps = {name: {"x": "1"} for name in ("customers", "custom_fields", "use*")}
    mistake = Mistake(
        "",
        "",
        {**HTTP, "stream_maps": maps},
        ("--catalog", "catalog.json"),
        files={"catalog.json": json.dumps({"streams": streams})},
    )
    run = make(mistake, forks, places)
    assert run.status == 0, run.log
    assert b'"stream":"campaigns"' in run.stdout
