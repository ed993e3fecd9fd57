"""Automations on both databases: events are evaluated once each, and what is asked for is carried out."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from waiting import wait_until

from heliostat.actors.loops.triggers import Triggers
from heliostat.api.actions.loop import ActionPerformer
from heliostat.api.models.automations import AutomationCreate
from heliostat.runtime.events.filters import EventFilter, EventName, Occurred
from heliostat.runtime.events.records import Event
from heliostat.runtime.foundation import clock, ids
from heliostat.runtime.states import Completed, Failed, Running, Scheduled
from heliostat.runtime.store import (
    automation_actions,
    automations,
    block_documents,
    block_types,
    deployments,
    event_search,
    events,
    flow_run_changes,
    flow_run_events,
    flow_runs,
    scheduled_runs,
    work_pools,
)
from heliostat.runtime.store.automations import AutomationRow
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun

Trigger = dict[str, Any]


def trigger(expect: str = "bell.rung", **facts: Any) -> Trigger:
    return {"type": "event", "posture": "Reactive", "expect": [expect], **facts}


async def automation(db: Database, when: Trigger, *actions: dict[str, Any], **facts: Any) -> AutomationRow:
    body = {"name": "porter", "trigger": when, "actions": list(actions), **facts}
    return await automations.create(db, AutomationCreate.model_validate(body).facts())


def happened(name: str = "bell.rung", **labels: str) -> Event:
    resource = {"prefect.resource.id": "bell.1", **labels}
    return Event(ids.uuid7(), clock.now(), name, resource, received=clock.now())


async def carry_on(db: Database) -> None:
    """Let everything that is due be done."""
    while await flow_run_events.make(db):
        pass
    await Triggers(db).step()
    await ActionPerformer(db).step()


async def told(db: Database, kind: str) -> list[Event]:
    names = [f"prefect.automation.{kind}"]
    return await event_search.find(db, EventFilter(event=EventName(name=names), order="ASC"), 200)


async def how_many(db: Database, kind: str) -> int:
    return await event_search.count(db, EventFilter(event=EventName(name=[f"prefect.automation.{kind}"])))


async def done(db: Database) -> list[tuple[str, str]]:
    """Type and reason of each action that came to an end."""
    ended = [*await told(db, "action.executed"), *await told(db, "action.failed")]
    return [(each.payload["action_type"], each.payload.get("reason", "")) for each in ended]


async def test_events_fire_an_automation_once_and_its_action_is_told(db: Database) -> None:
    row = await automation(db, trigger(threshold=2, within=60), {"type": "do-nothing"})
    await events.record(db, [happened()])
    await carry_on(db)
    assert await told(db, "triggered") == []
    await events.record(db, [happened(), happened("door.opened")])
    await carry_on(db)
    await carry_on(db)
    [fired] = await told(db, "triggered")
    assert fired.resource["prefect.resource.id"] == f"prefect.automation.{row.id}"
    assert fired.payload["triggering_event"]["event"] == "bell.rung"
    [executed] = await told(db, "action.executed")
    [begun] = await told(db, "action.triggered")
    assert executed.follows == begun.id and executed.payload["action_index"] == 0
    assert await automation_actions.waiting(db) == 0


async def test_events_from_before_an_automation_was_made_or_while_it_was_off_do_not_count(
    db: Database,
) -> None:
    early = clock.now() - timedelta(minutes=5)
    await events.record(db, [replace(happened(), occurred=early, received=early)])
    row = await automation(db, trigger(), {"type": "do-nothing"})
    await automations.enable(db, row.id, False)
    await events.record(db, [happened()])
    await carry_on(db)
    assert await told(db, "triggered") == []
    await automations.enable(db, row.id, True)
    await events.record(db, [happened()])
    await carry_on(db)
    assert len(await told(db, "triggered")) == 1


async def test_what_was_counted_is_kept_between_processes_and_forgotten_with_a_change(db: Database) -> None:
    row = await automation(db, trigger(threshold=2, within=60), {"type": "do-nothing"})
    await events.record(db, [happened()])
    await carry_on(db)
    await automations.replace(db, row.id, AutomationCreate.model_validate(_body_of(row)).facts())
    await events.record(db, [happened()])
    await carry_on(db)
    assert await told(db, "triggered") == []
    await events.record(db, [happened()])
    await carry_on(db)
    assert len(await told(db, "triggered")) == 1


async def test_an_absence_fires_when_its_time_is_over(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    when = trigger(
        "door.closed", posture="Proactive", after=["door.opened"], within=30, for_each=["prefect.resource.id"]
    )
    await automation(db, when, {"type": "do-nothing"})
    await events.record(db, [happened("door.opened")])
    await carry_on(db)
    later = clock.now() + timedelta(seconds=31)

    async def time_within(*_: Any) -> datetime:
        return later

    monkeypatch.setattr(Database, "time_within", time_within)
    await Triggers(db).step()
    asked = EventFilter(Occurred(until=later), EventName(name=["prefect.automation.triggered"]))
    [fired] = await event_search.find(db, asked, 200)
    assert fired.payload["triggering_labels"] == {"prefect.resource.id": "bell.1"}


async def test_a_compound_trigger_fires_over_several_batches_of_events(db: Database) -> None:
    when = {"type": "compound", "triggers": [trigger("a"), trigger("b")], "require": "all", "within": 60}
    await automation(db, when, {"type": "do-nothing"})
    for name in ("a", "b"):
        await events.record(db, [happened(name)])
        await carry_on(db)
    [fired] = await told(db, "triggered")
    assert len(fired.related) == 2


async def test_several_services_on_one_database_fire_once(db: Database) -> None:
    await automation(db, trigger(), {"type": "do-nothing"})
    await events.record(db, [happened() for _ in range(20)])
    await asyncio.gather(*(Triggers(db).step() for _ in range(4)))
    await Triggers(db).step()
    assert len(await told(db, "triggered")) == 20
    await asyncio.gather(*(ActionPerformer(db).step() for _ in range(4)))
    assert len(await told(db, "action.executed")) == 20


async def test_a_deployment_is_run_with_parameters_written_from_the_event(db: Database, given: Any) -> None:
    deployment = await given.deployment(db, enforce_parameter_schema=False)
    parameters = {"who": "{{ event.resource.name }}", "n": {"__prefect_kind": "json", "value": "[1]"}}
    run = {"type": "run-deployment", "deployment_id": str(deployment.id), "parameters": parameters}
    row = await automation(db, trigger(), run)
    await events.record(db, [happened(**{"prefect.resource.name": "Anna"})])
    await carry_on(db)
    [made] = await flow_runs.list(db)
    assert made.parameters == {"who": "Anna", "n": [1]}
    assert made.created_by == {"id": str(row.id), "type": "AUTOMATION", "display_value": "porter"}
    [executed] = await told(db, "action.executed")
    assert f"prefect.flow-run.{made.id}" in {each["prefect.resource.id"] for each in executed.related}


async def test_what_a_template_lacks_is_empty_times_are_times_and_values_keep_their_type(
    db: Database, given: Any
) -> None:
    """Seen: a template that went deep into what an event lacks failed, so its action was not carried out;
    `event.occurred` was text, and a number became text on its way into a parameter. What is missing is empty.
    """
    deployment = await given.deployment(db, enforce_parameter_schema=False)
    cases: dict[str, tuple[Any, Any]] = {
        "missing": ("{{ event.payload.absent }}", ""),
        "deep": ("{{ event.payload.absent.deeper.still }}", ""),
        "indexed": ("{{ event.payload['absent'][3]['x'] }}!", "!"),
        "called": ("{{ flow_run.start_time.strftime('%Y') }}", ""),
        "label": ("{{ event.resource['no.such.label'] }}", ""),
        "object": ("{{ flow_run }}-{{ flow_run.state.name }}", "-"),
        "loop": ("{% for each in event.payload.absent %}x{% endfor %}", ""),
        "filtered": ("{{ event.payload.absent.deeper | default('none') }}", "none"),
        "labels": ("{{ labels | tojson }}", '{"prefect.resource.id": "bell.1"}'),
        "whole labels": ("{{ labels }}", {"prefect.resource.id": "bell.1"}),
        "label by parts": ("{{ labels.prefect.resource.id }}", "bell.1"),
        "resource by parts": ("{{ event.resource.labels.prefect.resource.id }}", "bell.1"),
        "year": ("{{ event.occurred.strftime('%Y') }}", "2026"),
        "day": ("{{ event.occurred | strftime('%d.%m.') }}", "31.01."),
        "time": ("at {{ event.occurred }}", "at 2026-01-31T23:59:59.000001+00:00"),
        "later": ("{{ event.occurred.replace(day=1).isoformat()[:10] }}", "2026-01-01"),
        "number": ("{{ event.payload.count }}", 5),
        "sum": ("{{ event.payload.count + 1 }}", 6),
        "in a text": ("n={{ event.payload.count }}", "n=5"),
        "truth": (" {{ event.payload.yes }} ", True),
        "nothing": ("{{ event.payload.nothing }}", None),
        "digits": ("{{ event.payload.digits }}", "007"),
        "list": (["{{ event.payload.many }}", "{{ event.payload.count }}"], [[1, {"a": None}], 5]),
        "explicit": ({"__prefect_kind": "jinja", "template": "{{ event.payload.count }}"}, "5"),
        "json": (
            {
                "__prefect_kind": "json",
                "value": {"__prefect_kind": "jinja", "template": "{{ event.payload.count | tojson }}"},
            },
            5,
        ),
        "event as JSON": ("{{ event.payload | tojson }}", '{"count": 5, "digits": "007", "many": [1, '
                          '{"a": null}], "nothing": null, "yes": true}'),
        "firing": ("{{ firing.triggered.year }} {{ firings | length }} {{ events | length }}", "2026 1 1"),
    }  # fmt: skip
    parameters = {name: template for name, (template, _) in cases.items()}
    run = {"type": "run-deployment", "deployment_id": str(deployment.id), "parameters": parameters}
    await automation(db, trigger(for_each=["prefect.resource.id"]), run)
    occurred = datetime(2026, 1, 31, 23, 59, 59, 1, tzinfo=UTC)
    payload = {"count": 5, "yes": True, "nothing": None, "digits": "007", "many": [1, {"a": None}]}
    await events.record(db, [replace(happened(), occurred=occurred, payload=payload)])
    await carry_on(db)
    assert [reason for _, reason in await done(db)] == [""]
    [made] = await flow_runs.list(db)
    for name, (_, wanted) in cases.items():
        assert (name, made.parameters[name]) == (name, wanted)


async def test_pools_queues_deployments_and_automations_are_paused_and_resumed(
    db: Database, given: Any
) -> None:
    pool = await work_pools.get_or_create(db, _pool("hall"))
    deployment = await given.deployment(db, work_pool_name="hall")
    other = await automation(db, trigger("nothing"), name="other")
    chosen = {
        "deployment": deployment.id,
        "work-pool": pool.id,
        "work-queue": pool.default_queue_id,
        "automation": other.id,
    }
    for word, event in (("pause", "stop"), ("resume", "go")):
        actions = [
            {"type": f"{word}-{kind}", f"{kind.replace('-', '_')}_id": str(it)} for kind, it in chosen.items()
        ]
        await automation(db, trigger(event), *actions)
    for event, paused in (("stop", True), ("go", False)):
        await events.record(db, [happened(event)])
        await carry_on(db)
        assert (await deployments.read(db, deployment.id)).paused is paused
        assert (await work_pools.read_by_id(db, pool.id)).is_paused is paused
        assert (await automations.read(db, other.id)).enabled is not paused
    assert all(reason == "" for _, reason in await done(db))


async def test_the_run_that_an_event_is_about_is_changed(db: Database, given: Any) -> None:
    deployment = await given.deployment(db)
    for name, action in {
        "cancel": {"type": "cancel-flow-run"},
        "suspend": {"type": "suspend-flow-run"},
        "resume": {"type": "resume-flow-run"},
        "set": {"type": "change-flow-run-state", "state": "FAILED", "name": "Broken"},
        "delete": {"type": "delete-flow-run"},
    }.items():
        await automation(db, trigger(f"please.{name}"), action, name=name)
    run_id, _ = await scheduled_runs.create_run(db, deployment.id, NewDeploymentRun(state=Running()))

    async def please(name: str) -> str | None:
        resource = {"prefect.resource.id": f"prefect.flow-run.{run_id}"}
        await events.record(db, [Event(ids.uuid7(), clock.now(), f"please.{name}", resource)])
        await carry_on(db)
        try:
            return (await flow_runs.read(db, run_id)).state_name
        except Exception:
            return None

    assert [await please(name) for name in ("suspend", "resume", "cancel", "set", "delete")] == [
        "Suspended",
        "Resuming",
        "Cancelled",
        "Broken",
        None,
    ]
    await please("cancel")
    [failed] = await told(db, "action.failed")
    assert "no flow run" in failed.payload["reason"]


async def test_states_of_runs_fire_automations_of_their_deployment(db: Database, given: Any) -> None:
    deployment = await given.deployment(db)
    when = trigger(
        "prefect.flow-run.Failed",
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related={"prefect.resource.id": f"prefect.deployment.{deployment.id}"},
    )
    await automation(db, when, {"type": "pause-deployment", "source": "inferred"})
    run_id, _ = await scheduled_runs.create_run(db, deployment.id, NewDeploymentRun(state=Scheduled()))
    for state in (Completed(), Failed("at last")):
        await flow_run_changes.propose(db, run_id, state, force=True)
        await carry_on(db)
        assert (await deployments.read(db, deployment.id)).paused is (state.name == "Failed")


async def test_webhooks_and_notifications_are_sent_as_their_blocks_say(
    db: Database, block: Any, mailbox: Any
) -> None:
    hook = await block("webhook", {"method": "PUT", "url": f"{mailbox.url}/hook", "headers": {"x-key": "1"}})
    slack = await block("slack-webhook", {"url": f"{mailbox.url}/slack"})
    closed = await block("webhook", {"url": f"{mailbox.url}/hook", "allow_private_urls": False})
    pager = await block("pager-duty-webhook", {"integration_key": "k", "api_key": "a"})
    body = {"body": "{{ event.event }} by {{ automation.name }}", "subject": "Hear"}
    await automation(
        db,
        trigger(),
        {"type": "call-webhook", "block_document_id": hook, "payload": '{"id": "{{ event.resource.id }}"}'},
        {"type": "send-notification", "block_document_id": slack, **body},
        {"type": "call-webhook", "block_document_id": closed},
        {"type": "send-notification", "block_document_id": pager, **body},
        {"type": "call-webhook", "block_document_id": str(uuid4())},
    )
    await events.record(db, [happened()])
    await carry_on(db)
    assert sorted(mailbox.got) == [
        ("POST", "/slack", '{"text":"*Hear*\\nbell.rung by porter"}'),
        ("PUT", "/hook", '{"id": "bell.1"}'),
    ]
    reasons = sorted(reason for _, reason in await done(db) if reason)
    assert len(reasons) == 3
    assert all(
        word in reason for word, reason in zip(("private", "no block", "pager-duty"), reasons, strict=True)
    )


async def test_actions_outlive_the_process_that_began_them(db: Database) -> None:
    """Whoever claims an action and dies leaves it to the next one, when the time that it had is over."""
    await automation(db, trigger(), {"type": "do-nothing"})
    await events.record(db, [happened()])
    await Triggers(db).step()
    [claimed] = await automation_actions.claim(db, 10, 0.0)
    assert claimed.attempts == 1
    await carry_on(db)
    [executed] = await told(db, "action.executed")
    assert executed.payload["invocation"] == str(claimed.id)
    assert not await automation_actions.finish(db, claimed.id, [])


@pytest.mark.timeout(60)
async def test_nothing_is_lost_and_nothing_fires_twice_when_the_services_are_killed(
    db: Database, database_url: str, tmp_path: Any
) -> None:
    """The position in the events, the counts and the actions move in one transaction."""
    await automation(db, trigger(threshold=2), {"type": "do-nothing"})
    alive, keep = os.pipe()
    environment = {**os.environ, "HELIOSTAT_DATABASE_URL": database_url, "HELIOSTAT_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "heliostat.api.server.services_process", "--alive-fd", str(alive)]
    sent = 0

    def begin() -> subprocess.Popen[bytes]:
        words = [*command, "--services", "automations"]
        return subprocess.Popen(words, env=environment, pass_fds=(alive,))

    for _ in range(2):
        process = begin()
        try:
            before = sent // 2
            await events.record(db, [happened(), happened()])
            sent += 2
            await wait_until(lambda: how_many(db, "triggered"), lambda count, before=before: count > before)
            while await how_many(db, "triggered") < before + 10:  # it is in the midst of it
                await events.record(db, [happened() for _ in range(4)])
                sent += 4
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(30)
    await Triggers(db).step()
    assert await how_many(db, "triggered") == sent // 2
    executed = await how_many(db, "action.executed")
    assert executed + await automation_actions.waiting(db) == sent // 2
    os.close(alive)
    os.close(keep)


def _body_of(row: AutomationRow) -> dict[str, Any]:
    names = ("name", "description", "tags", "trigger", "actions", "actions_on_trigger", "actions_on_resolve")
    return {name: getattr(row, name) for name in names}


def _pool(name: str) -> Any:
    from heliostat.runtime.store.deployment_rows import NewWorkPool

    return NewWorkPool(name, "process")


@pytest.fixture
def block(db: Database) -> Callable[[str, dict[str, Any]], Awaitable[str]]:
    """Makes a block of a type that the server knows; gives the document's id."""
    from heliostat.api.system_blocks import ensure_system_blocks

    async def make(slug: str, data: dict[str, Any]) -> str:
        await ensure_system_blocks(db)
        known = await block_types.read(db, slug)
        schemas = await block_types.find_schemas(db)
        [schema] = [each for each in schemas if each.block_type_id == known.id]
        name = f"{slug}-{ids.uuid7()}"
        return str((await block_documents.create(db, schema.id, known.id, name, data, False)).id)

    return make


@pytest.fixture
def mailbox() -> Any:
    """An address on this machine that keeps what it is sent."""
    got: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            got.append((self.command, self.path, body))
            self.send_response(204)
            self.end_headers()

        do_PUT = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield type("Mailbox", (), {"url": f"http://127.0.0.1:{server.server_port}", "got": got})
    server.shutdown()
    thread.join()
    server.server_close()
