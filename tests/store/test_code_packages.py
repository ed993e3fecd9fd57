"""Code packages in the database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from heliostat.runtime.foundation.errors import BadPackage, NotFound, PackageTooLarge
from heliostat.runtime.projects.code_packages import CodePackage, pack
from heliostat.runtime.store import code_packages
from heliostat.runtime.store.database.database import Database


@pytest.fixture
def packed(tmp_path: Path) -> CodePackage:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "flow.py").write_text("x = 1")
    return pack(tmp_path / "project")


async def test_a_package_is_kept_once_under_its_revision(db: Database, packed: CodePackage) -> None:
    assert not await code_packages.exists(db, packed.revision)
    rows = await asyncio.gather(*(code_packages.put(db, packed.revision, packed.content) for _ in range(3)))
    assert len({row.created for row in rows}) == 1
    assert rows[0].size_bytes == len(packed.content)
    assert await code_packages.exists(db, packed.revision)
    assert await code_packages.get(db, packed.revision) == packed.content


async def test_content_that_does_not_fit_its_revision_is_refused(db: Database, packed: CodePackage) -> None:
    with pytest.raises(BadPackage, match="is of revision"):
        await code_packages.put(db, "0" * 64, packed.content)
    with pytest.raises(BadPackage):
        await code_packages.put(db, packed.revision, b"nonsense")
    with pytest.raises(PackageTooLarge):
        await code_packages.put(db, packed.revision, packed.content, limit_bytes=1)
    assert not await code_packages.exists(db, packed.revision)


async def test_an_unknown_package_is_not_found(db: Database) -> None:
    with pytest.raises(NotFound, match="no code package"):
        await code_packages.get(db, "0" * 64)
    with pytest.raises(NotFound):
        await code_packages.read(db, "0" * 64)
