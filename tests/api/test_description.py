"""The committed description of the API, of which the pages' types are made, is that of the routes."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliostat.api.openapi import described

FILE = Path(__file__).resolve().parents[2] / "api" / "ui" / "openapi.json"


@pytest.mark.skipif(not FILE.exists(), reason="not run from a checkout")
def test_the_committed_description_is_that_of_the_routes() -> None:
    assert FILE.read_text(encoding="utf-8") == described(), "run: make ui-types"
