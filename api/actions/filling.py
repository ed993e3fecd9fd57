"""Filling in the templates of actions: missing names are empty, times stay times, values keep their type.

Templates are filled in by a process of its own (`bounded_calls`), which imports this file and little else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast
from uuid import UUID

from jinja2 import ChainableUndefined, Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ...runtime.events.records import RESOURCE_ID, RESOURCE_NAME, RESOURCE_ROLE, Resource
from ...runtime.values.parameter_templates import KIND
from ..page_addresses import of_kind

_RUN_IN_URL = re.compile(r"flow-run/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class Missing(ChainableUndefined):
    """A name that is missing: it is empty, and so is every attribute of it, however deep."""

    def __call__(self, *_args: Any, **_kwargs: Any) -> Missing:
        return self


class Moment(datetime):
    """A time that is ISO text where a template shows it as it is."""

    @classmethod
    def of(cls, time: datetime) -> Moment:
        return cls.fromtimestamp(time.timestamp(), UTC).replace(microsecond=time.microsecond)

    @classmethod
    def told(cls, text: str) -> Moment | str:
        """The time that a text holds; a text that holds no time is returned as it is."""
        try:
            return cls.of(datetime.fromisoformat(text))
        except ValueError:
            return text

    def __str__(self) -> str:
        return self.isoformat()


class Labels(Mapping[str, str]):
    """Labels by their names, `labels['a.b']`, and part by part, `labels.a.b`. For the labels below
    `a.b`, `own` is the value of the label `a.b` itself.
    """

    def __init__(self, labels: Mapping[str, str], own: str | None = None) -> None:
        self._labels, self.own = dict(labels), own

    def __getitem__(self, name: str) -> str:
        return self._labels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def __getattr__(self, part: str) -> str | Labels:
        if part.startswith("_"):  # `copy` asks for such names before the new object has labels
            raise AttributeError(part)
        start = f"{part}."
        below = {
            name.removeprefix(start): value for name, value in self._labels.items() if name.startswith(start)
        }
        if below:
            return Labels(below, self._labels.get(part, ""))
        if part in self._labels:
            return self._labels[part]
        raise AttributeError(part)

    def __str__(self) -> str:
        return json.dumps(self._labels) if self.own is None else self.own


class Thing(Labels):
    """A resource: its labels, with short names for the common ones."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource)

    @property
    def id(self) -> str | None:
        return self.get(RESOURCE_ID)

    @property
    def name(self) -> str | None:
        return self.get(RESOURCE_NAME)

    @property
    def role(self) -> str | None:
        return self.get(RESOURCE_ROLE)

    @property
    def labels(self) -> Labels:
        return Labels(self)


def seen(value: Any) -> Any:
    """A value of the store as templates see it: its times are moments, its ids are text."""
    if isinstance(value, Mapping):
        return {name: seen(inner) for name, inner in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [seen(inner) for inner in cast("list[Any]", value)]
    if isinstance(value, datetime):
        return Moment.of(value)
    return str(value) if isinstance(value, UUID) else value


def is_template(value: Any) -> bool:
    """Whether a text may be a template."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def holds_template(value: Any) -> bool:
    """Whether a JSON value contains a template."""
    if isinstance(value, Mapping):
        return any(map(holds_template, cast("Mapping[str, Any]", value).values()))
    return (
        any(map(holds_template, cast("list[Any]", value))) if isinstance(value, list) else is_template(value)
    )


def text_of(template: str, context: Mapping[str, Any], pages: str) -> str:
    """The template filled in; `pages` is the address of the user interface, for links.

    Raises TemplateError, and what an expression raises.
    """
    return _environment(pages).from_string(template).render(**context)


def filled_within(value: Any, context: Mapping[str, Any], pages: str, *, keeps_type: bool = True) -> Any:
    """A JSON value with every text inside it filled in. A text that is one expression becomes its value, for
    example a number; inside an object that `__prefect_kind` marks it stays text.
    """
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        kind = fields.get(KIND)
        if kind == "jinja" and isinstance(fields.get("template"), str):
            return text_of(fields["template"], context, pages)
        keeps_type = keeps_type and KIND not in fields
        return {
            name: filled_within(inner, context, pages, keeps_type=keeps_type)
            for name, inner in fields.items()
        }
    if isinstance(value, list):
        entries = cast("list[Any]", value)
        return [filled_within(inner, context, pages, keeps_type=keeps_type) for inner in entries]
    if not is_template(value):
        return value
    return (_value_of if keeps_type else text_of)(value, context, pages)


def _value_of(template: str, context: Mapping[str, Any], pages: str) -> Any:
    """The value of a template that is one single expression, as JSON data; the text of any other template."""
    environment = _environment(pages)
    expression = _only_expression(environment, template)
    if expression is None:
        return text_of(template, context, pages)
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store", lineno=1), expression, lineno=1)]
    asked = environment.from_string(nodes.Template(body, lineno=1))
    return _data(TemplateExpression(asked, undefined_to_none=False)(**context))


def syntax_checked(template: str) -> None:
    """Raises TemplateSyntaxError."""
    _environment("").parse(template)


def _only_expression(environment: ImmutableSandboxedEnvironment, template: str) -> nodes.Expr | None:
    body = environment.parse(template.strip()).body
    if len(body) == 1 and isinstance(body[0], nodes.Output) and len(body[0].nodes) == 1:
        [only] = body[0].nodes
        return None if isinstance(only, nodes.TemplateData) else only
    return None


def _data(value: Any) -> Any:
    """The value of an expression as JSON data."""
    if isinstance(value, Undefined):
        return ""
    if isinstance(value, str):
        return str(value)  # a plain string, also when it is marked as safe text
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Labels):
        return dict(value) if value.own is None else value.own
    if isinstance(value, Mapping):
        return {str(name): _data(inner) for name, inner in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_data(inner) for inner in cast("list[Any]", value)]
    return str(value)


def _dumped(value: Any, **options: Any) -> str:
    return json.dumps(_data(value), **options)


def _time_as(value: Any, written: str) -> str:
    """`event.occurred | strftime('%Y')`; nothing for a time that is missing."""
    if isinstance(value, str):
        value = Moment.told(value)
    return value.strftime(written) if isinstance(value, datetime) else ""


def _flow_run_id(text: Any) -> str | None:
    """The id of a flow run, from a text that holds the address of its page."""
    found = _RUN_IN_URL.search(str(text or ""))
    return found[1] if found else None


def _page(base: str, it: Any) -> str:
    """The address of an object's page."""
    fields: dict[str, Any] = cast("dict[str, Any]", it) if isinstance(it, dict) else {}
    return base + of_kind(str(fields.get("_kind")), fields)


def _environment(pages: str) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=Missing)
    environment.policies["json.dumps_function"] = _dumped
    page = partial(_page, pages)
    ours = {"strftime": _time_as, "flow_run_id": _flow_run_id, "ui_url": page, "ui_resource_events_url": page}
    cast("Any", environment).filters.update(ours)
    return environment
