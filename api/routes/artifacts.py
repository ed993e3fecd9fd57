"""Artifacts, and the newest of each key."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from ...runtime.store import artifacts
from ...runtime.store.artifacts import NewArtifact
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..errors import found
from ..models import artifacts as models

router = APIRouter(prefix="/artifacts", tags=["Artifacts"])

_WHAT = "Artifact"


@router.post("/", response_model=models.Artifact, responses={201: {"model": models.Artifact}})
async def create_artifact(body: models.ArtifactCreate, db: Db) -> JsonAnswer:
    """Keep an artifact; it is the newest of its key from now on."""
    return JsonAnswer(models.Artifact.of(await artifacts.create(db, NewArtifact(**body.model_dump()))), 201)


@router.post("/filter", response_model=list[models.Artifact])
async def filter_artifacts(db: Db, body: models.ArtifactPage | None = None) -> JsonAnswer:
    """Artifacts that match the filter."""
    body = body or models.ArtifactPage()
    rows = await artifacts.find(
        db, body.artifacts, body.search(), sort=body.sort, limit=body.limit, offset=body.offset
    )
    return JsonAnswer([models.Artifact.of(row) for row in rows])


@router.post("/latest/filter", response_model=list[models.ArtifactCollection])
async def filter_latest_artifacts(db: Db, body: models.CollectionPage | None = None) -> JsonAnswer:
    """The newest artifact of each key, among those that match the filter."""
    body = body or models.CollectionPage()
    rows = await artifacts.find_latest(
        db, body.artifacts, body.search(), sort=body.sort, limit=body.limit, offset=body.offset
    )
    return JsonAnswer([models.collection(row) for row in rows])


@router.post("/count")
async def count_artifacts(db: Db, body: models.ArtifactSearch | None = None) -> int:
    """How many artifacts match the filter."""
    body = body or models.ArtifactSearch()
    return await artifacts.count(db, body.artifacts, body.search())


@router.post("/latest/count")
async def count_latest_artifacts(db: Db, body: models.CollectionSearch | None = None) -> int:
    """How many keys have a newest artifact that matches the filter."""
    body = body or models.CollectionSearch()
    return await artifacts.count_latest(db, body.artifacts, body.search())


@router.get("/{key}/latest", response_model=models.Artifact)
async def read_latest_artifact(key: str, db: Db) -> JsonAnswer:
    """The newest artifact of a key."""
    return JsonAnswer(models.Artifact.of(await found(artifacts.latest(db, key), _WHAT)))


@router.get("/{id:uuid}", response_model=models.Artifact)
async def read_artifact(id: UUID, db: Db) -> JsonAnswer:
    """The artifact with that id."""
    return JsonAnswer(models.Artifact.of(await found(artifacts.read(db, id), _WHAT)))


@router.patch("/{id:uuid}", status_code=204)
async def update_artifact(id: UUID, body: models.ArtifactUpdate, db: Db) -> Response:
    """Change an artifact, for example a progress bar; only fields in the body change."""
    await found(artifacts.change(db, id, body.model_dump(exclude_unset=True)), _WHAT)
    return no_content()


@router.delete("/{id:uuid}", status_code=204)
async def delete_artifact(id: UUID, db: Db) -> Response:
    """Remove an artifact; the one before it becomes the newest of its key."""
    await found(artifacts.delete(db, id), _WHAT)
    return no_content()
