"""Whether an event matches a filter or a trigger, decided in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import orjson

from .filters import EventFilter, EventName, OfAnyResource, OfRelated, OfResource, Specification, values_of
from .records import RESOURCE_ID, RESOURCE_ROLE, Event, Resource


def fits(event: Event, asked: EventFilter, *, in_time: bool = False) -> bool:
    """Whether the event matches the filter. Its time range counts only with `in_time`: a stream has no
    end.
    """
    if in_time and not asked.occurred.since <= event.occurred <= asked.occurred.until:
        return False
    if asked.id.id and event.id not in asked.id.id:
        return False
    if asked.event is not None and not name_fits(event.event, asked.event):
        return False
    if asked.resource is not None and not _resource_fits(event.resource, asked.resource):
        return False
    if not all(_is_related(event, part) for part in asked.related_parts()):
        return False
    everything = [event.resource, *event.related]
    if not all(any(_resource_fits(each, part) for each in everything) for part in asked.any_resource_parts()):
        return False
    return asked.text is None or text_fits(asked.text.query, lambda: searchable_text(event))


def name_fits(name: str, asked: EventName) -> bool:
    """Whether an event's name matches the filter."""
    if asked.prefix and not any(name.startswith(each) for each in asked.prefix):
        return False
    if asked.exclude_prefix and any(name.startswith(each) for each in asked.exclude_prefix):
        return False
    if asked.name and name not in asked.name:
        return False
    return not (asked.exclude_name and name in asked.exclude_name)


def has_labels(resource: Resource, wanted: Specification) -> bool:
    """Whether every label in the specification has a value that it accepts."""
    return all(_value_fits(resource.get(label), *values_of(values)) for label, values in wanted.items())


def value_fits(value: str, pattern: str) -> bool:
    """Whether a value equals the pattern, or begins with it when the pattern ends with a star."""
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def searchable_text(event: Event) -> str:
    """The text that a search for words reads: the name, the values of all labels, and the payload."""
    # The text of the payload is only searched, never stored.
    labels = [value for each in (event.resource, *event.related) for value in each.values()]
    return " ".join([event.event, *labels, orjson.dumps(event.payload, default=str).decode()]).lower()


def text_fits(query: str, text: Callable[[], str]) -> bool:
    """Whether a text has the words that a query wants and none that it excludes."""
    some, every, none = words_of(query)
    if not (some or every or none):
        return True
    looked_at = text()
    if some and not any(word in looked_at for word in some):
        return False
    return all(word in looked_at for word in every) and not any(word in looked_at for word in none)


def words_of(query: str) -> tuple[list[str], list[str], list[str]]:
    """The words of a query, in lower case: one of these, all of these, none of these."""
    some: list[str] = []
    every: list[str] = []
    none: list[str] = []
    for sign, phrase, word in re.findall(r'([-!+]?)(?:"([^"]*)"|([^\s"]+))', query.lower()):
        found = (phrase or word).strip()
        if found:
            {"": some, "+": every}.get(sign, none).append(found)
    return some, every, none


def _value_fits(value: str | None, wanted: list[str], unwanted: list[str]) -> bool:
    if not wanted and not unwanted:
        return False  # an empty list of values matches nothing
    if value is None:
        return not wanted
    if wanted and not any(value_fits(value, each) for each in wanted):
        return False
    return not any(value_fits(value, each) for each in unwanted)


def _resource_fits(resource: Resource, asked: OfResource | OfAnyResource) -> bool:
    resource_id = resource.get(RESOURCE_ID, "")
    if asked.id and resource_id not in asked.id:
        return False
    if asked.id_prefix and not any(resource_id.startswith(each) for each in asked.id_prefix):
        return False
    return not asked.labels or has_labels(resource, asked.labels)


def _is_related(event: Event, asked: OfRelated) -> bool:
    return any(_related_fits(each, asked) for each in event.related) or not _says_something(asked)


def _related_fits(resource: Resource, asked: OfRelated) -> bool:
    resource_id, role = resource.get(RESOURCE_ID, ""), resource.get(RESOURCE_ROLE, "")
    if asked.id and resource_id not in asked.id:
        return False
    if asked.role and role not in asked.role:
        return False
    if asked.resources_in_roles and (resource_id, role) not in _pairs(asked.resources_in_roles):
        return False
    return not asked.labels or has_labels(resource, asked.labels)


def _pairs(pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(resource_id, role) for resource_id, role in pairs}


def _says_something(asked: OfRelated) -> bool:
    return bool(asked.id or asked.role or asked.resources_in_roles or asked.labels)
