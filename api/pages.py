"""Heliostat's own pages: the files that the build made, and their front page for every address of a page.

The front page holds `<base href="/">`, in which the path is put under which people reach the server;
everything else in the pages is relative to it. Files under `assets/` have a hash of their contents as name.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .answers import JsonAnswer

FOLDER = Path(__file__).parent / "ui" / "dist"
BESIDE_STOCK = "/ui"
"""Where the pages are when those of a stock package have the root."""

# Nothing is loaded from elsewhere, and no script runs but the pages' own files. The kit and the editor set
# styles while they run. What a run wrote as HTML is shown in a frame without rights, which inherits all this.
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_MANNERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
_FOREVER = "public, max-age=31536000, immutable"
_SQUEEZED = frozenset({".css", ".html", ".js", ".json", ".map", ".svg", ".txt"})
_NOT_PAGES = ("api", "assets", "docs-assets")
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}

_NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Heliostat</title>
<style>
  :root { color-scheme: light dark }
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 42rem; margin: 12vh auto; padding: 0 1.5rem }
  code { font: 14px ui-monospace, monospace; padding: .15em .4em; background: #8882; border-radius: 4px }
</style>
<h1>The pages are not built</h1>
<p>This server runs, but Heliostat was installed without its pages.</p>
<p>Install it again in the checkout that it came from, without <code>HELIOSTAT_UI=skip</code>,
and start the server again:</p>
<p><code>pip install .</code> or, where that is how it was installed, <code>pip install -e .</code></p>
<p>The API and the command line do not need them: see <a href="{prefix}/docs">the routes of the API</a>.</p>
</html>
"""


def install(app: FastAPI, prefix: str = "", *, below: str = "") -> None:
    """Answer every path of `app` that no route takes, or those below `below`; people reach it at `prefix`."""
    if not below:
        app.router.default = _Pages(FOLDER, prefix, app.router.default)
        return

    @app.get(below, include_in_schema=False)
    def front() -> RedirectResponse:  # pyright: ignore[reportUnusedFunction]
        return RedirectResponse(f"{prefix}{below}/")

    app.mount(below, _Pages(FOLDER, prefix + below, app.router.default), name="pages")


class _Pages:
    """A built bundle under a path; what is no page goes to `otherwise`."""

    def __init__(self, folder: Path, base: str, otherwise: ASGIApp) -> None:
        self._folder = folder.resolve()
        self._base = base
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if scope["type"] == "http":
            path = path.removeprefix(scope.get("root_path", "")).lstrip("/")
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._otherwise(scope, receive, send)
            return
        file = self._file(path)
        if file is None and path.partition("/")[0] in _NOT_PAGES:
            await JsonAnswer({"detail": "Not Found"}, 404)(scope, receive, send)
            return
        await self._answer(file or self._folder / "index.html", Headers(scope=scope))(scope, receive, send)

    def _file(self, path: str) -> Path | None:
        """The file of that path, if it is one of the bundle's."""
        try:
            file = (self._folder / path).resolve()
            is_one = file.is_relative_to(self._folder) and file.is_file()
        except (OSError, ValueError):  # a path that cannot be: too long, with a zero byte
            return None
        return file if is_one else None

    def _answer(self, file: Path, asked: Headers) -> Response:
        is_front = file.name == "index.html"
        try:
            known = file.stat()
            found = _read(file, known.st_mtime_ns, known.st_size, self._base if is_front else None)
        except OSError:
            policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
            text = _NOT_BUILT.replace("{prefix}", self._base.removesuffix(BESIDE_STOCK))
            return HTMLResponse(text, 404, {**_MANNERS, "Content-Security-Policy": policy})
        is_hashed = file.parent == self._folder / "assets"
        headers = {
            **_MANNERS,
            "Content-Security-Policy": _POLICY,
            "Cache-Control": _FOREVER if is_hashed else "no-cache",
            "ETag": found.tag,
            "Vary": "Accept-Encoding",
        }
        known_tags = (each.strip() for each in asked.get("if-none-match", "").split(","))
        if any(each.removeprefix("W/") == found.tag.removeprefix("W/") for each in known_tags):
            return Response(status_code=304, headers=headers)
        if found.squeezed is not None and "gzip" in asked.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(found.squeezed, headers=headers, media_type=found.kind)
        return Response(found.body, headers=headers, media_type=found.kind)


@dataclass(frozen=True, slots=True)
class _Served:
    """A file as it is sent, kept in memory: compressing it takes longer than sending it."""

    body: bytes
    squeezed: bytes | None
    tag: str
    kind: str


@lru_cache(maxsize=512)
def _read(file: Path, _changed_ns: int, _size: int, base: str | None) -> _Served:
    body = file.read_bytes()
    if base is not None:
        body = body.replace(b'<base href="/"', f'<base href="{base}/"'.encode(), 1)
    kind = _KINDS.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    squeezed = gzip.compress(body, 9, mtime=0) if file.suffix in _SQUEEZED else None
    return _Served(body, squeezed, f'W/"{hashlib.sha256(body).hexdigest()[:32]}"', kind)
