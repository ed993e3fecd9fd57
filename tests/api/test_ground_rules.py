"""What holds for every route: paths, headers, nulls, pages and the bodies of errors."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from heliostat.api.app import create_app


async def test_an_id_that_is_no_uuid_is_no_route(api: Any) -> None:
    answer = await api.get("/flow_runs/last")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


async def test_a_state_for_a_run_that_is_not_there_is_404_in_the_deeper_form(api: Any) -> None:
    answer = await api.propose({"id": str(uuid4())}, "RUNNING")
    assert answer.status_code == 404
    assert list(answer.json()) == ["exception_message"]


async def test_an_invalid_request_is_told_with_what_was_sent(api: Any) -> None:
    answer = await api.post("/flows/", json={"name": "etl", "colour": "red"})
    assert answer.status_code == 422
    told = answer.json()
    assert told["exception_message"] == "Invalid request received."
    assert told["request_body"] == {"name": "etl", "colour": "red"}
    [fault] = told["exception_detail"]
    assert (fault["loc"], fault["input"]) == (["body", "colour"], "red")
    assert (await api.post("/flows/count")).json() == 0


async def test_an_unknown_field_of_a_filter_is_refused(api: Any) -> None:
    answer = await api.post("/flow_runs/filter", json={"flow_runs": {"colour": {"any_": ["red"]}}})
    assert answer.status_code == 422
    assert answer.json()["exception_detail"][0]["loc"] == ["body", "flow_runs", "colour"]


@pytest.mark.parametrize("page", [{"limit": 201}, {"limit": -1}, {"offset": -1}])
async def test_a_page_out_of_bounds_is_refused(api: Any, page: dict[str, int]) -> None:
    assert (await api.post("/flow_runs/filter", json=page)).status_code == 422


async def test_a_null_field_is_as_good_as_none(api: Any) -> None:
    await api.flow_run()
    answer = await api.post(
        "/flow_runs/filter", json={"limit": None, "offset": None, "sort": None, "flows": None}
    )
    assert len(answer.json()) == 1
    assert (await api.post("/flow_runs/filter", content=b"null")).status_code == 200
    assert (await api.post("/flow_runs/filter")).status_code == 200


async def test_a_body_without_content_type_is_read_as_json(api: Any) -> None:
    answer = await api.post("/flows/", content=b'{"name": "etl"}')
    assert "content-type" not in answer.request.headers
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("version", "status"), [("0.8.4", 200), ("0.8.0", 200), ("0.9.0", 200), ("0.7.9", 400), ("new", 400)]
)
async def test_clients_of_an_older_standard_are_refused(api: Any, version: str, status: int) -> None:
    answer = await api.get("/hello", headers={"X-PREFECT-API-VERSION": version})
    assert answer.status_code == status
    if status == 400:
        assert list(answer.json()) == ["detail"]


async def test_moments_come_with_a_blank_a_zone_or_none_and_go_out_in_utc(api: Any) -> None:
    run = await api.flow_run(state=None, name="x")
    for sent in ("2100-01-01 10:00:00.5+00:00", "2100-01-01T12:00:00.5+02:00", "2100-01-01T10:00:00.5"):
        answer = await api.propose(run, "SCHEDULED", force=True, state_details={"scheduled_time": sent})
        told = answer.json()["state"]["state_details"]["scheduled_time"]
        assert told == "2100-01-01T10:00:00.500000Z"


async def test_answers_are_compressed_when_asked_for(api: Any) -> None:
    for number in range(20):
        await api.flow(f"flow-{number}")
    packed = await api.post("/flows/filter", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.json()) == 20


async def test_pages_of_other_origins_may_not_read_answers(api: Any) -> None:
    answer = await api.get("/health", headers={"origin": "http://elsewhere.test"})
    assert "access-control-allow-origin" not in answer.headers


async def test_documentation_pages_load_nothing_from_elsewhere(api: Any) -> None:
    for page in ("docs", "redoc"):
        answer = await api.get(f"http://test/{page}")
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "https://" not in answer.text
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js"):
        assert (await api.get(f"http://test/docs-assets/{asset}")).status_code == 200
    assert (await api.get("http://test/openapi.json")).json()["info"]["title"] == "Heliostat API"


async def test_text_that_no_database_takes_is_kept_as_well_as_it_can_be(api: Any) -> None:
    run = await api.flow_run(name="nul \0 byte", tags=["a\0b"], parameters={"x": "\0"})
    assert (await api.get(f"/flow_runs/{run['id']}")).json()["name"] == "nul \ufffd byte"
    found = await api.post("/flow_runs/filter", json={"flow_runs": {"tags": {"all_": ["a\0b"]}}})
    assert found.status_code == 200


async def test_while_the_database_is_away_the_api_answers_503() -> None:
    app = create_app("postgresql://nobody@127.0.0.1:1/none")
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test/api") as client:
            assert (await client.get("/health")).json() is True
            for answer in (await client.get("/ready"), await client.post("/flows/filter")):
                assert answer.status_code == 503
                assert answer.json() == {"exception_message": "Service Unavailable"}


async def test_secrets_are_masked_in_the_settings(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from heliostat.runtime.foundation.settings import override_settings

    with override_settings(database_url="postgresql://me:hush@db.test/x"):
        told = (await api.get("/admin/settings")).text
    assert "db.test" in told and "hush" not in told


async def test_the_product_version_has_the_major_that_clients_want(api: Any) -> None:
    assert (await api.get("/admin/version")).json().split(".")[0] == "3"
    assert (await api.get("/admin/storage")).json() == {"default_result_storage_block_id": None}
