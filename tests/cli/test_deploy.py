"""`heliostat deploy`: deployment files in the standard's form, onto an API on a real socket."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heliostat.runtime.foundation import settings

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
    assert "packed: build steps are not executed" in done.stderr
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
    assert again.stderr.count("unchanged") == 2
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


SECOND = """
deployments:
- {{name: first, entrypoint: 'flows/file_etl.py:etl', work_pool: {{name: default}}}}
- {{name: second, entrypoint: 'flows/file_etl.py:etl', {second}}}
"""


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("parameters: {limit: '5'}, work_pool: {name: default}", "limit"),
        ("parameters: [1], work_pool: {name: default}", "second: TypeError"),
        ("work_pool: {name: default, job_variables: {no_such: 1}}", "no_such"),
        ("work_pool: {name: no-such-pool}", "no-such-pool"),
        ("schedules: [{cron: 'x'}]", "schedules[0]"),
        ("schedules: [{cron: '0 1 * * *', slug: s}, {cron: '0 2 * * *', slug: s}]", "slug"),
        ("schedules: [{cron: '0 1 * * *', parameters: {limit: x}}]", "schedules[0]"),
        ("schedules: [{cron: '0 1 * * *', max_scheduled_runs: 99}]", "max_scheduled_runs"),
        ("concurrency_limit: 0", "concurrency_limit"),
        ("no_such_key: 1", "there is no 'no_such_key'"),
        ("pull: [{teleport: {}}]", "teleport"),
    ],
)
def test_a_mistake_in_the_second_deployment_leaves_the_first_unmade(
    server: str, project: Path, heliostat: Any, second: str, said: str
) -> None:
    """Seen: the command sent the deployments of a file one after the other, so that the first was there when
    the server refused the second. All are checked by the server's own rules before the first is sent.
    """
    (project / "prefect.yaml").write_text(SECOND.format(second=second))
    refused = heliostat("deploy", "--all")
    assert refused.exit_code in (2, 3), refused.stderr
    [line] = [
        line for line in refused.stderr.splitlines() if line.lstrip().startswith(("second:", "etl/second:"))
    ]
    assert said in line
    assert json.loads(heliostat("deployment", "ls", "-o", "json").stdout) == []
    if "no_such_key" not in second and "teleport" not in second:
        assert heliostat("deploy", "--name", "first").exit_code == 0


def test_all_mistakes_of_a_file_are_reported_at_once(server: str, project: Path, heliostat: Any) -> None:
    entry = "- {{name: {}, entrypoint: 'flows/file_etl.py:{}', work_pool: {{name: {}}}{}}}\n"
    (project / "prefect.yaml").write_text(
        "deployments:\n"
        + entry.format("right", "etl", "default", "")
        + entry.format("key", "etl", "default", ", no_such: 1")
        + entry.format("code", "missing", "default", "")
        + entry.format("pool", "etl", "nowhere", "")
        + entry.format("value", "etl", "default", ", parameters: {limit: '5'}")
        + entry.format("twice", "etl", "default", "")
        + entry.format("twice", "etl", "default", "")
    )
    refused = heliostat("deploy", "--all")
    assert refused.exit_code == 2
    told = [line.split(":")[0].strip().removeprefix("etl/") for line in refused.stderr.splitlines()]
    assert {"key", "code", "pool", "value", "twice"} <= set(told) and "right" not in told
    assert json.loads(heliostat("deployment", "ls", "-o", "json").stdout) == []


def test_an_error_names_what_was_deployed_before_it(
    server: str, project: Path, heliostat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from heliostat.runtime.client.deployments import DeploymentCalls
    from heliostat.runtime.foundation.errors import ServerUnavailable

    create = DeploymentCalls.create_deployment

    async def fails_for_the_second(self: Any, flow_id: Any, name: str, **fields: Any) -> Any:
        if name == "second":
            raise ServerUnavailable("it went away")
        return await create(self, flow_id, name, **fields)

    monkeypatch.setattr(DeploymentCalls, "create_deployment", fails_for_the_second)
    (project / "prefect.yaml").write_text(SECOND.format(second="tags: [x]"))
    refused = heliostat("deploy", "--all")
    assert refused.exit_code == 7
    assert "Deployed: etl/first. Not deployed: etl/second." in refused.stderr


def test_deploy_and_serve_of_several_make_none_when_one_is_wrong(
    server: str, project: Path, heliostat: Any
) -> None:
    from heliostat import deploy, serve
    from heliostat.runtime.foundation.errors import BadDeployments
    from heliostat.runtime.projects.entrypoints import load_flow

    etl = load_flow(str(project / "flows" / "file_etl.py") + ":etl")
    right = etl.to_deployment("right")
    for wrong in (
        etl.to_deployment("wrong", schedules=[{"cron": "0 1 * * *", "slug": "s"}] * 2),
        etl.to_deployment("wrong", job_variables={"no_such": 1}, work_pool_name="default"),
        etl.to_deployment("right", version="other"),
    ):
        with pytest.raises(BadDeployments, match=wrong.full_name):
            deploy(right, wrong)
        with pytest.raises(BadDeployments, match=wrong.full_name):
            serve(right, wrong)
    assert json.loads(heliostat("deployment", "ls", "-o", "json").stdout) == []


def test_without_a_file_the_error_says_what_to_do(
    server: str, tmp_path: Path, heliostat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = heliostat("deploy", "--all")
    assert (refused.exit_code, "heliostat.yaml" in refused.stderr) == (2, True)


def test_deploying_again_keeps_what_was_done_by_hand_and_diff_says_so(
    server: str, project: Path, heliostat: Any
) -> None:
    """Seen: a schedule made with the command line vanished with the next deploy, one that was paused ran,
    and the difference told nothing of it. What the file does not say stays; the difference is what happens.
    """
    assert heliostat("deploy", "--name", "nightly").exit_code == 0
    made = heliostat("deployment", "schedule", "create", "nightly", "--cron", "0 12 * * *")
    assert made.exit_code == 0
    assert heliostat("deployment", "schedule", "pause", "nightly", "morning").exit_code == 0
    told = "\n".join(each for each in FILE.splitlines() if "active: true" not in each)
    (project / "prefect.yaml").write_text(told)
    assert "no change" in heliostat("deploy", "--name", "nightly", "--diff").stdout
    (project / "prefect.yaml").write_text(told.replace("30 6 * * *", "45 6 * * *"))
    differs = heliostat("deploy", "--name", "nightly", "--diff", "--output", "json")
    [row] = json.loads(differs.stdout)
    [change] = row["changes"]
    assert (differs.exit_code, row["name"], row["what"]) == (0, "etl/nightly", "changed")
    assert change["field"] == "schedules[morning]"
    assert (change["before"]["schedule"]["cron"], change["after"]["schedule"]["cron"]) == (
        "30 6 * * *", "45 6 * * *",
    )  # fmt: skip
    before = inspected(heliostat, "nightly")["schedules"]
    assert {each["schedule"]["cron"] for each in before} == {"30 6 * * *", "0 12 * * *"}, (
        "it changed something"
    )
    assert "updated" in heliostat("deploy", "--name", "nightly").stderr
    now = {each["schedule"]["cron"]: each for each in inspected(heliostat, "nightly")["schedules"]}
    assert set(now) == {"45 6 * * *", "0 12 * * *"}
    assert (now["45 6 * * *"]["active"], now["0 12 * * *"]["active"]) == (False, True)
    assert (now["45 6 * * *"]["created_by"]["type"], now["0 12 * * *"]["created_by"]["type"]) == (
        "DEPLOY", "API",
    )  # fmt: skip
    shown = heliostat("deployment", "schedule", "ls", "nightly").stdout
    assert "by hand (" in shown and "deploy (" in shown


def test_a_schedule_that_the_code_says_no_more_is_reported(
    server: str, project: Path, heliostat: Any
) -> None:
    words = ("deploy", "flows/file_etl.py:etl", "-n", "adhoc")
    assert heliostat(*words, "--interval", "1h").exit_code == 0
    again = heliostat(*words)
    assert "still runs by a schedule of an earlier deploy" in again.stderr
    assert len(inspected(heliostat, "etl/adhoc")["schedules"]) == 1


TWO_FLOWS = """
deployments:
- {name: default, entrypoint: 'two.py:first_one', work_pool: {name: default}}
- name: default
  entrypoint: two.py:second_one
  description: Größe
  parameters: {}
  work_pool: {name: default}
  triggers:
  - {enabled: true, match: {prefect.resource.id: x}, parameters: {what: "{{ event.name }}"}}
  pull:
  - prefect.deployments.steps.git_clone:
      repository: "{{ $REPOSITORY_OF_TESTS }}"
      branch: "{{ $BRANCH_OF_RUNS }}"
      access_token: "{{ prefect.blocks.secret.token }}"
"""


def test_a_name_with_its_flow_means_that_deployment_alone(
    server: str, project: Path, heliostat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: `--name first/default` deployed second/default too; placeholders of triggers, which have no
    effect here, stopped the whole file; a variable of the deployer stayed literal text in pull steps.
    """
    text = "from heliostat import flow\n\n"
    text += "".join(f"@flow\ndef {name}(): ...\n\n" for name in ("first_one", "second_one"))
    (project / "two.py").write_text(text)
    (project / "prefect.yaml").write_text(TWO_FLOWS, encoding="utf-8")
    monkeypatch.setenv("REPOSITORY_OF_TESTS", "https://example.com/x.git")
    done = heliostat("deploy", "--name", "first-one/default")
    assert done.exit_code == 0, done.stderr
    assert [
        each["entrypoint"] for each in json.loads(heliostat("deployment", "ls", "-o", "json").stdout)
    ] == ["two.py:first_one"]
    assert heliostat("deploy", "--name", "third/default").exit_code == 3
    assert heliostat("deploy", "--name", "*/default").exit_code == 0
    second = inspected(heliostat, "second-one/default")
    assert second["description"] == "Größe"
    assert second["pull_steps"][0]["prefect.deployments.steps.git_clone"] == {
        "repository": "https://example.com/x.git",
        "branch": "{{ $BRANCH_OF_RUNS }}",
        "access_token": "{{ prefect.blocks.secret.token }}",
    }


def test_a_parameter_that_the_flow_does_not_have_is_refused_before_a_run_is_made(
    server: str, project: Path, heliostat: Any
) -> None:
    assert heliostat("deploy", "flows/file_etl.py:etl", "-n", "adhoc").exit_code == 0
    refused = heliostat("deployment", "run", "etl/adhoc", "--param", "limt=3")
    assert refused.exit_code != 0
    assert "did you mean 'limit'" in refused.stderr
    assert json.loads(heliostat("flow-run", "ls", "-o", "json").stdout) == []


def test_job_variables_that_a_served_deployment_cannot_have_are_refused(project: Path) -> None:
    from heliostat import serve
    from heliostat.runtime.foundation.errors import BadDeployment
    from heliostat.runtime.projects.entrypoints import load_flow

    etl = load_flow(str(project / "flows" / "file_etl.py") + ":etl")
    with pytest.raises(BadDeployment, match="image"):
        serve(etl.to_deployment("here", job_variables={"image": "x"}))
