"""Blocks over the API: types, schemas named by their checksum, documents whose secrets are kept."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from heliostat.runtime.foundation.settings import override_settings
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.setup_tables import block_document

FIELDS = {
    "title": "Login",
    "type": "object",
    "properties": {"user": {"type": "string"}, "password": {"type": "string"}},
    "secret_fields": ["password", "tokens.*", "deep.key"],
    "block_type_slug": "login",
}


async def a_type(api: Any, slug: str = "login") -> dict[str, Any]:
    answer = await api.post("/block_types/", json={"name": slug.title(), "slug": slug})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def a_schema(api: Any, block_type: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"block_type_id": block_type["id"], "fields": {**FIELDS, **fields}, "capabilities": ["login"]}
    return (await api.post("/block_schemas/", json=body)).json()


async def a_document(api: Any, schema: dict[str, Any], name: str | None = "main", **data: Any) -> Any:
    body = {
        "name": name,
        "block_schema_id": schema["id"],
        "block_type_id": schema["block_type_id"],
        "is_anonymous": name is None,
        "data": data,
    }
    return await api.post("/block_documents/", json=body)


async def test_secrets_are_masked_kept_and_encrypted(api: Any, database_url: str) -> None:
    schema = await a_schema(api, await a_type(api))
    secrets = {"password": "hunter2", "tokens": {"a": "t-one", "b": None}, "deep": {"key": "k", "open": 1}}
    made = (await a_document(api, schema, user="ann", **secrets)).json()
    at = f"/block_documents/{made['id']}"
    shown = {
        "user": "ann",
        "password": "********",
        "tokens": {"a": "********", "b": None},
        "deep": {"key": "********", "open": 1},
    }
    assert made["data"] == shown and (await api.get(at)).json()["data"] == shown
    await api.patch(at, json={"data": {**shown, "user": "bob"}})
    whole = (await api.get(at, params={"include_secrets": True})).json()["data"]
    assert whole == {"user": "bob", **secrets}
    db = await Database.open(database_url)
    async with db.read() as connection:
        kept = await connection.scalar(select(block_document.c.data))
    await db.close()
    assert b"hunter2" not in kept
    await api.patch(at, json={"data": {"user": "eve"}, "merge_existing_data": False})
    assert (await api.get(at)).json()["data"] == {"user": "eve"}


async def test_with_another_key_secrets_cannot_be_read_and_the_error_says_what_to_set(api: Any) -> None:
    schema = await a_schema(api, await a_type(api))
    made = (await a_document(api, schema, password="x")).json()
    with override_settings(encryption_key="A" * 43 + "="):
        answer = await api.get(f"/block_documents/{made['id']}")
    assert answer.status_code == 422 and "HELIOSTAT_ENCRYPTION_KEY" in answer.json()["detail"]


async def test_documents_hold_others_by_reference(api: Any) -> None:
    schema = await a_schema(api, await a_type(api))
    inner = (await a_document(api, schema, "inner", password="secret", user="in")).json()
    reference = {"$ref": {"block_document_id": inner["id"]}}
    outer = (await a_document(api, schema, "outer", login=reference, many=[reference])).json()
    masked = {"password": "********", "user": "in"}
    assert outer["data"] == {"login": masked, "many": [masked]}
    inside = outer["block_document_references"]["login"]["block_document"]
    assert (inside["id"], inside["name"], inside["is_anonymous"]) == (inner["id"], "inner", False)
    whole = (await api.get(f"/block_documents/{outer['id']}?include_secrets=true")).json()
    assert whole["data"]["login"]["password"] == "secret"
    nowhere = {"$ref": {"block_document_id": schema["id"]}}
    assert (await a_document(api, schema, "bad", login=nowhere)).status_code == 409
    # A document that holds itself ends somewhere.
    await api.patch(f"/block_documents/{inner['id']}", json={"data": {"self": reference}})
    assert (await api.get(f"/block_documents/{inner['id']}")).status_code == 200


async def test_a_schema_is_named_by_its_checksum(api: Any) -> None:
    block_type = await a_type(api)
    first = await a_schema(api, block_type)
    assert first["checksum"].startswith("sha256:")
    assert (await a_schema(api, block_type, secret_fields=["user"]))["id"] == first["id"]
    assert (await a_schema(api, block_type, title="Other"))["id"] != first["id"]
    body = {"block_type_id": block_type["id"], "fields": FIELDS, "version": "2"}
    newer = await api.post("/block_schemas/", json=body)
    assert newer.status_code == 201 and newer.json()["checksum"] == first["checksum"]
    by_checksum = f"/block_schemas/checksum/{first['checksum']}"
    assert (await api.get(by_checksum)).json()["id"] == newer.json()["id"]
    assert (await api.get(by_checksum, params={"version": "non-versioned"})).json()["id"] == first["id"]
    asked = {"block_schemas": {"block_capabilities": {"all_": ["login"]}}}
    assert first["id"] in [
        each["id"] for each in (await api.post("/block_schemas/filter", json=asked)).json()
    ]
    types = (await api.post("/block_types/filter", json=asked)).json()
    assert [each["slug"] for each in types] == ["login"]
    assert "login" in (await api.get("/block_capabilities/")).json()


async def test_anonymous_documents_are_listed_on_demand(api: Any) -> None:
    schema = await a_schema(api, await a_type(api))
    await a_document(api, schema, "b")
    await a_document(api, schema, "a")
    await a_document(api, schema, None)

    async def names(**documents: Any) -> list[str]:
        body = {"block_documents": documents} if documents else {}
        return [each["name"] for each in (await api.post("/block_documents/filter", json=body)).json()]

    assert await names() == ["a", "b"]
    assert await names(name={"like_": "B"}) == ["b"]
    assert len(await names(is_anonymous={"eq_": True})) == 1
    assert len(await names(is_anonymous=None)) == 3
    by_type = {"block_types": {"slug": {"any_": ["login"]}}}
    assert (await api.post("/block_documents/count", json=by_type)).json() == 2
    assert (await a_document(api, schema, "a")).status_code == 409
    bad = {"block_schema_id": schema["id"], "block_type_id": schema["block_type_id"]}
    assert (await api.post("/block_documents/", json=bad)).status_code == 422


async def test_what_came_with_the_server_is_protected(api: Any) -> None:
    secret = (await api.get("/block_types/slug/secret")).json()
    assert secret["is_protected"]
    schemas = {"block_schemas": {"block_type_id": {"any_": [secret["id"]]}}}
    (schema,) = (await api.post("/block_schemas/filter", json=schemas)).json()
    assert (await api.delete(f"/block_types/{secret['id']}")).status_code == 403
    assert (await api.delete(f"/block_schemas/{schema['id']}")).status_code == 403
    reserved = await api.post("/block_types/", json={"name": "PrefectThing", "slug": "thing"})
    assert reserved.status_code == 403
    count = len((await api.post("/block_types/filter")).json())
    await api.post("/block_types/install_system_block_types")
    assert len((await api.post("/block_types/filter")).json()) == count


async def test_removing_a_type_removes_its_schemas_and_documents(api: Any) -> None:
    block_type = await a_type(api)
    schema = await a_schema(api, block_type)
    document = (await a_document(api, schema)).json()
    assert (await api.post("/block_types/", json={"name": "X", "slug": "login"})).status_code == 409
    await api.delete(f"/block_types/{block_type['id']}")
    for path in (
        f"block_schemas/{schema['id']}",
        f"block_documents/{document['id']}",
        "block_types/slug/login",
    ):
        assert (await api.get(f"/{path}")).status_code == 404


@pytest.mark.parametrize("slug, status", [("local-file-system", 200), ("secret", 422)])
async def test_results_are_kept_in_a_block_that_stores(api: Any, slug: str, status: int) -> None:
    block_type = (await api.get(f"/block_types/slug/{slug}")).json()
    asked = {"block_schemas": {"block_type_id": {"any_": [block_type["id"]]}}}
    (schema,) = (await api.post("/block_schemas/filter", json=asked)).json()
    made = (await a_document(api, schema, "here")).json()
    answer = await api.put("/admin/storage", json={"default_result_storage_block_id": made["id"]})
    assert answer.status_code == status
    kept = (await api.get("/admin/storage")).json()["default_result_storage_block_id"]
    assert kept == (made["id"] if status == 200 else None)
    await api.delete("/admin/storage")
    assert (await api.get("/admin/storage")).json() == {"default_result_storage_block_id": None}
