"""The pages of an installed `prefect` package, served from its own files when a setting asks for them.

The files hold a placeholder for the path under which they are served.
"""

from __future__ import annotations

import mimetypes
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..runtime.foundation.errors import BadSetting
from ..runtime.foundation.settings import current_settings
from .answers import JsonAnswer

PLACEHOLDER = "/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER"
V2_PATH = "/v2"

_FOLDERS = {"v1": "ui", "v2": "ui-v2"}
_INSIDE = ("", "server", "prefect/server")  # folders under the given path that may hold the bundles
_REWRITTEN = frozenset({".html", ".css", ".js"})
# The pages may reach only this server, or they would send usage statistics elsewhere. Their drawing library
# needs 'unsafe-eval'.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; frame-ancestors 'self'"
)
_VERSION_COOKIE = "prefect_ui_version"


def bundles(given: Path) -> dict[str, Path]:
    """The bundles, "v1" and "v2", of a `prefect` package at a path. Raises BadSetting when it has none."""
    for inside in _INSIDE:
        folder = given / inside
        found = {
            version: folder / name
            for version, name in _FOLDERS.items()
            if (folder / name / "index.html").is_file()
        }
        if found:
            return found
    raise BadSetting(
        f"{given} does not contain the pages of a prefect package",
        hint="give the folder of the package: python -c 'import prefect; print(prefect.__path__[0])'",
    )


def install(app: FastAPI, given: Path, prefix: str = "") -> None:
    """Serve the pages under / and /v2, behind all routes that `app` has already; people reach it at `prefix`.

    Raises BadSetting.
    """
    found = bundles(given)
    default = "v2" if "v2" in found else "v1"
    settings = current_settings()

    @app.get("/ui-settings", include_in_schema=False)
    def ui_settings() -> JsonAnswer:  # pyright: ignore[reportUnusedFunction]
        return JsonAnswer(
            {
                "api_url": f"{prefix}/api",
                "csrf_enabled": settings.server_csrf_protection,
                "auth": "BASIC" if settings.server_auth_string else None,
                "flags": [],
                "default_ui": default,
                "available_uis": sorted(found),
                "v1_base_url": f"{prefix}/" if "v1" in found else None,
                "v2_base_url": prefix + V2_PATH if "v2" in found else None,
            }
        )

    if "v2" in found:

        @app.get("/", include_in_schema=False, response_model=None)
        def front(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
            if "v1" in found and request.cookies.get(_VERSION_COOKIE) == "v1":
                return _page(found["v1"], prefix, "index.html")
            return RedirectResponse(f"{prefix}{V2_PATH}/")

        app.mount(V2_PATH, _Pages(found["v2"], prefix + V2_PATH), name="stock-ui-v2")
    if "v1" in found:
        app.mount("/", _Pages(found["v1"], prefix), name="stock-ui-v1")


class _Pages:
    """One bundle: its files, and its front page for every other path."""

    def __init__(self, folder: Path, base: str) -> None:
        self._folder = folder.resolve()
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        path: str = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        if path.startswith("api/") or scope["method"] not in ("GET", "HEAD"):
            await JsonAnswer({"detail": "Not Found"}, 404)(scope, receive, send)
            return
        await _page(self._folder, self._base, path)(scope, receive, send)


def _page(folder: Path, base: str, path: str) -> Response:
    file = (folder / path).resolve()
    if not (file.is_relative_to(folder.resolve()) and file.is_file()):
        file = folder / "index.html"
    if file.suffix not in _REWRITTEN:
        return FileResponse(file)
    kind = mimetypes.guess_type(file.name)[0] or "text/plain"
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    headers = headers if file.name == "index.html" else None
    return Response(_rewritten(file, base), media_type=kind, headers=headers)


@lru_cache(maxsize=512)
def _rewritten(file: Path, base: str) -> bytes:
    return file.read_bytes().replace(PLACEHOLDER.encode(), base.encode())
