"""Points in time as agents write them."""

from datetime import UTC, datetime


def moment(value: object) -> datetime | None:
    """ISO 8601 text or Unix seconds as a time with a zone; None for anything else.

    A text without a zone is taken as UTC: the agents run in containers, whose clocks are set so.
    """
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError, ValueError):
            return None
    return None
