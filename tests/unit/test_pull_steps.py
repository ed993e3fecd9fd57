"""Pull steps bring a deployment's code to where it runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from heliostat.runtime.foundation.errors import BadDeployment, StorageUnavailable
from heliostat.runtime.projects.code_packages import pack
from heliostat.runtime.projects.pull_steps import project_folder

GIT = "prefect.deployments.steps.git_clone"


def nothing(revision: str) -> bytes:
    raise AssertionError(f"nobody should ask for {revision}")


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "flows.git"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "etl.py").write_text("# first\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_without_steps_the_code_is_at_the_path_or_nowhere(tmp_path: Path) -> None:
    assert project_folder(None, None, nothing) is None
    assert project_folder([], str(tmp_path), nothing) == tmp_path


def test_a_code_package_is_fetched_once(tmp_path: Path) -> None:
    (tmp_path / "etl.py").write_text("x = 1\n")
    package = pack(tmp_path)
    asked: list[str] = []

    def fetch(revision: str) -> bytes:
        asked.append(revision)
        return package.content

    steps = [{"heliostat.code_package": {"revision": package.revision}}]
    first, second = project_folder(steps, None, fetch), project_folder(steps, None, fetch)
    assert first == second
    assert first is not None
    assert (first / "etl.py").read_text() == "x = 1\n"
    assert asked == [package.revision]


def test_a_repository_is_cloned_at_its_newest_branch_or_at_a_commit(repository: Path) -> None:
    first_commit = git(repository, "rev-parse", "HEAD")
    url = f"file://{repository}"
    first = project_folder([{GIT: {"repository": url, "branch": "main"}}], None, nothing)
    assert first is not None
    (repository / "etl.py").write_text("# second\n")
    git(repository, "commit", "-q", "-a", "-m", "second")
    second = project_folder([{GIT: {"repository": url, "branch": "main"}}], None, nothing)
    assert second is not None
    assert (second / "etl.py").read_text() == "# second\n"
    assert (first / "etl.py").read_text() == "# first\n"  # a run that executes there is left alone
    pinned = project_folder([{GIT: {"repository": url, "commit_sha": first_commit}}], None, nothing)
    assert pinned is not None
    assert (pinned / "etl.py").read_text() == "# first\n"


def test_a_repository_that_is_not_there_is_told_with_what_git_says(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="does not"):
        project_folder([{GIT: {"repository": f"file://{tmp_path}/none.git"}}], None, nothing)


def test_later_steps_work_in_the_folder_of_earlier_ones(repository: Path) -> None:
    steps = [
        {GIT: {"repository": f"file://{repository}", "id": "code"}},
        {"prefect.deployments.steps.run_shell_script": {"script": "mkdir made"}},
        {"prefect.deployments.steps.set_working_directory": {"directory": "{{ code.directory }}/made"}},
    ]
    folder = project_folder(steps, None, nothing)
    assert folder is not None
    assert folder.name == "made"
    assert (folder.parent / "etl.py").exists()


def test_a_remote_folder_is_fetched_through_fsspec(tmp_path: Path) -> None:
    (tmp_path / "code" / "sub").mkdir(parents=True)
    (tmp_path / "code" / "sub" / "etl.py").write_text("x = 1\n")
    step = {"prefect.deployments.steps.pull_from_remote_storage": {"url": f"file://{tmp_path}/code"}}
    folder = project_folder([step], None, nothing)
    assert folder is not None
    assert (folder / "sub" / "etl.py").exists()


@pytest.mark.parametrize(
    "step",
    [
        {"my.own.step": {}},
        {},
        {GIT: ["x"]},
        {GIT: {}},
        {"prefect.deployments.steps.set_working_directory": {"directory": "/no/such/folder"}},
    ],
)
def test_a_step_that_cannot_be_is_refused(step: dict[str, object]) -> None:
    with pytest.raises(BadDeployment):
        project_folder([step], None, nothing)
