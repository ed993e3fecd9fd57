"""Base job templates: how a pool turns job variables into the configuration of one run's job.

A template is `{"job_configuration": {...}, "variables": <JSON schema>}`, as in the standard. `{{ name }}` in
the configuration is filled with a variable; `{{ $NAME }}`, `{{ prefect.variables.x }}` and `{{
prefect.blocks.type.name }}` (also spelt `heliostat.`) are references, which a given Resolver looks up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..runtime.foundation.errors import BadJobTemplate, BadJobVariables
from ..runtime.foundation.near_names import nearest
from .job_variables import check_schema, variable_problems
from .placeholders import UNRESOLVED, UNSET, Placeholder, Reference, fill, placeholders_in, reference_of

MERGED_BY_KEY = ("env", "labels")
"""Variables that are merged key by key over the layers; the last layer replaces all other ones."""

Resolver = Callable[[Reference], Any]
"""Returns the value of a reference; UNSET when it has none, UNRESOLVED to leave its text for a later step."""


@dataclass(frozen=True)
class JobTemplate:
    """A valid base job template. Make one with `read_job_template`."""

    job_configuration: Mapping[str, Any]
    variables: Mapping[str, Any]  # a JSON schema of an object

    @property
    def properties(self) -> Mapping[str, Any]:
        """The schema of each variable."""
        return cast("Mapping[str, Any]", self.variables.get("properties") or {})

    def defaults(self) -> dict[str, Any]:
        """The variables that have a default; null counts as none."""
        given = {name: schema.get("default") for name, schema in self.properties.items()}
        return {name: value for name, value in given.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        return {"job_configuration": dict(self.job_configuration), "variables": dict(self.variables)}


def read_job_template(value: Any) -> JobTemplate:
    """A template from its JSON; `{}` has neither variables nor configuration. Raises BadJobTemplate, which
    names the placeholder, or the place in the schema, at fault.
    """
    read = _parts(value)
    check_schema(read.variables)
    check_declared(value)
    return read


def check_declared(value: Any) -> None:
    """Raise BadJobTemplate unless a template declares every variable that it uses."""
    read = _parts(value)
    unknown = [
        (path, placeholder)
        for path, placeholder in placeholders_in(read.job_configuration, "job_configuration")
        if reference_of(placeholder) is None and placeholder.variable not in read.properties
    ]
    if unknown:
        raise _undeclared(unknown, read.properties)


def _parts(value: Any) -> JobTemplate:
    """The two parts of a template, which must be objects; other fields are ignored."""
    template = _mapping(value, "The base job template")
    configuration = _mapping(template.get("job_configuration") or {}, "job_configuration")
    variables = _mapping(template.get("variables") or {}, "variables")
    _mapping(variables.get("properties") or {}, "variables.properties")
    return JobTemplate(configuration, variables)


def merge_job_variables(*layers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Job variables merged from layers, of which later ones win: first the deployment's, then the run's."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in (layer or {}).items():
            below = merged.get(name)
            if name in MERGED_BY_KEY and isinstance(below, Mapping) and isinstance(value, Mapping):
                value = {**cast("Mapping[str, Any]", below), **cast("Mapping[str, Any]", value)}
            merged[name] = value
    return merged


def check_job_variables(
    template: JobTemplate, variables: Mapping[str, Any], *, complete: bool = False
) -> None:
    """Raise BadJobVariables, with a line for each problem, unless the variables fit the template's schema.
    `complete` also demands required ones, which suits a run but not a deployment. Values with a reference are
    not checked.
    """
    held_back = {name for name, value in variables.items() if any(_references_in(value))}
    given = {name: value for name, value in variables.items() if name not in held_back}
    if complete:
        given = merge_job_variables(template.defaults(), given)
    problems = variable_problems(template.variables, given, present=held_back, complete=complete)
    if problems:
        error = BadJobVariables(
            "Job variables do not fit the work pool: " + "; ".join(problems) + ".",
            hint=f"The pool's variables: {', '.join(sorted(template.properties)) or 'none'}.",
        )
        error.problems = tuple(problems)
        raise error


def job_configuration(
    template: JobTemplate, *layers: Mapping[str, Any] | None, resolve: Resolver | None = None
) -> dict[str, Any]:
    """The configuration of one job, filled with the layers over the template's defaults. A placeholder that
    is the whole text keeps the type of its value. A variable without a value is empty inside a text;
    otherwise its key is left out. Without `resolve` references stay. Raises BadJobVariables when the
    variables do not fit, before or after references are resolved.
    """
    variables = merge_job_variables(template.defaults(), *layers)
    check_job_variables(template, variables)
    if resolve is not None:
        variables = _resolved(variables, resolve)
    check_job_variables(template, variables, complete=True)

    def value_of(placeholder: Placeholder) -> Any:
        if reference_of(placeholder) is not None:
            return _looked_up(placeholder, resolve)
        value: Any = variables.get(placeholder.variable, UNSET)
        for key in placeholder.path:
            value = cast("Mapping[str, Any]", value).get(key, UNSET) if isinstance(value, Mapping) else UNSET
        return value

    return cast("dict[str, Any]", fill(template.job_configuration, value_of))


def references(template: JobTemplate, *layers: Mapping[str, Any] | None) -> set[Reference]:
    """The references that `job_configuration` will resolve, to fetch them beforehand."""
    variables = merge_job_variables(template.defaults(), *layers)
    return {*_references_in(variables), *_references_in(template.job_configuration)}


def _resolved(value: Any, resolve: Resolver) -> Any:
    """The value with only references resolved: other braces in a variable's value are the user's."""

    def value_of(placeholder: Placeholder) -> Any:
        known = reference_of(placeholder) is not None
        return _looked_up(placeholder, resolve) if known else placeholder.text

    return fill(value, value_of)


def _looked_up(placeholder: Placeholder, resolve: Resolver | None) -> Any:
    reference = reference_of(placeholder)
    found = UNRESOLVED if resolve is None or reference is None else resolve(reference)
    return placeholder.text if found is UNRESOLVED else found


def _references_in(value: Any) -> Iterator[Reference]:
    for _, placeholder in placeholders_in(value, ""):
        reference = reference_of(placeholder)
        if reference is not None:
            yield reference


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadJobTemplate(f"{what} must be an object, not {type(value).__name__}.")
    return cast("Mapping[str, Any]", value)


def _undeclared(unknown: Sequence[tuple[str, Placeholder]], properties: Mapping[str, Any]) -> BadJobTemplate:
    path, placeholder = unknown[0]
    names = ", ".join(dict.fromkeys(each.variable for _, each in unknown))
    close = nearest(placeholder.variable, properties)
    hint = f"Did you mean {{{{ {close} }}}}?" if close else "Declare it under variables.properties."
    return BadJobTemplate(
        "The variables specified in the job configuration template must be present as properties in the"
        f" variables schema. Your job configuration uses the following undeclared variable(s): {names}."
        f" The first of them is {placeholder.text} in {path}.",
        hint=hint,
    )
