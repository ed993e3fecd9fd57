"""Filters of variables, artifacts and blocks, and their SQL conditions, with the rules of `filters`."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, or_, select

from ..foundation.filter_base import Filter
from .database.setup_tables import artifact, block_document, block_schema, block_type, variable
from .database.tables import flow_run, task_run
from .filter_conditions import Condition, FilterConditions
from .filters import AllTags, Flag, Ids, Like, Name, Operator, Search, Texts, TextsOrNot


@dataclass(frozen=True, slots=True)
class VariableFilter(Filter):
    operator: Operator = "and_"
    id: Ids | None = None
    name: Name | None = None
    tags: AllTags | None = None


@dataclass(frozen=True, slots=True)
class Key(Filter):
    any_: list[str] | None = None
    like_: str | None = None
    exists_: bool | None = None


@dataclass(frozen=True, slots=True)
class ArtifactFilter(Filter):
    operator: Operator = "and_"
    id: Ids | None = None
    key: Key | None = None
    flow_run_id: Ids | None = None
    task_run_id: Ids | None = None
    type: TextsOrNot | None = None


@dataclass(frozen=True, slots=True)
class ArtifactCollectionFilter(Filter):
    operator: Operator = "and_"
    latest_id: Ids | None = None
    key: Key | None = None
    flow_run_id: Ids | None = None
    task_run_id: Ids | None = None
    type: TextsOrNot | None = None


@dataclass(frozen=True, slots=True)
class BlockTypeFilter(Filter):
    name: Like | None = None
    slug: Texts | None = None


@dataclass(frozen=True, slots=True)
class Capabilities(Filter):
    all_: list[str] | None = None


@dataclass(frozen=True, slots=True)
class BlockSchemaFilter(Filter):
    operator: Operator = "and_"
    block_type_id: Ids | None = None
    block_capabilities: Capabilities | None = None
    id: Ids | None = None
    version: Texts | None = None


@dataclass(frozen=True, slots=True)
class BlockDocumentFilter(Filter):
    """Anonymous documents are left out unless they are requested."""

    operator: Operator = "and_"
    id: Ids | None = None
    is_anonymous: Flag | None = field(default_factory=lambda: Flag(False))
    block_type_id: Ids | None = None
    name: Name | None = None


class SetupConditions(FilterConditions):
    """Conditions on the tables of `setup_tables`."""

    def of_variables(self, asked: VariableFilter | None) -> list[Condition]:
        if asked is None:
            return []
        columns = variable.c
        parts = [
            self._on(columns.id, asked.id),
            self._on(columns.name, asked.name),
            self._tags(columns.tags, asked.tags),
        ]
        return _joined(asked.operator, parts)

    def of_artifacts(
        self, asked: ArtifactFilter | ArtifactCollectionFilter | None, search: Search
    ) -> list[Condition]:
        """Artifacts that match, of the runs that match."""
        found: list[Condition] = []
        columns = artifact.c
        if asked is not None:
            own_id = asked.id if isinstance(asked, ArtifactFilter) else asked.latest_id
            parts = [
                self._on(columns.id, own_id),
                self._on(columns.key, asked.key),
                self._on(columns.flow_run_id, asked.flow_run_id),
                self._on(columns.task_run_id, asked.task_run_id),
                self._on(columns.type, asked.type),
            ]
            found += _joined(asked.operator, parts)
        tasks = self.task_run_parts(search.task_runs)
        if tasks:
            found.append(columns.task_run_id.in_(select(task_run.c.id).where(*tasks).correlate(None)))
        runs = self.of_flow_runs(Search(search.flows, search.flow_runs, deployments=search.deployments))
        if runs:
            found.append(columns.flow_run_id.in_(select(flow_run.c.id).where(*runs).correlate(None)))
        return found

    def of_block_types(self, asked: BlockTypeFilter | None) -> list[Condition]:
        if asked is None:
            return []
        return _joined(
            "and_", [self._on(block_type.c.name, asked.name), self._on(block_type.c.slug, asked.slug)]
        )

    def of_block_schemas(self, asked: BlockSchemaFilter | None) -> list[Condition]:
        if asked is None:
            return []
        columns = block_schema.c
        able = asked.block_capabilities.all_ if asked.block_capabilities else None
        parts = [
            self._on(columns.block_type_id, asked.block_type_id),
            self._tags(columns.capabilities, AllTags(all_=able)) if able is not None else None,
            self._on(columns.id, asked.id),
            self._on(columns.version, asked.version),
        ]
        return _joined(asked.operator, parts)

    def of_block_documents(
        self,
        asked: BlockDocumentFilter | None,
        types: BlockTypeFilter | None,
        schemas: BlockSchemaFilter | None,
    ) -> list[Condition]:
        """Documents that match, of types and schemas that match."""
        asked = asked or BlockDocumentFilter()
        columns = block_document.c
        parts = [
            self._on(columns.id, asked.id),
            self._on(columns.is_anonymous, asked.is_anonymous),
            self._on(columns.block_type_id, asked.block_type_id),
            self._on(columns.name, asked.name),
        ]
        found = _joined(asked.operator, parts)
        of_types, of_schemas = self.of_block_types(types), self.of_block_schemas(schemas)
        if of_types:
            found.append(columns.block_type_id.in_(select(block_type.c.id).where(*of_types)))
        if of_schemas:
            found.append(columns.block_schema_id.in_(select(block_schema.c.id).where(*of_schemas)))
        return found


def _joined(operator: Operator, parts: list[ColumnElement[bool] | None]) -> list[Condition]:
    said = [part for part in parts if part is not None]
    return [or_(*said) if operator == "or_" else and_(*said)] if said else []
