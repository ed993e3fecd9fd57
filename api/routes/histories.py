"""What the history routes of flow runs and task runs share."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import HTTPException

from ..schemas import Span

_FINEST = timedelta(seconds=1)


def span_of(body: Span) -> tuple[datetime, datetime, float]:
    """Start, end and interval in seconds. An interval below a second is refused with 422."""
    if body.history_interval_seconds < _FINEST:
        raise HTTPException(422, "History interval must not be less than 1 second.")
    return body.history_start, body.history_end, body.history_interval_seconds.total_seconds()
