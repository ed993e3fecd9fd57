"""Copies what people set up from one server to another, in the order in which things need each other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...runtime.foundation.errors import HeliostatError, NotFound
from .output import Row
from .things import all_of, in_path

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

KINDS = ("variables", "blocks", "limits", "work-pools", "deployments", "automations")
"""What can be copied, in the order in which it is."""

_DEPLOYMENT_FIELDS = (
    "name", "paused", "concurrency_options", "enforce_parameter_schema", "parameter_openapi_schema",
    "parameters", "tags", "labels", "pull_steps", "work_queue_name", "work_pool_name", "description", "path",
    "version", "entrypoint", "job_variables",
)  # fmt: skip
_SCHEDULE_FIELDS = ("schedule", "active", "max_scheduled_runs", "parameters", "slug")
_AUTOMATION_FIELDS = (
    "name", "description", "enabled", "tags", "trigger", "actions", "actions_on_trigger",
    "actions_on_resolve",
)  # fmt: skip
_REFERENCES = ("deployment_id", "work_queue_id", "work_pool_id", "automation_id", "block_document_id")
_OWN_LIMITS = ("tag:", "deployment:")  # limits that a server makes for tags and deployments


@dataclass
class Copying:
    """One copying. `rows` tell what became of each thing; `ids` map ids of the source to the target's."""

    source: HeliostatClient
    target: HeliostatClient
    dry_run: bool = False
    active: bool = False
    """Let schedules and automations act on the target at once, as they do on the source."""
    rows: list[Row] = field(default_factory=list[Row])
    ids: dict[str, str] = field(default_factory=dict[str, str])

    async def run(self, kinds: Collection[str] = KINDS) -> None:
        """Copy these kinds of things. What is there by name stays; what is refused is told in its row."""
        steps: Mapping[str, Callable[[], Awaitable[None]]] = {
            "variables": self._variables,
            "blocks": self._blocks,
            "limits": self._limits,
            "work-pools": self._pools,
            "deployments": self._deployments,
            "automations": self._automations,
        }
        for kind in KINDS:
            if kind in kinds:
                await steps[kind]()

    async def _variables(self) -> None:
        known = {row["name"] for row in await all_of(self.target, "/variables/filter")}
        for row in await all_of(self.source, "/variables/filter"):
            body = {name: row[name] for name in ("name", "value", "tags")}
            await self._make("variable", row["name"], row["name"] in known, "/variables/", body)

    async def _blocks(self) -> None:
        types = {row["slug"]: row for row in await all_of(self.target, "/block_types/filter")}
        documents = await all_of(self.source, "/block_documents/filter", include_secrets=True)
        used = {row["block_type"]["slug"]: row["block_type"] for row in documents}
        for slug, found in used.items():
            if slug in types:
                self.ids[found["id"]] = types[slug]["id"]
                continue
            names = ("name", "slug", "logo_url", "documentation_url", "description", "code_example")
            made = await self._make("block type", slug, False, "/block_types/", {n: found[n] for n in names})
            self.ids[found["id"]] = made["id"] if made else found["id"]
        known = {
            (row["block_type"]["slug"], row["name"]): row["id"]
            for row in await all_of(self.target, "/block_documents/filter")
        }
        for row in sorted(documents, key=lambda row: len(row["block_document_references"])):
            await self._block(row, known.get((row["block_type"]["slug"], row["name"])))

    async def _block(self, row: Row, there: str | None) -> None:
        name = f"{row['block_type']['slug']}/{row['name']}"
        if there is not None:
            self.ids[row["id"]] = there
            self._tell("block", name, "exists")
            return
        data = dict(row["data"])
        for key, inner in row["block_document_references"].items():
            inner_id = self.ids.get(inner["block_document"]["id"])
            if inner_id is None:
                self._tell("block", name, "left", f"the block in its field {key!r} was not copied")
                return
            data[key] = {"$ref": {"block_document_id": inner_id}}
        if self.dry_run:
            self.ids[row["id"]] = row["id"]
            self._tell("block", name, "would be copied")
            return
        schema = row["block_schema"]
        type_id = self.ids[row["block_type"]["id"]]
        fields = {each: schema[each] for each in ("fields", "capabilities", "version")}
        made = await self._asked("/block_schemas/", {**fields, "block_type_id": type_id}, "block", name)
        if made is None:
            return
        body = {
            "name": row["name"],
            "data": data,
            "block_schema_id": made["id"],
            "block_type_id": type_id,
        }
        document = await self._make("block", name, False, "/block_documents/", body)
        if document is not None:
            self.ids[row["id"]] = document["id"]

    async def _limits(self) -> None:
        path = "/v2/concurrency_limits"
        known = {row["name"] for row in await all_of(self.target, f"{path}/filter")}
        for row in await all_of(self.source, f"{path}/filter"):
            if not row["name"].startswith(_OWN_LIMITS):
                body = {each: row[each] for each in ("name", "limit", "active", "slot_decay_per_second")}
                await self._make("limit", row["name"], row["name"] in known, f"{path}/", body)
        tags = {row["tag"] for row in await all_of(self.target, "/concurrency_limits/filter")}
        for row in await all_of(self.source, "/concurrency_limits/filter"):
            body = {each: row[each] for each in ("tag", "concurrency_limit")}
            await self._make("limit on a tag", row["tag"], row["tag"] in tags, "/concurrency_limits/", body)

    async def _pools(self) -> None:
        known = {row["name"]: row for row in await all_of(self.target, "/work_pools/filter")}
        for row in await all_of(self.source, "/work_pools/filter"):
            fields = ("name", "type", "description", "base_job_template", "is_paused", "concurrency_limit")
            there = known.get(row["name"])
            made = await self._make(
                "work pool", row["name"], there is not None, "/work_pools/", {n: row[n] for n in fields}
            )
            self._match(row, there or made)
            await self._queues(row["name"], there is not None or made is not None)

    async def _queues(self, pool: str, is_there: bool) -> None:
        path = f"/work_pools/{in_path(pool)}/queues"
        known: dict[str, Row] = {}
        if is_there and not (self.dry_run and not await self._has_pool(pool)):
            known = {row["name"]: row for row in await all_of(self.target, f"{path}/filter")}
        for row in await all_of(self.source, f"{path}/filter"):
            there = known.get(row["name"])
            if there is not None and row["name"] == "default":
                self._match(row, there)  # every pool has one
                continue
            if not is_there and not self.dry_run:
                continue  # its pool was refused, which is told
            fields = ("name", "description", "is_paused", "concurrency_limit", "priority")
            name = f"{pool}/{row['name']}"
            made = await self._make("queue", name, there is not None, path, {n: row[n] for n in fields})
            self._match(row, there or made)

    async def _has_pool(self, name: str) -> bool:
        return any(row["name"] == name for row in await all_of(self.target, "/work_pools/filter"))

    async def _deployments(self) -> None:
        flows = {row["id"]: row for row in await all_of(self.source, "/flows/filter")}
        async for row in self._each_deployment():
            flow = flows.get(row["flow_id"])
            if flow is None:
                continue  # it was deleted a moment ago
            name = f"{flow['name']}/{row['name']}"
            there = await self._deployment_there(flow["name"], row["name"])
            if there is not None or self.dry_run:
                self._match(row, there)
                self._tell("deployment", name, "exists" if there else "would be copied")
                continue
            made_flow = await self._asked(
                "/flows/", {"name": flow["name"], "tags": flow["tags"]}, "flow", name
            )
            if made_flow is not None:
                body = {**self._deployment(row), "flow_id": made_flow["id"]}
                self._match(row, await self._make("deployment", name, False, "/deployments/", body))

    def _deployment(self, row: Row) -> Row:
        body: Row = {each: row[each] for each in _DEPLOYMENT_FIELDS if row.get(each) is not None}
        body["schedules"] = [
            {name: each[name] for name in _SCHEDULE_FIELDS if each.get(name) is not None}
            for each in row["schedules"]
        ]
        limit: Row = row.get("global_concurrency_limit") or {}
        if limit.get("limit"):
            body["concurrency_limit"] = limit["limit"]
        if not self.active:
            body["paused"] = True
        return body

    async def _each_deployment(self) -> AsyncIterator[Row]:
        for row in await all_of(self.source, "/deployments/filter"):
            yield row

    async def _deployment_there(self, flow: str, name: str) -> Row | None:
        try:
            return await self.target.http.get(f"/deployments/name/{in_path(flow)}/{in_path(name)}")
        except NotFound:
            return None

    async def _automations(self) -> None:
        known = {row["name"] for row in await all_of(self.target, "/automations/filter")}
        for row in await all_of(self.source, "/automations/filter"):
            text = json.dumps({each: row[each] for each in _AUTOMATION_FIELDS if each in row})
            for old, new in self.ids.items():
                text = text.replace(old, new)  # ids stand in actions, and inside names of resources
            body: Row = json.loads(text)
            lost = self._lost(body)
            if lost is not None and row["name"] not in known:
                self._tell("automation", row["name"], "left", f"its {lost} was not copied")
                continue
            if not self.active:
                body["enabled"] = False
            await self._make("automation", row["name"], row["name"] in known, "/automations/", body)

    def _lost(self, body: Row) -> str | None:
        """What an action of an automation is about, when the target has no such thing."""
        there = {*self.ids.values()}
        for each in ("actions", "actions_on_trigger", "actions_on_resolve"):
            for action in body.get(each) or ():
                for name in _REFERENCES:
                    if action.get(name) is not None and action[name] not in there:
                        return name.removesuffix("_id").replace("_", " ")
        return None

    def _match(self, row: Row, there: Row | None) -> None:
        if there is not None:
            self.ids[row["id"]] = there["id"]
        elif self.dry_run:
            self.ids[row["id"]] = row["id"]

    async def _make(self, kind: str, name: str, exists: bool, path: str, body: Row) -> Row | None:
        """Make a thing on the target, unless it is there, or nothing is to change. What was made, or None."""
        if exists or self.dry_run:
            self._tell(kind, name, "exists" if exists else "would be copied")
            return None
        made = await self._asked(path, body, kind, name)
        if made is not None:
            self._tell(kind, name, "copied")
        return made

    async def _asked(self, path: str, body: Row, kind: str, name: str) -> Row | None:
        try:
            return await self.target.request("POST", path, body)
        except HeliostatError as error:
            self._tell(kind, name, "left", str(error))
            return None

    def _tell(self, kind: str, name: str, what: str, why: str | None = None) -> None:
        self.rows.append({"kind": kind, "name": name, "what": what, "why": why})
