"""The API in this process, on this machine's database: what is asked when no server is set or runs here."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ...runtime.foundation.settings import current_settings

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient


@asynccontextmanager
async def own_api() -> AsyncGenerator[HeliostatClient]:
    """A client of the API in this process. Raises DatabaseUnavailable, SchemaTooNew and BadSetting."""
    import httpx

    from ...runtime.client.client import HeliostatClient
    from ..app import create_app

    settings = current_settings()
    app = create_app()
    async with app.router.lifespan_context(app):
        app.state.database_access.database()  # raises when it is away: nobody would wait for it here
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        address = f"http://127.0.0.1{settings.server_path_prefix}/api"
        async with HeliostatClient(
            address, auth_string=settings.server_auth_string, transport=transport
        ) as client:
            yield client
