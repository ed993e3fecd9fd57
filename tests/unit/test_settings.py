"""Settings: which source wins, and what is refused."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import pytest

from heliostat.runtime.foundation import profiles
from heliostat.runtime.foundation.errors import BadSetting, NotFound
from heliostat.runtime.foundation.setting_table import mask_password, setting_specs
from heliostat.runtime.foundation.settings import (
    current_settings,
    override_settings,
    reload_settings,
    setting_sources,
)


def write_profiles(home: Path, text: str) -> None:
    (home / "profiles.toml").write_text(text)


def test_defaults_live_under_the_home_folder(heliostat_home: Path) -> None:
    settings = current_settings()
    assert settings.home == heliostat_home
    assert settings.database_url == f"sqlite+aiosqlite:///{heliostat_home}/heliostat.db"
    assert settings.result_storage_url == f"{heliostat_home}/results"
    assert (settings.inline_result_limit_bytes, settings.lease_s, settings.crash_retries) == (16_384, 15.0, 2)
    assert settings.api_url is None


def test_reading_settings_writes_nothing(heliostat_home: Path) -> None:
    current_settings()
    assert list(heliostat_home.iterdir()) == []


def test_environment_wins_over_profile_and_profile_over_default(
    heliostat_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(
        heliostat_home,
        'active = "dev"\n[profiles.dev]\nHELIOSTAT_LEASE_S = 30\nHELIOSTAT_CRASH_RETRIES = "5"\n'
        "HELIOSTAT_LOG_PRINTS = false\n",
    )
    monkeypatch.setenv("HELIOSTAT_CRASH_RETRIES", "7")
    settings = reload_settings()
    assert (settings.profile, settings.lease_s, settings.crash_retries) == ("dev", 30.0, 7)
    assert settings.log_prints is False
    sources = setting_sources()
    assert (sources["lease_s"], sources["crash_retries"], sources["progress"]) == (
        "profile",
        "env",
        "default",
    )


def test_environment_chooses_the_profile(heliostat_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_profiles(
        heliostat_home, "[profiles.a]\nHELIOSTAT_LEASE_S = 1\n[profiles.b]\nHELIOSTAT_LEASE_S = 2\n"
    )
    monkeypatch.setenv("HELIOSTAT_PROFILE", "b")
    assert reload_settings().lease_s == 2.0


def test_missing_profile_is_named_with_the_nearest_that_exists(
    heliostat_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(heliostat_home, "[profiles.staging]\n")
    monkeypatch.setenv("HELIOSTAT_PROFILE", "stagin")
    with pytest.raises(NotFound, match="'stagin'") as refusal:
        reload_settings()
    assert "did you mean staging?" in str(refusal.value.hint)


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("LEASE_S", "soon", "seconds above 0"),
        ("LEASE_S", "0", "seconds above 0"),
        ("LEASE_S", "nan", "seconds above 0"),
        ("LEASE_S", "inf", "seconds above 0"),
        ("CRASH_RETRIES", "-1", "at least 0"),
        ("CRASH_RETRIES", "2.5", "whole number"),
        ("JOURNAL_BUFFER_EVENTS", "0", "at least 1"),
        ("LOG_PRINTS", "perhaps", "true or false"),
        ("TASK_RUNNER", "dask", "ray, threads, inline"),
        ("LOGGING_LEVEL", "LOUD", "DEBUG, INFO"),
        ("REPLAY_DIVERGENCE", "panic", "rerun, fail"),
        ("DATABASE_URL", "mysql://h/x", "postgresql://"),
        ("DATABASE_URL", "heliostat.db", "sqlite://"),
        ("API_URL", "localhost:4200", "http://"),
    ],
)
def test_bad_value_is_refused_with_its_source_and_what_is_accepted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, accepted: str
) -> None:
    monkeypatch.setenv(f"HELIOSTAT_{name}", value)
    with pytest.raises(BadSetting) as refusal:
        reload_settings()
    assert f"HELIOSTAT_{name}" in str(refusal.value)
    assert value in str(refusal.value)
    assert "the environment" in str(refusal.value)
    assert accepted in str(refusal.value.hint)


def test_bad_value_of_a_url_is_refused_without_showing_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOSTAT_DATABASE_URL", "mysql://me:hush@host/x")
    with pytest.raises(BadSetting) as refusal:
        reload_settings()
    assert "hush" not in str(refusal.value)


def test_bad_value_in_a_profile_names_profile_and_file(heliostat_home: Path) -> None:
    write_profiles(heliostat_home, '[profiles.default]\nHELIOSTAT_LEASE_S = ["1"]\n')
    with pytest.raises(BadSetting) as refusal:
        reload_settings()
    assert "profile 'default'" in str(refusal.value)
    assert str(heliostat_home / "profiles.toml") in str(refusal.value)


def test_unknown_name_in_a_profile_is_an_error_with_a_near_miss(heliostat_home: Path) -> None:
    write_profiles(heliostat_home, "[profiles.default]\nHELIOSTAT_LEASE = 3\n")
    with pytest.raises(BadSetting, match="HELIOSTAT_LEASE in profile 'default'") as refusal:
        reload_settings()
    assert "HELIOSTAT_LEASE_S" in str(refusal.value.hint)


def test_unknown_name_in_the_environment_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOSTAT_LEASES_S", "3")
    with pytest.warns(UserWarning, match="HELIOSTAT_LEASES_S .* did you mean lease_s"):
        reload_settings()


def test_empty_environment_value_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOSTAT_LEASE_S", "")
    assert reload_settings().lease_s == 15.0


@pytest.mark.parametrize("text", ["active = ", "profiles = 3", "[profiles]\ndev = 3", b"\xff\xfe"])
def test_damaged_profiles_file_is_refused_by_name(heliostat_home: Path, text: str | bytes) -> None:
    path = heliostat_home / "profiles.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadSetting, match="profiles.toml"):
        reload_settings()


def test_override_holds_within_its_block_in_every_thread() -> None:
    seen: list[float] = []
    with override_settings(lease_s=1.5, api_url=None) as settings:
        thread = threading.Thread(target=lambda: seen.append(current_settings().lease_s))
        thread.start()
        thread.join()
        assert settings.lease_s == 1.5
        with override_settings(crash_retries=0) as inner:
            assert (inner.lease_s, inner.crash_retries) == (1.5, 0)
    assert seen == [1.5]
    assert current_settings().lease_s == 15.0


def test_override_of_home_moves_what_lives_there(tmp_path: Path) -> None:
    with override_settings(home=tmp_path) as settings:
        assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path}/heliostat.db"


def test_bad_override_leaves_the_settings_as_they_were() -> None:
    before = current_settings()
    with pytest.raises(BadSetting), override_settings(lease_s=-1):
        pass
    with pytest.raises(BadSetting), override_settings(no_such=1):
        pass
    assert current_settings() == before


def test_settings_travel_to_other_processes() -> None:
    settings = current_settings()
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_every_setting_has_one_line_that_says_what_it_is() -> None:
    for spec in setting_specs():
        assert spec.doc.endswith("."), spec.name
        assert "\n" not in spec.doc


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hush@host:5432/x", "postgresql://me:******@host:5432/x"),
        ("postgresql://me:hu/s@h@host/x", "postgresql://me:******@host/x"),
        ("postgresql://me@host/x?password=hush&a=1", "postgresql://me@host/x?password=******&a=1"),
        ("postgresql://me@host:5432/x", "postgresql://me@host:5432/x"),
        ("sqlite+aiosqlite:////home/me/heliostat.db", "sqlite+aiosqlite:////home/me/heliostat.db"),
    ],
)
def test_password_in_a_url_is_masked(url: str, shown: str) -> None:
    assert mask_password(url) == shown


@pytest.mark.parametrize(
    "value", ['a"b', "back\\slash", "tab\there", "new\nline", "ünïcödé", "\x7f", "'", "#"]
)
def test_what_is_written_to_a_profile_reads_back_the_same(value: str) -> None:
    profiles.create_profile("odd")
    profiles.set_in_profile("odd", {"ray_address": value})
    assert profiles.current_profiles().values_of("odd")["ray_address"] == value


def test_numbers_and_flags_of_a_profile_stay_such_when_another_setting_is_changed(
    heliostat_home: Path,
) -> None:
    kept = {"lease_s": 1.5, "crash_retries": 7, "log_prints": False}
    table = "HELIOSTAT_LEASE_S = 1.5\nHELIOSTAT_CRASH_RETRIES = 7\nHELIOSTAT_LOG_PRINTS = false\n"
    write_profiles(heliostat_home, f'[profiles."a.b"]\n{table}')
    profiles.set_in_profile("a.b", {"progress": "never"})
    assert profiles.current_profiles().values_of("a.b") == {**kept, "progress": "never"}


def test_profiles_file_is_readable_by_its_owner_only(heliostat_home: Path) -> None:
    profiles.create_profile("dev")
    assert (heliostat_home / "profiles.toml").stat().st_mode & 0o077 == 0


def test_failed_write_leaves_the_old_file_and_no_scrap(
    heliostat_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles.create_profile("dev")
    before = (heliostat_home / "profiles.toml").read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BadSetting, match="No space left"):
        profiles.create_profile("more")
    assert (heliostat_home / "profiles.toml").read_text() == before
    assert [each.name for each in heliostat_home.iterdir()] == ["profiles.toml"]
