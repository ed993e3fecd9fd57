"""Blocks, variables, artifacts, limits, events and automations as a user of the stock client makes them."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

from parts import carry_out, wait_until
from prefect import flow, get_client, task
from prefect.artifacts import (
    Artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.automations import Automation
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import concurrency, rate_limit
from prefect.events import emit_event
from prefect.events.actions import DoNothing
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.events.schemas.automations import EventTrigger
from prefect.variables import Variable
from pydantic import SecretStr


class Inner(Block):
    place: str = "here"


class Shop(Block):
    name: str
    password: SecretStr
    inner: Inner
    counts: dict[str, int] = {}


def blocks():
    Secret(value="hush").save("hush", overwrite=True)
    assert Secret.load("hush").get() == "hush"
    inner = Inner(place="Turin")
    inner.save("turin")
    shop = Shop(name="one", password="open sesame", inner=inner, counts={"a": 1})
    shop.save("first")
    try:
        shop.save("first")
    except ValueError as error:
        assert "already in use" in str(error), error
    else:
        raise AssertionError("saved twice")
    shop.counts = {"a": 2}
    shop.save("first", overwrite=True)
    loaded = Shop.load("first")
    assert loaded.password.get_secret_value() == "open sesame" and loaded.inner.place == "Turin"
    assert Block.load("shop/first").counts == {"a": 2}
    Shop.delete("first")
    try:
        Shop.load("first")
    except ValueError:
        return "gone"


def variables():
    Variable.set("answer", {"to": [42]})
    assert Variable.get("answer") == {"to": [42]}
    try:
        Variable.set("answer", 1)
    except ValueError:
        pass
    else:
        raise AssertionError("set twice")
    Variable.set("answer", 1, overwrite=True)
    assert Variable.get("answer") == 1 and Variable.get("none", "else") == "else"
    assert Variable.unset("answer") and not Variable.unset("answer")
    return Variable.get("answer")


@flow
def report():
    create_markdown_artifact("# One", key="report", description="first")
    create_markdown_artifact("# Two", key="report")
    create_link_artifact("https://example.org", key="link")
    create_table_artifact([{"a": 1}, {"a": 2}], key="table")
    progress = create_progress_artifact(0.0, key="progress")
    update_progress_artifact(progress, progress=50.0)


def artifacts():
    report()
    assert Artifact.get("report").data == "# Two"
    assert float(Artifact.get("progress").data) == 50.0
    with get_client(sync_client=True) as client:
        return sorted(each.key for each in client.read_artifacts())


@task(tags=["narrow"])
def narrow(number):
    began = time.monotonic()
    time.sleep(0.1)
    return began, time.monotonic()


@flow
def crowded():
    return narrow.map(range(2)).result()


def limits():
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name="gate", limit=1))
        client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name="pace", limit=5, slot_decay_per_second=50.0)
        )
        client.create_concurrency_limit("narrow", 1)
    spans = []

    def through():
        with concurrency("gate", occupy=1, timeout_seconds=20):
            began = time.monotonic()
            time.sleep(0.05)
            spans.append((began, time.monotonic()))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: through(), range(3)))
    apart(spans)
    for _ in range(6):
        rate_limit("pace")
    apart(crowded())
    with concurrency("nobody-made-it", occupy=1):
        pass
    with get_client(sync_client=True) as client:
        assert client.read_global_concurrency_limit_by_name("gate").active_slots == 0
        return client.read_concurrency_limit_by_tag("narrow").active_slots


def apart(spans):
    spans = sorted(spans)
    assert all(ended <= begun for (_, ended), (begun, _) in pairwise(spans)), spans


def found_events(client, name):
    asked = EventFilter(event=EventNameFilter(name=[name]))
    body = {"filter": asked.model_dump(mode="json")}
    return client._client.post("/events/filter", json=body).json()["events"]


def events():
    first = emit_event("shop.opened", resource={"prefect.resource.id": "shop.1"}, payload={"n": 1})
    emit_event("shop.closed", resource={"prefect.resource.id": "shop.1"}, follows=first)
    with get_client(sync_client=True) as client:
        [closed] = wait_until(lambda: found_events(client, "shop.closed"))
        [opened] = found_events(client, "shop.opened")
    assert closed["follows"] == opened["id"] == str(first.id)
    return opened["payload"]


def automations():
    trigger = EventTrigger(
        expect={"bell.rung"},
        match={"prefect.resource.id": "bell.*"},
        posture="Reactive",
        threshold=2,
        within=timedelta(seconds=60),
    )
    made = Automation(name="porter", trigger=trigger, actions=[DoNothing()]).create()
    read = Automation.read(id=made.id)
    assert Automation.read(name="porter").id == made.id and read.trigger.threshold == 2
    read.description = "rings twice"
    read.update()
    read.disable()
    assert Automation.read(id=made.id).enabled is False
    read.enable()
    for number in range(2):
        emit_event("bell.rung", resource={"prefect.resource.id": f"bell.{number}"})
    with get_client(sync_client=True) as client:
        [done] = wait_until(lambda: found_events(client, "prefect.automation.action.executed"))
        [fired] = found_events(client, "prefect.automation.triggered")
    assert fired["resource"]["prefect.resource.id"] == f"prefect.automation.{made.id}"
    read.delete()
    try:
        Automation.read(id=made.id)
    except ValueError:
        return done["payload"]["action_type"]


if __name__ == "__main__":
    carry_out([blocks, variables, artifacts, limits, events, automations])
