"""The fields that Cube's documents describe, with their kinds and descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_cube.schema.keys import ROW_KEY, ROW_KEY_LENGTH
from tap_cube.schema.kinds import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    INTEGER,
    NUMBER,
    STRING,
    property_of,
)

if TYPE_CHECKING:
    from tap_cube.schema.kinds import Property


class Known(NamedTuple):
    """A field whose kind is known.

    Attributes:
        name: Its name in Cube's records.
        kind: Its kind.
        description: What it holds.
        key: Whether it is a key, and never null.
    """

    name: str
    kind: str
    description: str
    key: bool = False


def documented(*fields: Known) -> dict[str, Property]:
    """JSON Schema of fields, by name."""
    return {
        field.name: property_of(field.kind, nullable=not field.key, description=field.description)
        for field in fields
    }


#: The columns that the tap adds to every record of a CRM.
CRM_COLUMNS = documented(
    Known(
        "data_owner_id",
        INTEGER,
        "The data owner whose CRM the record belongs to",
        key=True,
    ),
    Known("crm_type", STRING, "The type of the CRM the record belongs to, such as B2B", key=True),
)

#: The columns that the tap adds to records without an id of their own.
KEYED_COLUMNS = {
    ROW_KEY: {
        **property_of(
            STRING,
            nullable=False,
            description=(
                "Made by the tap, as Cube has no id for it: the same record has the same key"
            ),
        ),
        # Databases such as MySQL and SQL Server index only text of a known length
        "maxLength": ROW_KEY_LENGTH,
    },
    **CRM_COLUMNS,
}

# The fields that a customer has in the list as well as in a record of its own
_FLAT_CUSTOMER = (
    Known("id", INTEGER, "Cube's id of the customer", key=True),
    Known("crm_type_id", INTEGER, "Cube's id of the CRM"),
    Known("name", STRING, "Name of the person or the company"),
    Known("gender", STRING, "Gender"),
    Known("birth_date", DATE, "Date of birth"),
    Known("need_to_know", STRING, "What a caller needs to know"),
    Known("care_of_name", STRING, "Care of"),
    Known("zone_name", STRING, "Sales zone"),
    Known("address_street", STRING, "Street"),
    Known("address_street_no", INTEGER, "House number"),
    Known("address_entrance", STRING, "Entrance, the letter behind the house number"),
    Known("zip_code", STRING, "Postal code, with its leading zeros"),
    Known("city", STRING, "Postal town"),
    Known("municipality", STRING, "Municipality"),
    Known("county", STRING, "County"),
    Known("country", STRING, "Country"),
    Known("phone_1", STRING, "First telephone number"),
    Known("phone_2", STRING, "Second telephone number"),
    Known("phone_3", STRING, "Third telephone number"),
    Known("email", STRING, "E-mail address"),
    Known("company", STRING, "Company"),
)

#: A customer as the list has it, in flat records.
LISTED_CUSTOMER = documented(
    _FLAT_CUSTOMER[0],
    Known("customer_id", INTEGER, "Number of the customer"),
    *_FLAT_CUSTOMER[1:],
)

#: A customer as the record of its own has it, in flat records.
SINGLE_CUSTOMER = documented(
    *_FLAT_CUSTOMER,
    Known("external_customer_id", INTEGER, "Number of the customer"),
)

_PREFIXED_CUSTOMER = (
    Known("crm__standard_info__name", STRING, "Name of the person or the company"),
    Known("crm__standard_info__phone_1", STRING, "First telephone number"),
    Known("crm__standard_info__phone_2", STRING, "Second telephone number"),
    Known("crm__standard_info__phone_3", STRING, "Third telephone number"),
    Known("crm__standard_info__email", STRING, "E-mail address"),
)

#: A customer in prefixed records, whether listed or alone.
PREFIXED_CUSTOMER = documented(
    Known("crm__customer_id", STRING, "The id that the data owner gave the customer", key=True),
    *_PREFIXED_CUSTOMER,
)

_CALLED_CUSTOMER = (
    Known("crm__customer_id", STRING, "The id that the data owner gave the customer"),
    *_PREFIXED_CUSTOMER,
    Known("crm__change_log__updated", DATE, "Day of the last change"),
    Known("crm__change_log__updated_by", STRING, "Who changed the customer last"),
    Known("crm__change_log__update_method", STRING, "How the customer was changed last"),
)

_CAMPAIGN = (
    Known("campaign__name", STRING, "Name of the campaign"),
    Known("campaign__crm_type", STRING, "Type of the CRM that the campaign works on"),
    Known("data_owner__name", STRING, "Name of the data owner"),
    Known("segment__name", STRING, "Name of the segment"),
)

_OUTCOME = (
    *_CALLED_CUSTOMER,
    Known("call_outcome__comment", STRING, "Comment of the caller"),
    Known("call_outcome__report_as__submitted_by", STRING, "Who reported the outcome"),
    Known("call_outcome__report_as__submitted_in_team", STRING, "The team of who reported it"),
    Known("call_outcome__type", STRING, "What came of the call"),
    Known("call_outcome__subtype", STRING, "What came of it, in more detail"),
    Known(
        "call_outcome__report_as__submitted_when",
        STRING,
        "When it was reported, in Cube's own time",
    ),
    Known(
        "call_outcome__report_as__submitted_when_timestamp",
        DATE_TIME,
        "When it was reported, with its time zone",
    ),
    *_CAMPAIGN,
)

CALL_OUTCOME = documented(*_OUTCOME)

PRODUCT_REGISTRATION = documented(
    *_OUTCOME,
    Known("product__code", STRING, "Code of the product"),
    Known("product__title", STRING, "Name of the product"),
    Known("product__price", NUMBER, "Price of the product"),
)

CUSTOMER_STATUS = documented(
    *_CALLED_CUSTOMER,
    Known("callflow__attempts_status__attempts", INTEGER, "Calls made so far"),
    Known("callflow__callstate__name", STRING, "Where the customer stands"),
    Known("callflow__last_change__user", STRING, "Who changed that last"),
    Known("callflow__last_change__when", STRING, "When it was changed, in Cube's own time"),
    Known("callflow__last_change__cause", STRING, "What changed it"),
    Known("callflow__last_change__alternative", STRING, "The alternative that was chosen"),
    Known("callflow__last_change__comment", STRING, "Comment on the change"),
    *_CAMPAIGN,
)

CAMPAIGN = documented(
    Known("campaign__id", INTEGER, "Cube's id", key=True),
    Known("campaign__name", STRING, "Name of the campaign"),
    Known("campaign__start_date", DATE, "First day"),
    Known("campaign__end_date", DATE, "Last day"),
    Known("campaign__archived_date", DATE, "Day of archiving"),
    Known("campaign__is_active", BOOLEAN, "Whether it is active"),
    Known("campaign__crm_type", STRING, "Type of the CRM that it works on"),
    Known("service__id", INTEGER, "Id of the service"),
    Known("service__name", STRING, "Name of the service"),
    Known("data_owner__id", INTEGER, "Id of the data owner"),
    Known("data_owner__name", STRING, "Name of the data owner"),
)

CUSTOM_FIELD = documented(
    Known("id", INTEGER, "Cube's id of the field", key=True),
    Known("key", STRING, "Label of the field: its name in `customers`"),
    Known("type", STRING, "Type of its values"),
    Known("max_length", INTEGER, "Length limit of its values"),
    Known("hint", STRING, "Hint for those who fill it in"),
    Known("lookup__id", STRING, "Name of the field in accounts whose fields start with `crm__`"),
)
