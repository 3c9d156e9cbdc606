"""The settings: names, types, defaults and descriptions."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

FIELD_TYPES = [
    "string",
    "integer",
    "number",
    "boolean",
    "date",
    "date-time",
    "object",
    "array",
]

SETTINGS: dict[str, Any] = th.PropertiesList(
    th.Property(
        "account",
        # Python's `$` alone would let a newline at the end pass
        th.StringType(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$(?!\n)"),
        title="Account",
        description="The subdomain of your Cube: `acme` for https://acme.headshed.com",
        examples=["acme"],
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="API URL",
        description="A complete origin instead of `account`, for proxies and the sandbox. Plain "
        "`http://` is refused unless the host is this machine",
        examples=["http://127.0.0.1:8765"],
    ),
    th.Property(
        "auth_token",
        th.StringType,
        secret=True,
        title="Token",
        description="A token, sent as `Authorization: Token ...`. The vendor recommends tokens",
    ),
    th.Property(
        "username",
        th.StringType,
        secret=True,
        title="User name",
        description="A user name, sent with `password` as `Authorization: Basic ...`",
    ),
    th.Property(
        "password",
        th.StringType,
        secret=True,
        title="Password",
        description="The password of `username`",
    ),
    th.Property(
        "basic_auth",
        th.StringType,
        secret=True,
        title="Basic credentials",
        description="The base64 string from Cube's documents, instead of `username` and `password`",
    ),
    th.Property(
        "crms",
        th.ArrayType(
            th.ObjectType(
                th.Property("data_owner_id", th.IntegerType, required=True, nullable=False),
                th.Property(
                    "crm_type",
                    th.StringType(min_length=1),
                    required=True,
                    nullable=False,
                ),
            )
        ),
        title="CRMs",
        description="The CRMs to read. Default: every CRM that a campaign uses",
        examples=[[{"data_owner_id": 2, "crm_type": "B2B"}]],
    ),
    th.Property(
        "customer_ids",
        th.ArrayType(th.CustomType({"type": ["integer", "string"]})),
        title="Customer ids",
        description="The customers to read in `customer_details`; an empty array reads none. "
        "Default: all",
        examples=[[971352, 971486]],
    ),
    th.Property(
        "customer_id_field",
        th.StringType,
        title="Customer id field",
        description="The field of the customer list that identifies a customer in URLs. Default: "
        "`id`, or `crm__customer_id` if customers have no `id`",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="The first day to read in `call_outcomes` and `product_registrations`. "
        "Default: 30 days ago",
        examples=["2024-01-31"],
    ),
    th.Property(
        "lookback_days",
        th.IntegerType(minimum=0, maximum=3650),
        default=1,
        title="Lookback days",
        description="The number of completely read days that are read again, for late reports and "
        "corrections (0 to 3650)",
    ),
    th.Property(
        "sample_size",
        th.IntegerType(minimum=1),
        default=1000,
        title="Sample size",
        description="The number of records per CRM and stream that discovery reads to find fields",
    ),
    th.Property(
        "include_inactive_campaigns",
        th.BooleanType,
        default=True,
        title="Inactive campaigns",
        description="Includes inactive campaigns in `campaigns`, and the CRMs that only they use",
    ),
    th.Property(
        "new_fields",
        th.StringType,
        default="evolve",
        allowed_values=["evolve", "discard", "fail"],
        title="New fields",
        description="What happens to a field that the schema lacks: `evolve` adds a column, "
        "`discard` drops the field with a warning, `fail` ends the read of that CRM with an error",
    ),
    th.Property(
        "field_types",
        th.ArrayType(
            th.ObjectType(
                th.Property("field", th.StringType, required=True, nullable=False),
                th.Property(
                    "type",
                    th.StringType,
                    required=True,
                    nullable=False,
                    allowed_values=FIELD_TYPES,
                ),
            )
        ),
        title="Field types",
        description="The types of columns: `string`, `integer`, `number`, `boolean`, `date`, "
        "`date-time`, `object` or `array`. Text that clearly holds such a value is converted. Any "
        "other value becomes null, and its text goes to the column `{name}__text`",
        examples=[[{"field": "Antall år", "type": "integer"}]],
    ),
    th.Property(
        "field_names",
        th.StringType,
        default="source",
        allowed_values=["source", "snake_case"],
        title="Field names",
        description="How columns are named: `source` as the fields in Cube, `snake_case` in "
        "unique ASCII names of at most 63 bytes",
    ),
    th.Property(
        "custom_field_names",
        th.StringType,
        default="id",
        allowed_values=["id", "label"],
        title="Custom field names",
        description="How `crm__custom_info__64` is named: `id` keeps that name, `label` uses the "
        "label from the CRM's definitions",
    ),
    th.Property(
        "emit_activate_version_messages",
        th.BooleanType,
        default=False,
        title="Activate versions",
        description="Tells the target after each complete read which rows are current, so that it "
        "can delete or mark all others",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=16),
        default=4,
        title="Concurrency",
        description="The maximum number of requests in flight, over all CRMs (1 to 16)",
    ),
    th.Property(
        "requests_per_second",
        th.NumberType(exclusive_minimum=0),
        title="Requests per second",
        description="The maximum rate of requests, for accounts with a quota. Default: no limit",
    ),
    th.Property(
        "request_timeout",
        # Sockets cannot wait for centuries
        th.NumberType(exclusive_minimum=0, maximum=86400),
        default=60,
        title="Request time-out",
        description="The number of seconds without data after which a request fails",
    ),
    th.Property(
        "max_tries",
        th.IntegerType(minimum=1),
        default=6,
        title="Tries",
        description="The maximum number of attempts for a request that fails with a transient "
        "error",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="The `User-Agent` header of requests. Default: `tap-cube/{version}`",
    ),
).to_dict()
