"""The programs that are compared: what each needs, how it is called, and where its records are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPTS = Path(__file__).parent / "peers"
# Like a peer, the tap has an environment of its own: the SDK starts slower beside numpy, say
TAP = ("--editable", str(Path(__file__).parents[2]), "singer-sdk==0.54.9")
CUSTOMERS = "/api/v1/data_owners/2/crm/B2B/customers/"


@dataclass(frozen=True)
class Program:
    """A program, called in an empty folder.

    In `command` and in `files`, `$url` and `$token` are the server's, `$peers` is the folder with
    the peers' scripts, `$bin` that with the programs of its environment, and `$tap` that with this
    project's own.

    Attributes:
        requires: What is installed in its environment.
        files: The files that it finds in its folder, by name.
        variables: Its further environment variables.
        stream: What its records are called; nothing if it writes none.
        discovers: Whether it is handed `catalog.json`, discovered before, with just that stream.
        table: The table of `cube.duckdb` that its records go to, if not to stdout.
    """

    name: str
    command: tuple[str, ...]
    requires: tuple[str, ...] = TAP
    files: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    stream: str = "customers"
    discovers: bool = False
    table: str = ""


def _tap_cube_config(**settings: Any) -> dict[str, str]:
    crms = [{"data_owner_id": 2, "crm_type": "B2B"}]
    config = {"api_url": "$url", "auth_token": "$token", "crms": crms, **settings}
    return {"config.json": json.dumps(config)}


_TAP_CUBE = ("$tap/tap-cube", "--config", "config.json", "--catalog", "catalog.json")

TAP_CUBE = Program("tap-cube", _TAP_CUBE, files=_tap_cube_config(), discovers=True)

TAP_CUBE_DISCOVERING = Program("tap-cube, discovery included", _TAP_CUBE[:-2], files=TAP_CUBE.files)


def tap_cube(concurrency: int, stream: str = "customers") -> Program:
    """The tap with so many requests in flight."""
    return Program(
        f"tap-cube, concurrency {concurrency}",
        _TAP_CUBE,
        files=_tap_cube_config(concurrency=concurrency),
        stream=stream,
        discovers=True,
    )


FLOOR = Program(
    "floor: urllib3 + msgspec",
    ("$bin/python", "$peers/floor.py", f"$url{CUSTOMERS}", "$token"),
    requires=("urllib3==2.8.0", "msgspec==0.22.0"),
)

SEED_LOOP = Program(
    "the seed's loop + json.dumps",
    ("$bin/python", "$peers/seed_loop.py", f"$url{CUSTOMERS}", "$token"),
    requires=("requests==2.34.2",),
)

_DLT: dict[str, Any] = {
    "requires": ("dlt==1.31.0", "duckdb==2.0.0"),
    "variables": {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": "."},
}
_DLT_COMMAND = ("$bin/python", "$peers/dlt_rest_api.py", "$url", "$token")
DLT = Program("dlt rest_api, iterating", _DLT_COMMAND, **_DLT)
DLT_DUCKDB = Program(
    "dlt rest_api into DuckDB", (*_DLT_COMMAND, "cube.duckdb"), table="main.customers", **_DLT
)

PLAIN_TAP = Program(
    "plain singer-sdk tap",
    ("$bin/python", "$peers/tap_plain.py", "--config", "config.json"),
    requires=("singer-sdk==0.54.9",),
    files={"config.json": json.dumps({"url": "$url", "token": "$token"})},
)

AIRBYTE = Program(
    "Airbyte CDK manifest",
    (
        *("$bin/source-declarative-manifest", "read", "--manifest-path", "$peers/airbyte.yaml"),
        *("--config", "config.json", "--catalog", "catalog.json"),
    ),
    requires=("airbyte-cdk==7.39.1",),
    files={
        "config.json": json.dumps({"url": "$url", "token": "$token"}),
        "catalog.json": json.dumps(
            {
                "streams": [
                    {
                        "stream": {
                            "name": "customers",
                            "json_schema": {},
                            "supported_sync_modes": ["full_refresh"],
                        },
                        "sync_mode": "full_refresh",
                        "destination_sync_mode": "append",
                    }
                ]
            }
        ),
    },
)

TAP_REST_API_MSDK = Program(
    "tap-rest-api-msdk",
    ("$bin/tap-rest-api-msdk", "--config", "config.json"),
    # A library of its singer-sdk imports pkg_resources, which later ones lack
    requires=("tap-rest-api-msdk==1.4.2", "setuptools<80"),
    files={
        "config.json": json.dumps(
            {
                "api_url": "$url",
                "headers": {"Authorization": "Token $token"},
                "next_page_token_path": "$.next",
                "pagination_response_style": "hateoas_body",
                "streams": [
                    {
                        "name": "customers",
                        "path": CUSTOMERS,
                        "records_path": "$.results[*]",
                        "primary_keys": ["id"],
                    }
                ],
            }
        )
    },
)

TAP_CUBE_DUCKDB = Program(
    "tap-cube into target-duckdb",
    (
        "sh",
        "-c",
        f'"$tap/tap-cube" {" ".join(_TAP_CUBE[1:])} | "$bin/target-duckdb" --config target.json',
    ),
    requires=("target-duckdb==0.8.0", "duckdb==2.0.0"),
    files={
        **TAP_CUBE.files,
        "target.json": json.dumps(
            {"path": "cube.duckdb", "default_target_schema": "main", "flush_all_streams": True}
        ),
    },
    discovers=True,
    table="main.customers",
)

VERSION = Program("tap-cube --version", ("$tap/tap-cube", "--version"), stream="")
IMPORT_SDK = Program(
    'python -c "import singer_sdk"', ("$tap/python", "-c", "import singer_sdk"), stream=""
)

PEERS_AND_FLOOR = (TAP_REST_API_MSDK, AIRBYTE, PLAIN_TAP, DLT, SEED_LOOP, FLOOR)
