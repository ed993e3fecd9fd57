"""The kinds of work pools, ours and other people's."""

from importlib.metadata import EntryPoint

import pytest

from heliostat.pools import known_types, types
from heliostat.pools.known_types import find_pool_type, pool_types, worker_metadata
from heliostat.pools.templates import check_job_variables, job_configuration, read_job_template
from heliostat.pools.types import PoolType, pool_type
from heliostat.runtime.foundation.errors import BadJobTemplate, BadJobVariables, NotFound, UserError


@pytest.fixture(autouse=True)
def known_kinds(monkeypatch):
    monkeypatch.setattr(types, "_registered", {})
    known_types._load_installed.cache_clear()
    yield
    known_types._load_installed.cache_clear()


def installed(monkeypatch, **values):
    points = [EntryPoint(name, value, known_types.ENTRY_POINT_GROUP) for name, value in values.items()]
    monkeypatch.setattr(known_types, "entry_points", lambda group: points)


def a_kind(**facts):
    return PoolType("batch", "Batch", "Runs in batches.", {}, **facts)


def test_the_pool_types_ray_and_process_exist():
    assert {"ray", "process"} <= set(pool_types())
    assert not find_pool_type("ray").polled_by_workers
    assert find_pool_type("process").polled_by_workers


def test_defaults_of_a_ray_pool_fill_its_job():
    read = read_job_template(find_pool_type("ray").default_base_job_template())
    assert job_configuration(read, {"num_gpus": 0.5, "env": {"A": "1"}}, {"isolation": "fresh"}) == {
        "num_cpus": 0,
        "num_gpus": 0.5,
        "isolation": "fresh",
        "env": {"A": "1"},
        "crash_retries": 3,
    }


def test_process_pool_has_the_variables_of_the_standard():
    schema = find_pool_type("process").default_base_job_template()["variables"]
    assert set(schema["properties"]) == {"name", "env", "labels", "command", "stream_output", "working_dir"}
    assert schema["properties"]["stream_output"]["default"] is True


@pytest.mark.parametrize(
    "variables",
    [
        {"isolation": "alone"},
        {"num_cpus": -1},
        {"num_cpu": 1},
        {"memory_bytes": "2GB"},
        {"crash_retries": 1.5},
    ],
)
def test_wrong_variables_of_a_ray_pool_are_refused(variables):
    read = read_job_template(find_pool_type("ray").default_base_job_template())
    with pytest.raises(BadJobVariables) as caught:
        check_job_variables(read, variables)
    assert next(iter(variables)) in caught.value.problems[0]


def test_template_of_a_kind_may_be_changed_without_changing_the_kind():
    find_pool_type("ray").default_base_job_template()["variables"]["properties"].clear()
    assert find_pool_type("ray").default_base_job_template()["variables"]["properties"]


def test_unknown_pool_type_is_refused_with_those_that_exist():
    with pytest.raises(NotFound) as caught:
        find_pool_type("proces")
    assert caught.value.hint == "Did you mean process?"


def test_metadata_of_workers_is_by_package_and_kind():
    view = worker_metadata()["prefect"]["process"]
    assert view["type"] == "process"
    assert set(view["default_base_job_configuration"]) == {"job_configuration", "variables"}


def test_decorator_makes_a_kind_known():
    @pool_type("batch", display_name="Batch", description="Runs in batches.", is_beta=True)
    def batch():
        return {"job_configuration": {"size": "{{ size }}"}, "variables": {"properties": {"size": {}}}}

    assert find_pool_type("batch") is batch
    assert batch.to_json()["is_beta"] is True


def test_kind_with_a_malformed_template_is_refused():
    with pytest.raises(BadJobTemplate):
        PoolType("bad", "Bad", "", {"job_configuration": {"a": "{{ b }}"}})


def test_two_kinds_of_one_name_are_refused():
    types.register(a_kind(package="one"))
    types.register(a_kind(package="one"))
    with pytest.raises(UserError, match="one and two"):
        types.register(a_kind(package="two"))


def test_kinds_of_installed_packages_are_known_and_broken_ones_left_out(monkeypatch, caplog):
    installed(monkeypatch, batch=f"{__name__}:INSTALLED", broken="no_such_module:x", wrong="json:dumps")
    monkeypatch.setitem(
        __import__("sys").modules, __name__, __import__("types").SimpleNamespace(INSTALLED=a_kind())
    )
    assert pool_types()["batch"].display_name == "Batch"
    assert set(pool_types()) == {"ray", "process", "batch"}
    assert "broken" in caplog.text and "wrong" in caplog.text
