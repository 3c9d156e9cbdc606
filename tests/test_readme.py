"""A first user's path: each command of the README and of `docs/`, word for word.

In a clean clone, with an empty home and a clean environment.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tap_cube.sandbox import Sandbox
from tests.documents import PAGES, block, command
from tests.documents import commands as all_commands
from tests.support import conformed
from tests.targets import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from typing_extensions import Self

pytestmark = pytest.mark.e2e

SECONDS = 600

# The shell commands of all pages, by something that is in them. All are run here, but for the one
# that runs all tests, as .ci/run does, and for a recipe, which `test_recipes` follows.
FIRST = "cube-sandbox exec --"
TESTS = "--group test"
LOOK = "duckdb.connect"
PROJECT = "meltano config set tap-cube account"
REFRESH = "--refresh-catalog"
FULL = "--full-refresh"
ALONE = "--discover > catalog.json"
ADD = "--from-ref"
GIT = 'python3 -m venv tap && tap/bin/pip install "tap-cube @ git+'
CLONE = "tap/bin/pip install ../tap-cube\n"
WHEEL = "pip wheel"
TARGET = "target-jsonl=="
VARIABLES = "export TAP_CUBE_ACCOUNT"
NIGHTLY = "#!/bin/bash"
PINS = "target/bin/pip install target-duckdb=="
LEVEL = "TAP_CUBE_LOGLEVEL=WARNING tap-cube"
JSON = "SINGER_SDK_LOG_CONFIG=logging.yml"
PROXY = "HTTPS_PROXY="
CERTIFICATE = "REQUESTS_CA_BUNDLE="
KNOWN = {
    "README.md": [FIRST, TESTS, LOOK, PROJECT, ALONE],
    "docs/recipes.md": [NIGHTLY, PINS],
    "docs/setting-up.md": [ADD, REFRESH, GIT, CLONE, WHEEL, TARGET, VARIABLES],
    "docs/troubleshooting.md": [LEVEL, JSON, PROXY, CERTIFICATE],
    "docs/upgrading.md": [FULL],
}
# What a user puts in place of what the pages have there: all else is as it is on the pages
OWN = {
    "tap-cube account acme ": "tap-cube api_url {url} ",
    "TAP_CUBE_ACCOUNT=acme": "TAP_CUBE_API_URL={url}",
    '"account": "acme"': '"api_url": "{url}"',
    '"..."': '"{token}"',
}

PYTHON = ".meltano/loaders/target-duckdb/venv/bin/python"
QUERY = """
import duckdb, json
cube = duckdb.connect("cube.duckdb", read_only=True)
table = cube.sql('''
    from customers where data_owner_id = 2 and crm_type = 'B2B' order by id''')
print(json.dumps([dict(zip(table.columns, row)) for row in table.fetchall()], default=str))
"""


def commands(content: str, cube: Sandbox) -> str:
    """A block as a user pastes it, with what is the user's own."""
    text = command(content)
    for theirs, own in OWN.items():
        text = text.replace(theirs, own.format(url=cube.url, token=cube.token))
    return text


@dataclass
class User:
    """Somebody with a clean clone, who has set up nothing."""

    clone: Path
    home: Path

    def run(
        self,
        *command: str,
        folder: Path | None = None,
        path: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """What a command prints."""
        with subprocess.Popen(  # noqa: S603  # the README's own commands
            command,
            cwd=folder or self.clone,
            env={
                **{name: os.environ[name] for name in KEPT},
                "HOME": str(self.home),
                "PATH": path or PATH,
                **(variables or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGTERM)
                raise
        assert process.returncode == 0, output
        return output

    def shell(
        self, script: str, folder: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> str:
        """Paste commands into a shell that knows the programs, and that stops at what fails."""
        known = (".venv/bin", ".meltano/loaders/target-jsonl/venv/bin")
        path = os.pathsep.join([*(str(self.clone / one) for one in known), PATH])
        return self.run(
            *("bash", "-c", f"set -eo pipefail\n{script}"),
            folder=folder,
            path=path,
            variables=variables,
        )


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    """Somebody who has run the first command."""
    folder = tmp_path_factory.mktemp("user")
    (home := folder / "home").mkdir()
    clone = folder / "tap-cube"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)  # noqa: S603, S607
    user = User(clone, home)
    assert command(FIRST).startswith("python3 -m venv ")
    user.run("sh", "-c", command(FIRST))
    return user


@pytest.fixture(scope="module")
def cube() -> Iterator[Sandbox]:
    """The user's own Cube."""
    with Sandbox(customers=200) as running:
        yield running


def first_days(cube: Sandbox) -> list[str]:
    """The first day of each window of calls that was requested."""
    return re.findall(r"call_outcomes/\?from_date=(\d+)", str(cube.requests))


def loaded(user: User) -> list[dict[str, Any]]:
    """The customers of a CRM that are in the warehouse."""
    return list(json.loads(user.run(PYTHON, "-c", QUERY)))


#: What a clean environment has beside `HOME` and `PATH`: how packages are found.
KEPT = {name for name in os.environ if name.startswith(("PIP_", "SSL_CERT_", "LANG"))}
PATH = os.environ["PATH"]


# In order: each test goes on where the one before it left the clone


def test_each_command_is_known() -> None:
    """A command that is new on a page must be run here too."""
    found: dict[str, list[list[str]]] = {}
    names = [name for known in KNOWN.values() for name in known]
    for page, text, _ in all_commands():
        found.setdefault(page, []).append([name for name in names if name in text])
    assert found == {page: [[name] for name in known] for page, known in KNOWN.items()}
    for page, text in PAGES.items():
        languages = set(re.findall(r"^ *```(\S+)", text, re.MULTILINE))
        assert languages <= {"sh", "json", "yaml", "python"}, page
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert command(TESTS) in ci
    recipes = (ROOT / "tests" / "test_recipes.py").read_text(encoding="utf-8")
    assert 'command("#!/bin/bash")' in recipes
    assert 'command("target-duckdb==")' in recipes


def test_the_query_prints_what_the_readme_shows(user: User) -> None:
    (shown,) = (text for _, block, text in all_commands() if LOOK in block)
    assert user.run("sh", "-c", command(LOOK)).split() == shown.split()


def test_the_table_is_the_list(user: User) -> None:
    """All values of all columns, æøå and the CRM's own fields included.

    With two differences, which are the target's: column names are lower-cased, and `""` is null.
    """
    rows = loaded(user)
    assert len({row["id"] for row in rows}) == len(rows) == 5000
    crm = Sandbox(customers=5000).crms[2, "B2B"]
    expected = [
        {name.lower(): None if value == "" else value for name, value in customer.items()}
        for customer in conformed(crm.customers())
    ]
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    # Those that only the CRM's definitions name are columns too
    assert {row["key"].lower() for row in crm.definitions} <= set(rows[0])
    assert "bransje/næring" in rows[0]
    assert {row["kontaktperson på møte"] for row in rows} >= {"Bjørn", "Åse", "Pål Ærlig"}


def test_nothing_is_left_but_what_git_ignores(user: User) -> None:
    assert user.run("git", "status", "--porcelain") == ""


def test_an_account_of_ones_own_in_meltano(user: User, cube: Sandbox) -> None:
    """Into the warehouse that the first command left, which shows who is new."""
    crm = cube.crms[2, "B2B"]
    new = crm.add(name="En ny kunde")
    user.shell(commands(PROJECT, cube))
    assert "En ny kunde" in {row["name"] for row in loaded(user) if row["id"] == new["id"]}
    assert cube.token in (user.clone / ".env").read_text(encoding="utf-8")
    assert cube.token not in (user.clone / "meltano.yml").read_text(encoding="utf-8")
    # The second run, with a new catalog
    newer = crm.add(name="Enda en", **{"Nytt felt": "nytt"})
    user.shell(commands(REFRESH, cube))
    (row,) = (row for row in loaded(user) if row["id"] == newer["id"])
    assert row["nytt felt"] == "nytt"
    # And all days once more
    cube.requests.clear()
    user.shell(commands(FULL, cube))
    assert min(first_days(cube)) == "20240101"


def test_alone(user: User, cube: Sandbox, tmp_path: Path) -> None:
    """In a folder of its own: configuration, discovery, a run, and a second one."""
    user.shell("meltano install --plugin-type=loader target-jsonl")  # or by pip
    user.shell(commands(ALONE, cube), tmp_path)
    catalog = json.loads((tmp_path / "catalog.json").read_text(encoding="utf-8"))
    assert "customers" in {stream["tap_stream_id"] for stream in catalog["streams"]}
    written = sorted(path.name.split("-")[0] for path in tmp_path.glob("*.jsonl"))
    assert written == sorted(
        [
            *("call_outcomes", "campaigns", "custom_fields", "customer_statuses", "customers"),
            *("product_registrations", "states.jsonl"),
        ]
    )
    (customers,) = tmp_path.glob("customers-*.jsonl")
    total = sum(len(crm.customers()) for crm in cube.crms.values())
    assert len(customers.read_text(encoding="utf-8").splitlines()) == total
    # As its last comment says
    text = command(ALONE)
    (option,) = re.findall(r"next run: (--state state\.json)", text)
    (run,) = (line for line in text.splitlines() if " | target-jsonl " in line)
    cube.requests.clear()
    user.shell(run.replace(" |", f" {option} |"), tmp_path)
    state = json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))
    marks = state["bookmarks"]["call_outcomes"]["partitions"]
    first = min(mark["replication_key_value"] for mark in marks)
    assert min(first_days(cube)) == first.replace("-", ""), "one day is read again"


# The pages in `docs/`


def test_a_project_of_ones_own(user: User, cube: Sandbox, tmp_path: Path) -> None:
    """With the plugin definitions, which `meltano add` reads: the tap comes from a repository."""
    user.shell("meltano init --no-usage-stats warehouse", tmp_path)
    project = tmp_path / "warehouse"
    definitions = tmp_path / "tap-cube" / "docs" / "plugins"
    definitions.mkdir(parents=True)
    for path in (user.clone / "docs" / "plugins").iterdir():
        text = path.read_text(encoding="utf-8").replace(REPOSITORY, f"file://{user.clone}")
        (definitions / path.name).write_text(text, encoding="utf-8")
    user.shell(command(ADD), project)
    user.shell(commands(PROJECT, cube), project)
    rows = json.loads(user.run(str(project / PYTHON), "-c", COUNTS, folder=project))
    assert rows["customers"] == sum(len(crm.customers()) for crm in cube.crms.values())
    assert "customer_details" not in rows
    assert rows["call_outcomes"] > 100


REPOSITORY = "https://github.com/tap-cube/tap-cube.git"
COUNTS = """
import duckdb, json
cube = duckdb.connect("cube.duckdb", read_only=True)
tables = [name for name, in cube.sql("select table_name from duckdb_tables()").fetchall()]
print(json.dumps({t: cube.sql(f"select count(*) from main.{t}").fetchone()[0] for t in tables}))
"""


@pytest.mark.parametrize("way", [GIT, CLONE, WHEEL], ids=["git", "clone", "wheel"])
def test_an_installation(user: User, tmp_path: Path, way: str) -> None:
    folder = tmp_path / "srv"
    folder.mkdir()
    (tmp_path / "tap-cube").symlink_to(user.clone)
    user.run(
        "bash",
        "-ec",
        command(way).replace(REPOSITORY, f"file://localhost{user.clone}"),
        folder=folder,
    )
    told = user.run(str(folder / "tap" / "bin" / "tap-cube"), "--version")
    assert re.match(r"tap-cube v\d", told)


def test_the_target_and_variables(user: User, cube: Sandbox, tmp_path: Path) -> None:
    user.run("bash", "-ec", command(TARGET), folder=tmp_path)
    assert (tmp_path / "target" / "bin" / "target-jsonl").exists()
    told = user.shell(commands(VARIABLES, cube), tmp_path)
    customers = len(cube.crms[2, "B2B"].customers())  # other tests add some
    assert re.search(rf"^2/B2B +{customers}$", told, re.MULTILINE)
    assert told.endswith("Everything works.\n")


def test_the_log(user: User, cube: Sandbox, tmp_path: Path) -> None:
    config = {"api_url": cube.url, "auth_token": cube.token}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert user.shell(command(LEVEL), tmp_path) == ""
    logging = block("docs/troubleshooting.md", "The log", "yaml")
    (tmp_path / "logging.yml").write_text(logging)
    lines = [json.loads(line) for line in user.shell(command(JSON), tmp_path).splitlines()]
    assert any("no anomalies" in line["message"] for line in lines)


@pytest.mark.parametrize("way", [PROXY, CERTIFICATE], ids=["proxy", "certificate"])
def test_a_proxy_with_a_certificate_of_its_own(
    user: User, cube: Sandbox, tmp_path: Path, way: str
) -> None:
    """https://acme.headshed.com through a proxy that reads along, as in some companies."""
    (tmp_path / "config.json").write_text(json.dumps({"account": "acme", "auth_token": cube.token}))
    authority = certify(tmp_path, "acme.headshed.com")
    with Proxy(tmp_path, cube) as proxy:
        own = {
            "http://proxy.example.com:3128": proxy.url,
            "/etc/ssl/certs/acme.pem": str(authority),
        }
        text = command(way)
        for theirs, mine in own.items():
            text = text.replace(theirs, mine)
        told = user.shell(
            text,
            tmp_path,
            {"HTTPS_PROXY": proxy.url, "REQUESTS_CA_BUNDLE": str(authority)},
        )
        assert proxy.targets == {"acme.headshed.com:443"}
    assert "https://acme.headshed.com accepts the credentials" in told
    assert told.endswith("Everything works.\n")


def certify(folder: Path, host: str) -> Path:
    """Make an authority, and a certificate for a host with its key, `host.pem` and `host.key`."""
    (folder / "names").write_text(f"subjectAltName=DNS:{host}")
    script = f"""
      openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=Acme -days 2 \\
        -keyout authority.key -out authority.pem
      openssl req -newkey rsa:2048 -nodes -subj /CN={host} -keyout host.key -out host.csr
      openssl x509 -req -in host.csr -CA authority.pem -CAkey authority.key -CAcreateserial \\
        -days 2 -extfile names -out host.pem
    """
    subprocess.run(["bash", "-ec", script], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607
    return folder / "authority.pem"


class Proxy:
    """A proxy that answers CONNECT with TLS of its own, and hands on what it reads to the sandbox.

    Args:
        folder: It has the certificate `host.pem` and the key `host.key`.
        cube: Where requests go.
    """

    def __init__(self, folder: Path, cube: Sandbox) -> None:
        self.targets: set[str] = set()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "host.pem", folder / "host.key")
        self._cube = urlsplit(cube.url)
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(4096)
        self.targets.add(request.split()[1].decode())
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with (
            suppress(OSError),
            self._context.wrap_socket(client, server_side=True) as near,
            socket.create_connection((str(self._cube.hostname), self._cube.port or 80)) as far,
        ):
            threading.Thread(target=pour, args=[far, near], daemon=True).start()
            pour(near, far)


def pour(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
