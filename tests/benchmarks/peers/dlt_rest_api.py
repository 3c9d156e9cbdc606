"""dlt's `rest_api` source: only iterated, or loaded into a file of DuckDB or a PostgreSQL URL."""

from __future__ import annotations

import json
import sys

import dlt
from dlt.sources.rest_api import rest_api_source


def main(url: str, token: str, database: str = "") -> None:
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "auth": {
                    "type": "api_key",
                    "name": "Authorization",
                    "api_key": f"Token {token}",
                    "location": "header",
                },
                "paginator": {"type": "json_link", "next_url_path": "next"},
            },
            "resources": [
                {
                    "name": "customers",
                    "endpoint": {
                        "path": "/api/v1/data_owners/2/crm/B2B/customers/",
                        "data_selector": "results",
                    },
                }
            ],
        }
    )
    if database:
        kind = dlt.destinations.postgres if "://" in database else dlt.destinations.duckdb
        destination = kind(database)
        dlt.pipeline("cube", destination=destination, dataset_name="main").run(source)
    else:
        sys.stdout.write(json.dumps({"count": sum(1 for _ in source.customers)}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
