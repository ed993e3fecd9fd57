"""When automations fire: counts, windows, absences, and triggers made of others."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from heliostat.runtime.automations.evaluation import Evaluation
from heliostat.runtime.automations.firings import Firing, firing_as_json, firing_from_json
from heliostat.runtime.automations.triggers import read_triggers
from heliostat.runtime.events.records import Event
from heliostat.runtime.foundation import clock, ids

NOON = datetime.fromisoformat("2026-05-01T12:00:00+00:00")


def trigger(expect: str = "bell.rung", **facts: Any) -> dict[str, Any]:
    return {
        "type": "event",
        "posture": "Reactive",
        "threshold": 1,
        "within": 0.0,
        "expect": [expect],
        **facts,
    }


def happened(name: str = "bell.rung", at_s: float = 0.0, door: str = "1", **labels: str) -> Event:
    resource = {"prefect.resource.id": f"door.{door}", **labels}
    related = [{"prefect.resource.id": "house.1", "prefect.resource.role": "house"}]
    return Event(ids.uuid7(), NOON + timedelta(seconds=at_s), name, resource, related)


class Watch:
    """One automation over some events, as the store would carry it on."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.triggers = read_triggers(document)
        self.windows: Any = {}
        self.parts: Any = {}

    def after(self, *events: Event, now_s: float | None = None) -> list[Firing]:
        evaluation = Evaluation(self.triggers, self.windows, self.parts)
        for event in events:
            evaluation.see(event)
        if now_s is not None:
            evaluation.look(NOON + timedelta(seconds=now_s))
        return evaluation.fired


def test_a_compound_trigger_without_children_never_fires_and_stops_no_automation() -> None:
    """The standard takes a compound trigger without triggers. Ours could not be read ("all" of none), and no
    automation of the server was evaluated any more.
    """
    for require in ("all", "any", 1):
        compound = {"type": "compound", "require": require, "within": 60.0, "triggers": []}
        assert Watch(compound).after(happened(), now_s=90) == []
    assert Watch({"type": "sequence", "within": 60.0, "triggers": []}).after(happened(), now_s=90) == []


def test_each_event_fires_a_trigger_without_a_time_span() -> None:
    watch = Watch(trigger())
    fired = watch.after(happened(), happened(at_s=1), happened("bell.broken", 2))
    assert [each.event and each.event.event for each in fired] == ["bell.rung"] * 2
    assert watch.windows == {}


def test_a_threshold_without_a_span_counts_for_ever() -> None:
    watch = Watch(trigger(threshold=3))
    assert not watch.after(happened(), happened(at_s=90_000))
    assert len(watch.after(happened(at_s=200_000))) == 1
    assert not watch.after(happened(at_s=200_001))


def test_a_window_fires_once_and_then_rests_until_its_end() -> None:
    watch = Watch(trigger(threshold=2, within=10.0))
    assert len(watch.after(happened(), happened(at_s=1))) == 1
    assert not watch.after(happened(at_s=2), happened(at_s=3), happened(at_s=4))
    assert len(watch.after(happened(at_s=11), happened(at_s=12))) == 1


def test_events_that_lie_too_far_apart_do_not_add_up() -> None:
    watch = Watch(trigger(threshold=2, within=10.0))
    assert not watch.after(happened(), happened(at_s=11))
    assert len(watch.after(happened(at_s=12))) == 1


def test_events_are_counted_for_each_label_apart() -> None:
    watch = Watch(trigger(threshold=2, within=10.0, for_each=["prefect.resource.id", "related:house:x"]))
    fired = watch.after(happened(door="1"), happened(door="2", at_s=1), happened(door="1", at_s=2))
    assert [dict(each.labels) for each in fired] == [{"prefect.resource.id": "door.1", "related:house:x": ""}]


def test_only_events_of_matching_resources_count() -> None:
    for facts, doors in (
        ({"match": {"prefect.resource.id": "door.2"}}, ["2"]),
        ({"match": {"prefect.resource.id": ["door.*", "!door.2"]}}, ["1", "3"]),
        ({"match_related": {"prefect.resource.role": "house"}}, ["1", "2", "3"]),
        ({"match_related": [{"prefect.resource.role": "house"}, {"prefect.resource.id": "yard.1"}]}, []),
    ):
        fired = Watch(trigger(**facts)).after(*(happened(door=door) for door in "123"))
        assert [each.event.resource_id[-1] for each in fired if each.event] == doors, facts


def test_names_may_be_beginnings_and_no_names_mean_all() -> None:
    assert len(Watch(trigger("bell.*")).after(happened(), happened("bell.broken"), happened("x"))) == 2
    assert len(Watch(trigger(expect="x") | {"expect": []}).after(happened(), happened("x"))) == 2


def test_counting_begins_with_another_event_where_one_is_named() -> None:
    watch = Watch(trigger(after=["door.opened"], within=10.0))
    assert not watch.after(happened())
    assert len(watch.after(happened("door.opened", 1), happened(at_s=2))) == 1
    assert not watch.after(happened(at_s=3))
    assert not watch.after(happened("door.opened", 20), happened(at_s=31))


def test_what_does_not_happen_in_time_fires() -> None:
    each_door = {"for_each": ["prefect.resource.id"]}
    watch = Watch(trigger(posture="Proactive", within=10.0, after=["door.opened"], **each_door))
    assert not watch.after(happened("door.opened"), happened("door.opened", door="2"), now_s=5)
    assert not watch.after(happened(at_s=6, door="2"))
    [fired] = watch.after(now_s=11)
    assert dict(fired.labels) == {"prefect.resource.id": "door.1"} and fired.event
    assert not watch.after(now_s=100) and watch.windows == {}


def test_an_absence_without_a_beginning_is_waited_for_from_the_start_again_and_again() -> None:
    watch = Watch(trigger(posture="Proactive", within=10.0))
    assert not watch.after(now_s=0)
    assert not watch.after(happened(at_s=1), now_s=11)
    assert [each.event for each in watch.after(now_s=22)] == [None]
    assert len(watch.after(now_s=33)) == 1


def test_a_heartbeat_that_is_followed_by_another_does_not_fire() -> None:
    """The event that is waited for is also the one that the wait begins with."""
    beat = "run.heartbeat"
    watch = Watch(trigger(beat, posture="Proactive", within=10.0, after=[beat]))
    beats = [happened(beat, at_s) for at_s in (0, 8, 16, 24)]
    for each in beats:
        assert not watch.after(each, now_s=(each.occurred - NOON).total_seconds() + 5)
    assert len(watch.after(now_s=40)) == 1


def composite(kind: str, *inner: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {"type": kind, "triggers": list(inner), "within": 10.0, **facts}


def test_a_compound_trigger_wants_all_some_or_any_of_its_children() -> None:
    inner = [trigger(name) for name in ("a", "b", "c")]
    every = [happened("a"), happened("b", 1), happened("c", 2)]
    assert len(Watch(composite("compound", *inner, require="all")).after(*every)) == 1
    assert len(Watch(composite("compound", *inner, require=2)).after(*every)) == 1
    assert len(Watch(composite("compound", *inner, require="any")).after(*every)) == 3
    [fired] = Watch(composite("compound", *inner, require="all")).after(*every)
    assert [each.event for each in fired.events()] == ["a", "b", "c"]
    assert fired.event and fired.event.event == "c"


def test_children_that_fired_too_long_ago_do_not_count() -> None:
    watch = Watch(composite("compound", trigger("a"), trigger("b"), require="all"))
    assert not watch.after(happened("a"), happened("b", 11))
    assert len(watch.after(happened("a", 12))) == 1


def test_a_sequence_wants_its_children_in_order_and_triggers_nest() -> None:
    watch = Watch(composite("sequence", trigger("a"), trigger("b"), within=None))
    assert not watch.after(happened("b"), happened("a", 1))
    assert len(watch.after(happened("b", 2))) == 1
    inner = composite("compound", trigger("a"), trigger("b"), require="all")
    watch = Watch(composite("sequence", inner, trigger("c"), within=None))
    assert len(watch.after(happened("a"), happened("b", 1), happened("c", 2))) == 1


def test_an_event_that_is_older_than_the_window_changes_nothing() -> None:
    watch = Watch(trigger(threshold=1, within=10.0))
    assert len(watch.after(happened(at_s=100))) == 1
    assert not watch.after(happened(at_s=50))


def test_a_firing_is_kept_as_it_was() -> None:
    watch = Watch(composite("compound", trigger("a"), trigger("b"), require="all"))
    [fired] = watch.after(happened("a"), happened("b"))
    kept = firing_from_json(firing_as_json(fired))
    assert kept.events() == fired.events() and kept.at == fired.at and kept.id == fired.id
    assert clock.now() > kept.at
