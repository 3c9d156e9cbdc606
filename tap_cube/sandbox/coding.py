"""How records become JSON and come back, without a digit lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

encode = msgspec.json.Encoder(decimal_format="number").encode
decode = msgspec.json.Decoder(dict[str, Any]).decode
# As `decode`, but a number with decimals keeps all of them.
decode_exactly = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
# A record's values as they are written: no digit is lost when it is taken apart and joined again.
split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
