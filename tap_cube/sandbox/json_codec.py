"""JSON encoding and decoding that keeps every digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

encode = msgspec.json.Encoder(decimal_format="number").encode
decode = msgspec.json.Decoder(dict[str, Any]).decode
# Numbers with a fraction become `Decimal`, not `float`.
decode_exactly = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
# Values stay encoded, so that a record can be changed without touching its other values.
split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
