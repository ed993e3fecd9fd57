"""Files of Heliostat may move; the cache keys of tasks that use them stay.

Seen: when the files of the runtime moved into rooms, each task that called `get_run_logger()` got another
cache key, because what is installed counts by its module and name. Their cached results were all lost.
The public names count for ever by the modules in which they stood when the first keys were made.
"""

import dataclasses

import pytest

import heliostat
from heliostat.runtime.values.caching import Mode, Walk, fingerprint, input_hash
from heliostat.runtime.values.fingerprints import digest_of

FIRST_MODULES = {
    "caching": "CacheKeyFn CachePolicy",
    "client.client": "HeliostatClient SyncHeliostatClient get_client",
    "context": "current_flow_run current_task_run",
    "deploying.doing": "adeploy deploy",
    "deploying.options": "ConcurrencyLimit",
    "deploying.running": "arun_deployment run_deployment",
    "deploying.serving": "serve",
    "deploying.spec": "DeploymentSpec",
    "flows": "Flow",
    "futures": "TaskFuture TaskFutureList allow_failure as_completed unmapped wait",
    "logging": "get_run_logger",
    "pausing": "pause_flow_run resume_flow_run suspend_flow_run",
    "retry": "exponential_backoff",
    "schedules": "CronSchedule IntervalSchedule RRuleSchedule",
    "states": "State StateType",
    "tags": "tags",
    "task_runners": "InlineTaskRunner RayTaskRunner ThreadTaskRunner",
    "tasks": "Task task",
}
MODULE_OF = {name: module for module, names in FIRST_MODULES.items() for name in names.split()}
INSTANCES = {"flow", "DEFAULT", "FLOW_PARAMETERS", "INPUTS", "NO_CACHE", "RUN_ID", "TASK_SOURCE"}


@pytest.mark.parametrize("name", MODULE_OF)
def test_public_names_count_by_where_they_stood_when_the_first_keys_were_made(name: str) -> None:
    first = f"heliostat.runtime.{MODULE_OF[name]}.{name}"
    assert fingerprint(getattr(heliostat, name)) == digest_of("named", first.encode()).hex()


def test_each_public_name_is_listed_here() -> None:
    assert {each for each in heliostat.__all__ if not each.startswith("__")} == MODULE_OF.keys() | INSTANCES


def test_what_is_known_by_its_type_alone_counts_by_the_first_name_of_its_type() -> None:
    known = Walk(Mode.ORIGIN).whole(heliostat.CronSchedule("0 0 * * *"))
    assert known == digest_of("kind", b"heliostat.runtime.schedules.CronSchedule")


def test_inputs_of_replayed_calls_count_by_the_first_names_of_their_types() -> None:
    @dataclasses.dataclass
    class Stands:
        pass

    Stands.__module__, Stands.__qualname__ = "heliostat.runtime.schedules", "CronSchedule"
    assert input_hash((Stands,), {}) == input_hash((heliostat.CronSchedule,), {}) is not None


def test_a_module_of_ours_counts_by_its_first_name() -> None:
    from heliostat.runtime.authoring import tags

    assert fingerprint(tags) == digest_of("module", b"heliostat.runtime.tags").hex()


def test_flows_and_tasks_hold_what_they_held_when_the_first_keys_were_made() -> None:
    """Seen: options of flows and tasks moved into a base class, which set two of them earlier than before.

    A task whose code uses another one counts that one's attributes in their order, so each such task got
    another cache key. The attributes stay in this order.
    """

    @heliostat.flow
    def sub() -> None: ...

    @heliostat.task
    def part() -> None: ...

    in_flows, in_tasks = list(vars(sub)), list(vars(part))
    assert in_flows[in_flows.index("_options") :] == [
        "_options", "name", "description", "version", "tags", "timeout_seconds", "task_runner",
        "validate_parameters", "log_prints", "flow_run_name", "next_run_name", "source", "retry",
        "on_running", "is_generator", "is_async",
    ]  # fmt: skip
    assert in_tasks[in_tasks.index("_options") :] == [
        "_options", "name", "description", "tags", "version", "timeout_seconds", "task_run_name",
        "cache_policy", "cache_expiration_s", "refresh_cache", "num_cpus", "num_gpus", "memory_bytes",
        "resources", "runtime_env", "pack", "retry", "is_async",
    ]  # fmt: skip
    assert in_flows[:2] == in_tasks[:2] == ["_given", "fn"]


def test_the_source_of_a_flow_counts_by_the_first_name_of_its_type() -> None:
    from heliostat.runtime.authoring.definitions import FlowSource

    assert (
        fingerprint(FlowSource) == digest_of("named", b"heliostat.runtime.deploying.sources.FlowSource").hex()
    )
