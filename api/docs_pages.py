"""`/docs` and `/redoc` from files of this installation: no page loads anything from elsewhere.

Content-Security-Policy makes the browser enforce that, because the bundles contain addresses of their makers.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response

ASSETS_PATH = "/docs-assets"
_REDOC = "redoc.standalone.js"
_LOGO_OF_ITS_MAKER = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NO_PICTURE = b"data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'"
)


def install(app: FastAPI, prefix: str = "") -> None:
    """Add the two pages and their assets to `app`, which people reach under `prefix`."""

    async def swagger() -> HTMLResponse:
        return _swagger(prefix)

    async def redoc() -> HTMLResponse:
        return _redoc(prefix)

    async def script() -> Response:
        return Response(_redoc_script(), media_type="text/javascript")

    app.add_api_route(f"{ASSETS_PATH}/{_REDOC}", script, include_in_schema=False)
    app.mount(ASSETS_PATH, StaticFiles(directory=_assets()), name="docs-assets")
    app.add_api_route("/docs", swagger, include_in_schema=False, response_class=HTMLResponse)
    app.add_api_route("/redoc", redoc, include_in_schema=False, response_class=HTMLResponse)


def _assets() -> Path:
    # The package is located but not imported: only its files are needed.
    spec = find_spec("fastapi_offline")
    assert spec is not None and spec.submodule_search_locations, "fastapi-offline is a dependency"
    return Path(spec.submodule_search_locations[0]) / "static"


@cache
def _redoc_script() -> bytes:
    """ReDoc without the picture it asks its maker for: the policy refuses that, and browsers complain."""
    return (_assets() / _REDOC).read_bytes().replace(_LOGO_OF_ITS_MAKER, _NO_PICTURE)


def _swagger(prefix: str) -> HTMLResponse:
    page = get_swagger_ui_html(
        openapi_url=f"{prefix}/openapi.json",
        title="Heliostat API",
        swagger_js_url=f"{prefix}{ASSETS_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{prefix}{ASSETS_PATH}/swagger-ui.css",
        swagger_favicon_url=f"{prefix}{ASSETS_PATH}/favicon.png",
    )
    return _from_here_alone(page)


def _redoc(prefix: str) -> HTMLResponse:
    page = get_redoc_html(
        openapi_url=f"{prefix}/openapi.json",
        title="Heliostat API",
        redoc_js_url=f"{prefix}{ASSETS_PATH}/{_REDOC}",
        redoc_favicon_url=f"{prefix}{ASSETS_PATH}/favicon.png",
        with_google_fonts=False,
    )
    return _from_here_alone(page)


def _from_here_alone(page: HTMLResponse) -> HTMLResponse:
    page.headers["Content-Security-Policy"] = _POLICY
    return page
