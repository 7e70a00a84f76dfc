"""Times as the Kubernetes API writes them."""

from datetime import UTC, datetime
from typing import Final

# Whatever duration is added to or taken from such a time, the result can still be told.
YEARS: Final = range(1900, 9900)


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time of the API as an aware datetime; None when it is absent, not one, or not of our time."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    if parsed.year not in YEARS:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def format_time(moment: datetime) -> str:
    """A metav1.Time: whole seconds, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime) -> str:
    """A metav1.MicroTime: for order, where one second is too coarse."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
