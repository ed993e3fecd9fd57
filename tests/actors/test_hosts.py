"""Which process gets which run, without Ray: warm ones first, code never mixed, time served, deaths."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from waiting import wait_until

from heliostat.actors.assignments import Assignment, CodeSource, Described, Ended, ProcessSpec
from heliostat.actors.hosts import HostLimits, Hosts, Unplaceable


class FakeProcess:
    def __init__(self, name: str) -> None:
        self.name = name
        self.killed = False

    async def describe(self) -> Described:
        return Described(self.name, 1, "host", "node", (), None, 1000)

    async def execute(self, assignment: Assignment) -> Ended:
        raise AssertionError("not asked here")

    def kill(self) -> None:
        self.killed = True


class FakeLauncher:
    def __init__(self) -> None:
        self.made: list[FakeProcess] = []

    def launch(self, spec: ProcessSpec) -> FakeProcess:
        self.made.append(FakeProcess(f"{spec.isolation}-{len(self.made)}"))
        return self.made[-1]

    def unmet(self, spec: ProcessSpec) -> str | None:
        return "asks for too much" if spec.num_cpus > 8 else None


@pytest.fixture
def launcher() -> FakeLauncher:
    return FakeLauncher()


def an_assignment(code: str = "a", **facts: Any) -> Assignment:
    return Assignment(uuid4(), 1, CodeSource(path=code), ProcessSpec(**facts))


def ended(runs: int = 1, **facts: Any) -> Ended:
    return Ended("COMPLETED", "Completed", runs=runs, rss_bytes=1000, **facts)


async def test_a_process_is_used_again_for_the_same_code_only(launcher: FakeLauncher) -> None:
    hosts = Hosts(launcher, HostLimits(warm=0))
    first = await hosts.take(an_assignment("a"))
    hosts.give_back(first, ended())
    assert await hosts.take(an_assignment("a")) is first
    other = await hosts.take(an_assignment("b"))
    assert other is not first
    assert not any(each.killed for each in launcher.made)


async def test_warm_processes_take_the_first_runs(launcher: FakeLauncher) -> None:
    hosts = Hosts(launcher, HostLimits(warm=2))
    hosts.warm_up()
    await wait_until(lambda: len(hosts.all), 2)
    assert {
        (await hosts.take(an_assignment("a"))).process.name,
        (await hosts.take(an_assignment("b"))).process.name,
    } == {
        "pooled-0",
        "pooled-1",
    }
    assert len(launcher.made) == 2


async def test_a_fresh_run_has_its_process_for_itself_and_a_shared_one_many(launcher: FakeLauncher) -> None:
    hosts = Hosts(launcher, HostLimits(warm=0, shared_runs=3))
    fresh = await hosts.take(an_assignment(isolation="fresh"))
    hosts.give_back(fresh, ended())
    assert launcher.made[0].killed
    assert await hosts.take(an_assignment(isolation="fresh")) is not fresh
    shared = [await hosts.take(an_assignment(isolation="shared")) for _ in range(3)]
    assert len({id(each) for each in shared}) == 1
    assert await hosts.take(an_assignment(isolation="shared")) is not shared[0]


@pytest.mark.parametrize(
    "last",
    [
        ended(runs=500),
        ended(error="RuntimeError: no"),
        Ended("CRASHED", "Crashed", runs=1),
        Ended("COMPLETED", "Completed", runs=1, rss_bytes=2 << 30),
    ],
)
async def test_a_process_is_replaced_after_its_time_an_error_or_growth(
    launcher: FakeLauncher, last: Ended
) -> None:
    hosts = Hosts(launcher, HostLimits(warm=0, runs=500))
    host = await hosts.take(an_assignment())
    hosts.give_back(host, last)
    assert launcher.made[0].killed and hosts.all == []
    assert await hosts.take(an_assignment()) is not host


async def test_no_process_is_added_while_those_at_work_end_quickly(launcher: FakeLauncher) -> None:
    hosts = Hosts(launcher, HostLimits(warm=0, starting=1, enough=1, quick_s=60.0))
    host = await hosts.take(an_assignment())
    hosts.give_back(host, ended())
    assert await hosts.take(an_assignment()) is host
    waiting = asyncio.create_task(hosts.take(an_assignment()))
    await wait_until(lambda: hosts.waiting, 1)
    assert len(launcher.made) == 1
    hosts.give_back(host, ended(runs=2))
    assert await waiting is host


@pytest.mark.parametrize(("took_s", "processes"), [(0.01, 1), (600.0, 2)])
async def test_a_shared_process_that_is_full_gets_company_unless_its_runs_are_short(
    launcher: FakeLauncher, took_s: float, processes: int
) -> None:
    hosts = Hosts(launcher, HostLimits(warm=0, enough=2, quick_s=60.0, shared_runs=2))
    first, _ = [await hosts.take(an_assignment(isolation="shared")) for _ in range(2)]
    hosts.give_back(first, ended(took_s=5000.0))  # the first one loads the code
    await hosts.take(an_assignment(isolation="shared"))
    hosts.give_back(first, ended(took_s=took_s, runs=2))
    waiting = [asyncio.create_task(hosts.take(an_assignment(isolation="shared"))) for _ in range(2)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    starting = sum(hosts._starting.values())  # counted as soon as it is decided, before anything is launched
    assert len(hosts.all) + starting == processes
    hosts.give_back(first, ended(took_s=took_s, runs=3))
    await asyncio.gather(*waiting)
    assert len(launcher.made) == processes


async def test_what_no_node_can_hold_is_refused_at_once(launcher: FakeLauncher) -> None:
    hosts = Hosts(launcher)
    with pytest.raises(Unplaceable, match="too much"):
        await hosts.take(an_assignment(num_cpus=1000.0))
    assert launcher.made == []


async def test_when_all_places_are_taken_an_idle_process_of_other_code_makes_room(
    launcher: FakeLauncher,
) -> None:
    hosts = Hosts(launcher, HostLimits(warm=0, most=1))
    first = await hosts.take(an_assignment("a"))
    hosts.give_back(first, ended())
    second = await hosts.take(an_assignment("b"))
    assert launcher.made[0].killed and second is not first


async def test_a_process_of_the_past_serves_what_it_was_started_with_and_nothing_else(
    launcher: FakeLauncher,
) -> None:
    """Seen: after a restart of its pool each was taken for a blank one, whatever environment it had."""
    hosts = Hosts(launcher, HostLimits(warm=0))
    env = '{"env_vars": {"A": "1"}}'
    found = {
        name: Described(name, 1, "host", "node", (), CodeSource(path="a"), 1000, spec=spec)
        for name, spec in {
            "equipped": ProcessSpec(runtime_env=env),
            "crowded": ProcessSpec(isolation="shared"),
            "spent": ProcessSpec(isolation="fresh"),
        }.items()
    }
    processes = {name: FakeProcess(name) for name in found}
    for name, described in found.items():
        hosts.adopt(processes[name], described)
    assert processes["spent"].killed
    assert (await hosts.take(an_assignment("a"))).process.name == "pooled-0"
    assert (await hosts.take(an_assignment("a", runtime_env=env))).process is processes["equipped"]
    assert (await hosts.take(an_assignment("b", runtime_env=env))).process.name == "pooled-1"
    shared = [await hosts.take(an_assignment("a", isolation="shared")) for _ in range(2)]
    assert {each.process.name for each in shared} == {"crowded"}
