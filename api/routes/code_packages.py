"""Beyond the standard: authors' code as packages that are named by their content."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from ...runtime.foundation.errors import NotFound
from ...runtime.foundation.settings import current_settings
from ...runtime.projects.code_packages import files_in, text_in
from ...runtime.store import code_packages
from ..answers import JsonAnswer, made
from ..bodies import body_up_to
from ..database_access import Db
from ..errors import found

router = APIRouter(prefix="/heliostat/code-packages/{revision}", tags=["Heliostat"])

_ZIP = "application/zip"
_TEXT = "text/plain; charset=utf-8"
_MOST_SHOWN = 1_000_000


@router.head("")
async def has_code_package(revision: str, db: Db) -> Response:
    """Whether the package is there, so that it need not be sent: 200 or 404."""
    if not await code_packages.exists(db, revision):
        raise HTTPException(404, "Code package not found")
    return Response(media_type=_ZIP)


@router.get("", response_class=Response, responses={200: {"content": {_ZIP: {}}}})
async def read_code_package(revision: str, db: Db) -> Response:
    """The package: a zip file."""
    content = await found(code_packages.get(db, revision), "Code package")
    return Response(content, media_type=_ZIP, headers={"Cache-Control": "immutable, max-age=31536000"})


@router.get("/files", response_model=list[dict[str, Any]])
async def read_files(revision: str, db: Db) -> JsonAnswer:
    """The files of a package: `path` and `size_bytes`, by path."""
    content = await found(code_packages.get(db, revision), "Code package")
    listed = await asyncio.to_thread(files_in, content)
    return JsonAnswer([{"path": path, "size_bytes": size} for path, size in listed])


@router.get("/files/{path:path}", response_class=Response, responses={200: {"content": {_TEXT: {}}}})
async def read_file(revision: str, path: str, db: Db) -> Response:
    """A file of a package as plain text, its first million bytes; 415 when it is no text."""
    content = await found(code_packages.get(db, revision), "Code package")
    try:
        text = await asyncio.to_thread(text_in, content, path, most_bytes=_MOST_SHOWN)
    except NotFound as error:
        raise HTTPException(404, str(error)) from error
    if text is None:
        raise HTTPException(415, f"{path} is no text")
    return Response(text, media_type=_TEXT, headers={"X-Content-Type-Options": "nosniff"})


@router.put("", status_code=200, responses={201: {}})
async def keep_code_package(revision: str, request: Request, db: Db) -> JsonAnswer:
    """Keep a package under the revision derived from its content: 201 when it is new, 200 when it was there.

    413 when it is larger than the setting `code_package_limit_bytes`; 422 when it is no package or has
    another revision.
    """
    if await code_packages.exists(db, revision):
        return JsonAnswer(_shown(await code_packages.read(db, revision)), made(False))
    limit = current_settings().code_package_limit_bytes
    content = await body_up_to(request, limit, "The code package")
    return JsonAnswer(_shown(await code_packages.put(db, revision, content, limit_bytes=limit)), made(True))


def _shown(row: code_packages.CodePackageRow) -> dict[str, object]:
    return {"revision": row.revision, "size_bytes": row.size_bytes, "created": row.created}
