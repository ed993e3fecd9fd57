"""Servers with databases of their own on one cluster: each keeps its own actors, and no others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from waiting import wait_for

from heliostat.actors import names
from heliostat.api.cli.root import cli
from heliostat.runtime.foundation.settings import forget_settings
from heliostat.runtime.store import server_settings
from heliostat.runtime.store.database.database import Database

PATIENCE_S = 90.0
pytestmark = pytest.mark.timeout(400)  # the first test with Ray starts it


@dataclass
class Kept:
    """A keeper in a process of its own, with a home folder and a database of its own."""

    home: Path
    address: str
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        alive, self._alive = os.pipe()
        command = [sys.executable, "-m", "heliostat.actors.keeper", "--alive-fd", str(alive)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOSTAT_")}
        self.process = subprocess.Popen(
            [*command, "--server", "4444", "--ray-address", self.address],
            env={**environment, "HELIOSTAT_HOME": str(self.home)},
            pass_fds=[alive],
        )
        os.close(alive)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        os.close(self._alive)

    def told(self) -> dict[str, Any]:
        path = self.home / "servers" / "4444.ray"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def is_up(self) -> bool:
        actors = self.told().get("actors", [])
        return bool(actors) and all(each["state"] == "alive" for each in actors)


@pytest.fixture
def keep(tmp_path: Path, ray_cluster: str) -> Iterator[Callable[[str], Kept]]:
    made: list[Kept] = []

    def start(name: str) -> Kept:
        home = tmp_path / name
        home.mkdir()
        made.append(Kept(home, ray_cluster))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.stop()


def journal_in(namespace: str) -> int:
    """The process of the journal actor there: another one is another actor."""
    import ray

    anything: Any = ray
    return anything.get(anything.get_actor(names.JOURNAL, namespace=namespace).pid.remote())


def test_servers_with_different_databases_share_a_cluster(
    keep: Callable[[str], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: each took the other's actors for its own of another version, and killed them all the time."""
    first, second = keep("first"), keep("second")
    wait_for(lambda: [each.told() for each in (first, second) if not each.is_up], [], within_s=PATIENCE_S)
    wait_for(lambda: [each.told()["others"] for each in (first, second)], all, within_s=PATIENCE_S)
    ours, theirs = first.told()["namespace"], second.told()["namespace"]
    assert (first.told()["others"], second.told()["others"]) == ([theirs], [ours])
    before = [journal_in(ours), journal_in(theirs)]
    looked = [each.told()["at"] for each in (first, second)]
    for each, at in zip((first, second), looked, strict=True):
        wait_for(lambda each=each: each.told()["at"], lambda now, at=at: now > at, within_s=PATIENCE_S)
    assert [journal_in(ours), journal_in(theirs)] == before

    monkeypatch.setenv("HELIOSTAT_HOME", str(first.home))
    forget_settings()
    shown = CliRunner().invoke(cli, ["ray", "status", "-o", "json"])
    assert shown.exit_code == 0, shown.stderr
    kinds = {row["name"]: row["kind"] for row in json.loads(shown.stdout)}
    assert kinds[theirs] == "other server" and kinds["control:pool:default"] == "actor"

    second.stop()
    wait_for(lambda: first.told()["others"], [], within_s=PATIENCE_S)
    assert first.is_up and journal_in(ours) == before[0]


async def test_a_database_has_one_id_whoever_asks(db: Database) -> None:
    one = await server_settings.database_id(db)
    assert await server_settings.database_id(db) == one


def test_an_actor_is_made_anew_for_another_version_but_once_where_the_code_was_edited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen: an edit under a running server had its actors killed all the time, and no run went on."""

    class Handle:
        def __init__(self, mark: str) -> None:
            self.mark = mark
            self.version = self

        def remote(self) -> str:
            return self.mark

    living: list[Handle] = [Handle("old")]
    on_disk = "new"
    monkeypatch.setattr(names, "_ray", type("Ray", (), {"get": lambda answer, timeout: answer}))
    monkeypatch.setattr(names, "end", lambda handle: living.remove(handle))
    monkeypatch.setattr(names, "_newest", {})

    def get_or_create(*_: Any) -> Handle:
        if not living:
            living.append(Handle(on_disk))
        return living[0]

    monkeypatch.setattr(names, "_get_or_create", get_or_create)
    assert names.ensure("journal", "new", None).mark == "new"
    on_disk = "edited"
    living.clear()
    edited = names.ensure("journal", "new", None)
    assert edited.mark == "edited"
    assert names.ensure("journal", "new", None) is edited
