"""Base job templates: placeholders filled, layers merged, wrong variables refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliostat.pools.placeholders import UNRESOLVED, UNSET, Reference
from heliostat.pools.templates import (
    check_job_variables,
    job_configuration,
    merge_job_variables,
    read_job_template,
    references,
)
from heliostat.runtime.foundation.errors import BadJobTemplate, BadJobVariables


def template(configuration, properties=None, **schema):
    return read_job_template(
        {
            "job_configuration": configuration,
            "variables": {"type": "object", "properties": properties or {}, **schema},
        }
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values)
def test_whole_placeholder_keeps_the_value_as_it_is(value):
    filled = job_configuration(template({"a": ["{{ x }}"]}, {"x": {}}), {"x": value})
    assert filled == {"a": [value]}


def test_placeholder_inside_a_text_is_written_into_it():
    read = template({"image": "{{ house }}/{{name}}:{{ tag }}", "n": "{{ list }}!"}, dict.fromkeys(
        ("house", "name", "tag", "list"), {}))  # fmt: skip
    values = {"house": "acme", "name": "etl", "list": [1]}
    assert job_configuration(read, values) == {"image": "acme/etl:", "n": "[1]!"}


def test_unset_variable_takes_its_default_or_leaves_its_key_out():
    read = template(
        {"a": "{{ a }}", "b": "{{ b }}", "c": {"d": ["{{ b }}", 1]}, "e": "{{ e }}"},
        {"a": {"default": 0}, "b": {"type": "string"}, "e": {"default": None}},
    )
    assert job_configuration(read) == {"a": 0, "c": {"d": [1]}}


def test_null_that_is_given_is_a_value():
    assert job_configuration(template({"a": "{{ a }}"}, {"a": {"default": 3}}), {"a": None}) == {"a": None}


def test_placeholder_reaches_into_a_variable():
    read = template({"a": "{{ disk.size.gb }}", "b": "{{ disk.kind }}"}, {"disk": {}})
    assert job_configuration(read, {"disk": {"size": {"gb": 5}}}) == {"a": 5}


def test_later_layers_win_and_environments_are_merged_by_key():
    deployment = {"env": {"A": "1", "B": "1"}, "resources": {"x": 1}, "image": "a"}
    run = {"env": {"B": "2", "C": None}, "resources": {"y": 1}}
    assert merge_job_variables(deployment, None, run) == {
        "env": {"A": "1", "B": "2", "C": None},
        "resources": {"y": 1},
        "image": "a",
    }


def test_run_overrides_deployment_which_overrides_the_pool():
    read = template({"v": ["{{ a }}", "{{ b }}", "{{ c }}"]}, {name: {"default": "pool"} for name in "abc"})
    assert job_configuration(read, {"a": "dep", "b": "dep"}, {"a": "run"}) == {"v": ["run", "dep", "pool"]}


def test_references_are_resolved_in_template_and_in_values():
    known = {
        Reference("env", "HOME"): "/root",
        Reference("variable", "region"): "eu",
        Reference("block", "aws.prod.key"): {"id": 1},
    }
    read = template(
        {"home": "{{ $HOME }}/x", "where": "{{ prefect.variables.region }}", "env": "{{ env }}"}, {"env": {}}
    )
    values = {"env": {"KEY": "{{ heliostat.blocks.aws.prod.key }}", "JINJA": "{{ mine }}"}}
    assert references(read, values) == set(known)
    assert job_configuration(read, values, resolve=known.__getitem__) == {
        "home": "/root/x",
        "where": "eu",
        "env": {"KEY": {"id": 1}, "JINJA": "{{ mine }}"},
    }


def test_what_a_reference_gives_is_not_filled_again():
    read = template({"a": "{{ $A }}", "b": "{{ b }}"}, {"b": {}})
    filled = job_configuration(read, {"b": "{{ $A }}"}, resolve=lambda reference: "{{ $SECRET }} {{ b }}")
    assert filled["a"] == "{{ $SECRET }} {{ b }}"
    assert filled["b"] == "{{ $SECRET }} {{ b }}"


def test_reference_without_value_is_left_out_and_one_for_later_stays():
    read = template({"a": "{{ $GONE }}", "b": "{{ $LATER }}"})
    values = {"GONE": UNSET, "LATER": UNRESOLVED}
    assert job_configuration(read, resolve=lambda reference: values[reference.name]) == {"b": "{{ $LATER }}"}
    assert job_configuration(read) == {"a": "{{ $GONE }}", "b": "{{ $LATER }}"}


def test_placeholder_that_is_no_variable_is_refused_with_its_place():
    with pytest.raises(BadJobTemplate) as caught:
        template({"spec": {"images": ["{{ imgae }}"]}}, {"image": {}})
    assert "undeclared variable(s): imgae." in str(caught.value)
    assert "{{ imgae }} in job_configuration.spec.images[0]." in str(caught.value)
    assert "{{ image }}" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "must be an object"),
        ({"variables": {"type": "array"}}, "object"),
        ({"variables": {"properties": {"a": {"type": "nonsense"}}}}, "properties.a.type"),
        ({"variables": {"properties": {"a": {"$ref": "#/definitions/B"}}}}, "'#/definitions/B'"),
        ({"variables": {"properties": {"a": {"$ref": "https://example.org/x"}}}}, "https://example.org/x"),
    ],
)
def test_malformed_template_is_refused(value, text):
    with pytest.raises(BadJobTemplate) as caught:
        read_job_template(value)
    assert text in str(caught.value)


def test_empty_template_gives_an_empty_configuration():
    assert job_configuration(read_job_template({}), {"anything": 1}) == {}


SCHEMA = {
    "cpus": {"type": "number", "minimum": 0},
    "mode": {"enum": ["a", "b"]},
    "env": {"type": "object", "additionalProperties": {"type": "string"}},
}
DISK = {"$ref": "#/definitions/Disk"}


@pytest.mark.parametrize(
    ("variables", "problems"),
    [
        ({"cpus": "many"}, ("cpus: 'many' is not of type 'number'",)),
        (
            {"cpus": -1, "mode": "c"},
            ("cpus: -1 is less than the minimum of 0", "mode: 'c' is not one of ['a', 'b']"),
        ),
        ({"env": {"A": 1}}, ("env.A: 1 is not of type 'string'",)),
        ({"cpu": "{{ $CPUS }}"}, ("cpu: there is no such variable; did you mean cpus?",)),
        ({"cpu": 1}, ("cpu: there is no such variable; did you mean cpus?",)),
        ({"disk": {"size": "x"}}, ("disk.size: 'x' is not of type 'integer'",)),
        ({}, ()),
    ],
)
def test_variables_that_do_not_fit_are_named(variables, problems):
    definitions = {"Disk": {"properties": {"size": {"type": "integer"}}}}
    properties = {**SCHEMA, "disk": DISK}
    read = template({}, properties, required=["cpus"], definitions=definitions, additionalProperties=False)
    if not problems:
        check_job_variables(read, variables)
        return
    with pytest.raises(BadJobVariables) as caught:
        check_job_variables(read, variables)
    assert caught.value.problems == problems


def test_required_variables_are_asked_for_when_a_run_starts():
    read = template({}, SCHEMA | {"x": {"default": 1}}, required=["cpus", "mode", "x"])
    with pytest.raises(BadJobVariables) as caught:
        job_configuration(read, {"mode": "a"})
    assert caught.value.problems == ("cpus: is missing",)


def test_variable_that_is_a_reference_is_checked_when_it_is_resolved():
    read = template({"cpus": "{{ cpus }}"}, SCHEMA, required=["cpus"])
    values = {"cpus": "{{ prefect.variables.cpus }}"}
    check_job_variables(read, values, complete=True)
    assert job_configuration(read, values, resolve=lambda reference: 2) == {"cpus": 2}
    with pytest.raises(BadJobVariables):
        job_configuration(read, values, resolve=lambda reference: "two")
