"""Times in JSON: milliseconds since the epoch as ISO 8601 texts. Nothing of ours is imported here, and no pydantic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=4096)
def iso_seconds(at: int) -> str:
    """Return ``at`` (milliseconds since the epoch) as ISO 8601 in UTC to the second, as ``iso_milliseconds`` does."""
    return f"{iso_milliseconds(at)[:-5]}Z"


@lru_cache(maxsize=4096)  # lists show the same moments again and again
def iso_milliseconds(at: int) -> str:
    """Return ``at`` (milliseconds since the epoch) as ISO 8601 in UTC, such as ``2025-04-21T08:30:45.084Z``.

    What lies outside the years 1 to 9999, all that four digits can say, becomes the nearest moment within.
    """
    moment = _EPOCH + timedelta(milliseconds=min(max(at, _FIRST), _LAST))
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
