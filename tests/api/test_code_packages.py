"""Code packages over HTTP: sent once, fetched as they were, refused when they are not what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from heliostat.runtime.foundation.settings import reload_settings
from heliostat.runtime.projects.code_packages import CodePackage, pack

ROUTE = "/heliostat/code-packages"


@pytest.fixture
def package(tmp_path: Path) -> CodePackage:
    project = tmp_path / "project"
    project.mkdir()
    (project / "flows.py").write_text("x = 1\n" * 100)
    return pack(project)


async def test_a_package_is_kept_once_and_fetched_as_it_was(api: Any, package: CodePackage) -> None:
    path = f"{ROUTE}/{package.revision}"
    assert (await api.head(path)).status_code == 404
    assert (await api.get(path)).json() == {"detail": "Code package not found"}
    first, second = [await api.put(path, content=package.content) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert first.json()["size_bytes"] == len(package.content)
    assert (await api.head(path)).status_code == 200
    assert (await api.get(path)).content == package.content


async def test_what_is_no_package_or_another_one_is_refused(api: Any, package: CodePackage) -> None:
    another = await api.put(f"{ROUTE}/{'0' * 64}", content=package.content)
    none_at_all = await api.put(f"{ROUTE}/{package.revision}", content=b"not a zip file")
    assert (another.status_code, none_at_all.status_code) == (422, 422)
    assert "not 000000000000" in another.json()["detail"]
    assert (await api.head(f"{ROUTE}/{package.revision}")).status_code == 404


@pytest.mark.parametrize("limit", ["50", "500"])
async def test_a_package_over_the_limit_is_refused(
    api: Any, package: CodePackage, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Over it as it is sent, and over it when unpacked: 600 bytes that take fewer on the way."""
    assert 50 < len(package.content) < 500 < package.source_bytes
    monkeypatch.setenv("HELIOSTAT_CODE_PACKAGE_LIMIT_BYTES", limit)
    reload_settings()
    answer = await api.put(f"{ROUTE}/{package.revision}", content=package.content)
    assert answer.status_code == 413
    assert limit in answer.json()["detail"] or "MiB" in answer.json()["detail"]
    assert (await api.head(f"{ROUTE}/{package.revision}")).status_code == 404


async def test_the_files_of_a_package_are_listed_and_read_as_text(api: Any, tmp_path: Path) -> None:
    project = tmp_path / "shown"
    (project / "jobs").mkdir(parents=True)
    (project / "jobs" / "etl.py").write_text("print('äöü')\n")
    (project / "picture.bin").write_bytes(b"\x89\0\1")
    packed = pack(project)
    path = f"{ROUTE}/{packed.revision}"
    assert (await api.get(f"{path}/files")).status_code == 404
    await api.put(path, content=packed.content)
    listed = (await api.get(f"{path}/files")).json()
    assert listed == [
        {"path": "jobs/etl.py", "size_bytes": 16},
        {"path": "picture.bin", "size_bytes": 3},
    ]
    shown = await api.get(f"{path}/files/jobs/etl.py")
    assert shown.text == "print('äöü')\n" and shown.headers["content-type"].startswith("text/plain")
    assert (await api.get(f"{path}/files/picture.bin")).status_code == 415
    for absent in ("jobs", "etl.py", "%2e%2e/etc/passwd", "/etc/passwd"):
        assert (await api.get(f"{path}/files/{absent}")).status_code == 404, absent


async def test_the_versions_that_ran_are_told_with_their_runs(api: Any) -> None:
    deployment = await api.deployment(version="1")
    for version, state in (("1", "COMPLETED"), ("1", "FAILED"), ("2", "COMPLETED")):
        await api.patch(f"/deployments/{deployment['id']}", json={"version": version})
        run = await api.run_of(deployment)
        await api.propose(run, "RUNNING")
        await api.propose(run, state)
    await api.run_of(deployment)  # it has not begun
    found = (await api.get(f"/heliostat/deployments/{deployment['id']}/versions")).json()
    assert [(each["version"], each["runs"], each["failed"]) for each in found] == [("2", 1, 0), ("1", 2, 1)]
    of_flow = (await api.get(f"/heliostat/flows/{deployment['flow_id']}/versions")).json()
    assert of_flow == found
    nobody = "00000000-0000-0000-0000-000000000001"
    assert (await api.get(f"/heliostat/flows/{nobody}/versions")).json() == []
