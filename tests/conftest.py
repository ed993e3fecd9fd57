"""What every test stands on: a home folder of its own, no settings of the person who runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heliostat.runtime import settings


class _RootIsNoTestPackage:
    """The repository's root is the package itself, so it has an `__init__.py`.

    pytest would import that file once more under the name of the clone's folder; to it the root is a folder.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: Any) -> Any:
        return pytest.Dir.from_parent(parent, path=path) if path == parent.config.rootpath else None


def pytest_configure(config: pytest.Config) -> None:
    # Registered by hand: the hooks of a conftest are not asked about folders above its own.
    config.pluginmanager.register(_RootIsNoTestPackage(), "heliostat-root")


@pytest.fixture(autouse=True)
def heliostat_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A home folder for this test alone and nothing set, so that people's own data is safe."""
    for name in os.environ:
        if name.startswith(settings.ENV_PREFIX) and not name.startswith("HELIOSTAT_TEST_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HELIOSTAT_HOME", str(home))
    settings.reload_settings()
    yield home
    monkeypatch.undo()
    settings.forget_settings()
