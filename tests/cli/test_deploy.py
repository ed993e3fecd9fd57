"""`heliostat deploy`: deployment files in the standard's form, onto an API on a real socket."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heliostat.runtime import settings

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402

FLOW = """
from heliostat import flow

@flow
def etl(day: str = "today", limit: int = 3) -> int:
    return limit
"""

FILE = """
name: project
prefect-version: 3.4.0
build: null
push: null
pull:
- prefect.deployments.steps.set_working_directory:
    directory: /srv/project
deployments:
- name: nightly
  version: null
  tags: [night]
  description: Moves things.
  entrypoint: flows/file_etl.py:etl
  parameters: {limit: 7, day: "{{ $DAY }}"}
  schedules:
  - cron: 30 6 * * *
    timezone: Europe/Berlin
    active: true
    slug: morning
  concurrency_limit: {limit: 2, collision_strategy: CANCEL_NEW}
  work_pool:
    name: default
    work_queue_name: null
    job_variables: {num_cpus: 2}
- name: packed
  entrypoint: flows/file_etl.py:etl
  schedule: {interval: 3600}
  pull: []
  build:
  - prefect_docker.deployments.steps.build_docker_image: {image_name: x}
"""


@pytest.fixture
def server(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(sqlite_url) as served:
        monkeypatch.setenv("HELIOSTAT_API_URL", served.url)
        settings.reload_settings()
        yield served.url
        settings.forget_settings()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a flow and a prefect.yaml."""
    folder = tmp_path / "project"
    (folder / "flows").mkdir(parents=True)
    (folder / "flows" / "file_etl.py").write_text(FLOW)
    (folder / "prefect.yaml").write_text(FILE)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DAY", "monday")
    return folder


def inspected(heliostat: Any, name: str) -> Any:
    shown = heliostat("deployment", "inspect", name, "-o", "json")
    assert shown.exit_code == 0, shown.stderr
    return json.loads(shown.stdout)


def test_a_standard_file_is_deployed_as_it_is(server: str, project: Path, heliostat: Any) -> None:
    tried = heliostat("deploy", "--all", "--dry-run")
    assert "etl/nightly: new" in tried.stdout
    assert heliostat("deployment", "inspect", "nightly").exit_code == 3
    done = heliostat("deploy", "--all")
    assert done.exit_code == 0, done.stderr
    assert "packed: build steps are not carried out" in done.stderr
    nightly = inspected(heliostat, "nightly")
    assert nightly["entrypoint"] == "flows/file_etl.py:etl"
    assert nightly["pull_steps"] == [
        {"prefect.deployments.steps.set_working_directory": {"directory": "/srv/project"}}
    ]
    assert nightly["parameters"] == {"limit": 7, "day": "monday"}
    assert nightly["job_variables"] == {"num_cpus": 2}
    assert nightly["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    [schedule] = nightly["schedules"]
    assert (schedule["schedule"]["cron"], schedule["slug"]) == ("30 6 * * *", "morning")
    packed = inspected(heliostat, "packed")
    assert "heliostat.code_package" in packed["pull_steps"][0]
    again = heliostat("deploy", "--all")
    assert again.stderr.count("as it was") == 2
    (project / "prefect.yaml").write_text(FILE.replace("limit: 7", "limit: 8"))
    assert "parameters" in heliostat("deploy", "--name", "etl/night*", "--diff").stdout
    assert "updated" in heliostat("deploy", "--name", "nightly").stderr


def test_an_entrypoint_is_deployed_without_a_file(server: str, project: Path, heliostat: Any) -> None:
    done = heliostat(
        "deploy", "flows/file_etl.py:etl", "-n", "adhoc", "--interval", "1h", "-p", "default",
        "--param", "limit=9", "-jv", "num_cpus=1", "-t", "a", "-cl", "3",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    made = inspected(heliostat, "etl/adhoc")
    assert (made["parameters"], made["tags"], made["job_variables"]) == ({"limit": 9}, ["a"], {"num_cpus": 1})
    assert made["schedules"][0]["schedule"]["interval"] == 3600


@pytest.mark.parametrize(
    ("old", "new", "words", "code", "said"),
    [
        ("", "", (), 2, "--all"),
        ("", "", ("--name", "nightyl"), 3, "did you mean 'nightly'"),
        ("entrypoint: flows", "entrypont: flows", ("--all",), 2, "did you mean 'entrypoint'"),
        ("file_etl.py:etl", "file_etl.py:elt", ("--all",), 3, "did you mean"),
        ("cron: 30 6", "cron: 61 6", ("--all",), 2, "schedules[0]"),
        ("limit: 7", "limit: many", ("--all",), 2, "limit"),
        ("{{ $DAY }}", "{{ image.tag }}", ("--all",), 2, "image.tag"),
        ("{{ $DAY }}", "{{ prefect.variables.none }}", ("--all",), 3, "not found"),
        ("set_working_directory", "teleport", ("--all",), 2, "teleport"),
        ("name: default", "name: defualt", ("--all",), 3, "defualt"),
        ("deployments:", "deployments: [", ("--all",), 2, "not valid YAML"),
        ("num_cpus: 2", "num_cpu: 2", ("--all",), 2, "num_cpu"),
    ],
)
def test_a_file_that_is_wrong_changes_nothing(
    server: str,
    project: Path,
    heliostat: Any,
    old: str,
    new: str,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    (project / "prefect.yaml").write_text(FILE.replace(old, new))
    refused = heliostat("deploy", *words)
    assert refused.exit_code == code, refused.stderr
    assert said in refused.stderr
    assert json.loads(heliostat("deployment", "ls", "-o", "json").stdout) == []


def test_without_a_file_the_way_on_is_told(
    server: str, tmp_path: Path, heliostat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = heliostat("deploy", "--all")
    assert (refused.exit_code, "heliostat.yaml" in refused.stderr) == (2, True)
