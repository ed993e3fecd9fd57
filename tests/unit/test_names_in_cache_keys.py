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
