"""Answers as bytes: objects in the standard's form become JSON directly, without models."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Response

from ..runtime.foundation.ids import in_json

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


class JsonAnswer(Response):
    """JSON of plain values, UUIDs and aware times (RFC 3339 in UTC with Z)."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=_OPTIONS, default=in_json)


def plain(value: Any) -> Any:
    """A value as plain JSON data, as an answer would show it."""
    return orjson.loads(orjson.dumps(value, option=_OPTIONS, default=in_json))


def made(is_new: bool) -> int:
    """The status of a create-or-get route: 201 for a new object, 200 for an existing one."""
    return 201 if is_new else 200


def no_content() -> Response:
    return Response(status_code=204)
