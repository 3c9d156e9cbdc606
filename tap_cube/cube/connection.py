"""How Cube is reached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Connection:
    """How Cube is reached.

    Attributes:
        origin: Scheme, host and port that every request goes to.
        authorization: The Authorization header.
        user_agent: The User-Agent header.
        timeout: Seconds of silence until a request fails.
        max_tries: Maximum attempts for a request that fails with a transient error.
        concurrency: Maximum requests in flight.
        requests_per_second: Maximum rate; no limit if `None`.
        origin_setting: The setting that holds the origin, for errors.
        credentials_settings: The settings that hold the credentials, for errors.
        first_delay: Seconds before the second attempt; each further delay is twice as long.
    """

    origin: str
    authorization: str
    user_agent: str
    timeout: float = 60.0
    max_tries: int = 6
    concurrency: int = 4
    requests_per_second: float | None = None
    origin_setting: str = "`api_url`"
    credentials_settings: str = "the setting `auth_token`"
    first_delay: float = 1.0
