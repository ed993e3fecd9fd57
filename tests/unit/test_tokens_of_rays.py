"""The token of Rays that a home folder starts, and what is kept out of the environment of authors' code.

A local Ray listened on every interface and asked nobody for anything: whoever reached it ran code as the
server's user and read the password of the database in the environment of any worker. Such a Ray asks for a
token that lies in a file of the home folder, and secrets are taken out of what its processes inherit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from heliostat.runtime.foundation import own_rays, withheld
from heliostat.runtime.journal import run_passes

SECRET = "tell-nobody"


def test_the_token_lies_in_a_file_that_only_its_owner_reads(heliostat_home: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        [token] = {each.result() for each in [threads.submit(own_rays.token) for _ in range(16)]}
    assert len(token) == 64
    [file] = [path for path in (heliostat_home / "ray").iterdir() if path.is_file()]
    assert file == own_rays.token_file() and file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o077 == 0
    file.chmod(0o644)
    assert own_rays.token() == token and file.stat().st_mode & 0o777 == 0o600


def test_a_ray_is_the_home_folders_own_while_the_process_that_started_it_lives() -> None:
    assert own_rays.addresses() == [] and not own_rays.is_own("192.0.2.7:6379")
    own_rays.note("192.0.2.7:6379")
    try:
        assert own_rays.addresses() == ["192.0.2.7:6379"]
        known = {
            each: own_rays.is_own(each) for each in ("192.0.2.7:6379", "127.0.0.1:6379", "localhost:6379")
        }
        assert known == dict.fromkeys(known, True)
        assert not any(map(own_rays.is_own, ("192.0.2.7:6380", "192.0.2.8:6379", "auto")))
        start = "from heliostat.runtime.foundation.own_rays import *; note('192.0.2.7:1'); print(addresses())"
        child = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, timeout=60)
        assert child.stdout.strip() == "['192.0.2.7:1', '192.0.2.7:6379']"
        assert own_rays.addresses() == ["192.0.2.7:6379"]  # the child has ended without a word
    finally:
        own_rays.forget()
    assert own_rays.addresses() == []


def test_processes_that_are_started_meanwhile_inherit_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in withheld.VARIABLES - {"HELIOSTAT_DATABASE_URL"}:
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("HELIOSTAT_DATABASE_URL", f"postgresql://me:{SECRET}@nowhere/db")
    show = [sys.executable, "-c", "import os; print(dict(os.environ))"]
    with withheld.withheld():
        assert SECRET not in subprocess.run(show, capture_output=True, text=True, timeout=60).stdout
    assert all(SECRET in os.environ[name] for name in withheld.VARIABLES)
    assert SECRET not in str(withheld.without_secrets(os.environ))


def test_the_pass_of_a_run_is_good_for_its_password_alone() -> None:
    run_id = uuid4()
    given = run_passes.pass_of(run_id, f"boss:{SECRET}")
    assert SECRET not in given and given.startswith(f"run-{run_id}:")
    assert run_passes.is_pass(given, f"boss:{SECRET}")
    user, _, signed = given.partition(":")
    others = (
        f"run-{uuid4()}:{signed}",
        f"{user}:",
        user,
        f"boss:{signed}",
        f"{run_id}:{signed}",
        "",
        "run-:é",
    )
    assert not any(run_passes.is_pass(each, f"boss:{SECRET}") for each in others)
    assert not run_passes.is_pass(given, "boss:another")
