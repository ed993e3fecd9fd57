"""Artifacts on the wire."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from ...runtime.store.artifacts import ArtifactSort, CollectionRow
from ...runtime.store.filters import DeploymentFilter, FlowFilter, FlowRunFilter, Search, TaskRunFilter
from ...runtime.store.setup_filters import ArtifactCollectionFilter, ArtifactFilter
from ..responses import Recorded
from ..schemas import Fields, OneModel, Paged

Key = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]


def _shortened(metadata: dict[str, str]) -> dict[str, str]:
    return {
        name: value if len(value) <= LONGEST_METADATA else f"{value[:LONGEST_METADATA]}..."
        for name, value in metadata.items()
    }


LONGEST_METADATA = 500  # characters of one value; what is longer is cut off
Metadata = Annotated[dict[str, str], AfterValidator(_shortened)]


class ArtifactCreate(OneModel):
    key: Key | None = None
    type: str | None = None
    description: str | None = None
    data: dict[str, Any] | Any | None = None
    metadata_: Metadata | None = None
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None


class ArtifactUpdate(OneModel):
    data: dict[str, Any] | Any | None = None
    description: str | None = None
    metadata_: Metadata | None = None


class _OfRuns(Fields):
    flow_runs: FlowRunFilter | None = None
    task_runs: TaskRunFilter | None = None
    flows: FlowFilter | None = None
    deployments: DeploymentFilter | None = None

    def search(self) -> Search:
        return Search(self.flows, self.flow_runs, self.task_runs, self.deployments)


class ArtifactSearch(_OfRuns):
    artifacts: ArtifactFilter | None = None


class ArtifactPage(ArtifactSearch, Paged):
    sort: ArtifactSort = "ID_DESC"


class CollectionSearch(_OfRuns):
    artifacts: ArtifactCollectionFilter | None = None


class CollectionPage(CollectionSearch, Paged):
    sort: ArtifactSort = "ID_DESC"


class Artifact(Recorded):
    key: str | None
    type: str | None
    description: str | None
    data: Any
    metadata_: dict[str, str] | None
    flow_run_id: UUID | None
    task_run_id: UUID | None


class ArtifactCollection(Artifact):
    latest_id: UUID


def collection(row: CollectionRow) -> dict[str, Any]:
    """ArtifactCollection."""
    return {
        **Artifact.of(row.latest),
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "latest_id": row.latest.id,
    }
