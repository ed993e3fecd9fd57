"""Times and durations as people read them."""

from __future__ import annotations

from datetime import datetime

from ...runtime.foundation import clock


def local(moment: datetime | None) -> str | None:
    """A time in this machine's time zone, to the millisecond."""
    return None if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def ago(moment: datetime | None) -> str:
    """How long ago a time was, or how far ahead it is."""
    if moment is None:
        return ""
    seconds = (clock.now() - moment).total_seconds()
    return f"{_rough(seconds)} ago" if seconds >= 0 else f"in {_rough(-seconds)}"


def duration(seconds: float | None) -> str:
    """A duration in seconds as short text, with the precision that matters at its size."""
    if not seconds:
        return "0s"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {rest}s"


def _rough(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def moment(text: str | None) -> datetime | None:
    """The time that the API wrote as text."""
    return None if text is None else datetime.fromisoformat(text)


def local_text(text: str | None) -> str | None:
    """A time of the API in this machine's time zone."""
    return local(moment(text))


def ago_text(text: str | None) -> str:
    """How long ago a time of the API was."""
    return ago(moment(text))
