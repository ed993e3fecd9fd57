"""The table of settings: what can be set, with its default, one line of what it is, and its parser.

Only the standard library is used, on purpose: every command and every process reads settings, and importing a
model library would cost more than all the rest of `heliostat --help`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import BadSetting
from .near_names import nearest

ENV_PREFIX = "HELIOSTAT_"
NOT_SETTINGS = frozenset(
    {"HELIOSTAT_UI", "HELIOSTAT_FLOW_RUN_ID"}
)  # of the build; of one process of a worker
TEST_PREFIX = "HELIOSTAT_TEST_"

DATABASE_SCHEMES = (
    "sqlite",
    "sqlite+aiosqlite",
    "postgresql",
    "postgres",
    "postgresql+asyncpg",
    "postgres+asyncpg",
    "postgres+embedded",
    "postgresql+embedded",
)
LOGGING_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# The password of the account, which may hold "/" or "@" unencoded, or a secret in the query.
_PASSWORD = re.compile(r"(://[^:/?#@]*:)[^?#]*(?=@)|((?i:[?&](?:password|token|secret|key)=))[^&#]*")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")

Parser = Callable[[str], Any]
Mask = Callable[[str], str]


class UnknownSetting(UserWarning):
    """The environment has a HELIOSTAT_* variable that is no setting."""


class _Refused(ValueError):
    """A parser refuses a value; the text says what is accepted."""


def _text(raw: str) -> str:
    return raw


def _folder(raw: str) -> Path:
    return Path(raw).expanduser().absolute()


def _flag(raw: str) -> bool:
    word = raw.strip().lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise _Refused("true or false")


def _whole(minimum: int) -> Parser:
    def parse(raw: str) -> int:
        try:
            number = int(raw.strip().replace("_", ""))
        except ValueError:
            number = None
        if number is None or number < minimum:
            raise _Refused(f"a whole number of at least {minimum}")
        return number

    return parse


def _seconds(*, above: float | None = None) -> Parser:
    accepted = (
        "a number of seconds of at least 0" if above is None else f"a number of seconds above {above:g}"
    )

    def parse(raw: str) -> float:
        try:
            number = float(raw)
        except ValueError:
            raise _Refused(accepted) from None
        fits = number >= 0 if above is None else number > above
        if not fits or number == float("inf"):
            raise _Refused(accepted)
        return number

    return parse


def _one_of(*words: str, upper: bool = False) -> Parser:
    def parse(raw: str) -> str:
        word = raw.strip().upper() if upper else raw.strip().lower()
        if word not in words:
            raise _Refused("one of " + ", ".join(words))
        return word

    return parse


def _url(*schemes: str) -> Parser:
    def parse(raw: str) -> str:
        scheme, separator, _ = raw.partition("://")
        if not separator or scheme.lower() not in schemes:
            raise _Refused("a URL that starts with " + ", ".join(f"{each}://" for each in schemes))
        return raw.strip()

    return parse


def _origins(raw: str) -> str:
    for each in raw.split(","):
        scheme, separator, rest = each.strip().partition("://")
        if each.strip() not in ("", "*") and not (scheme and separator and rest and "/" not in rest):
            raise _Refused("origins such as https://ui.example.com, separated by commas, without a path")
    return raw


def _path_prefix(raw: str) -> str:
    prefix = "/" + raw.strip().strip("/")
    if prefix == "/":
        return ""
    if not _PREFIX.fullmatch(prefix) or ".." in prefix:
        raise _Refused("a path such as /team/heliostat, of letters, digits and - . _ ~")
    return prefix


def mask_password(url: str) -> str:
    """`url` with any password in it shown as ******; other text is unchanged."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}******", url)


def _mask_login(login: str) -> str:
    user, colon, _ = login.partition(":")
    return f"{user}:******" if colon else _mask_all(login)


def _mask_all(text: str) -> str:
    return text and "******"


def _setting(default: Any, doc: str, parse: Parser = _text, *, mask: Mask | None = None) -> Any:
    """`mask` makes of a secret what people may see of it."""
    return field(default=default, metadata={"doc": doc, "parse": parse, "mask": mask})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its value. Get the active ones from `current_settings()`; instances never change."""

    home: Path = _setting(
        "~/.heliostat", "Folder of the profiles file, the SQLite database and results.", _folder
    )
    profile: str = _setting(
        "default", "Name of the active profile; `heliostat profile use` changes it for good."
    )
    database_url: str = _setting(
        "sqlite+aiosqlite:///{home}/heliostat.db",
        "Where runs are recorded: sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME, or "
        "postgres+embedded:// for a Postgres of its own under the home folder.",
        _url(*DATABASE_SCHEMES),
        mask=mask_password,
    )
    api_url: str | None = _setting(
        None,
        "Address of the API to record to and to ask; unset means this machine's database and server.",
        _url("http", "https"),
    )
    public_api_url: str | None = _setting(
        None,
        "Address at which Ray's machines reach the API of a server; unset means its own address.",
        _url("http", "https"),
    )
    api_auth_string: str | None = _setting(
        None, "Login that clients send to the API, as USER:PASSWORD.", mask=_mask_login
    )
    server_auth_string: str | None = _setting(
        None, "Login that a server asks of everyone who calls its API, as USER:PASSWORD.", mask=_mask_login
    )
    server_csrf_protection: bool = _setting(
        False, "Whether a server accepts writes only with a token that it issued.", _flag
    )
    server_allowed_hosts: str = _setting(
        "",
        "Host names besides its own that a server answers to, separated by commas: `*.example.com` is every "
        "name below example.com, `*` any name.",
    )
    server_cors_allowed_origins: str = _setting(
        "",
        "Origins besides its own whose pages may call the API of a server, such as https://ui.example.com, "
        "separated by commas; `*` lets every page that anybody visits run code on the server.",
        _origins,
    )
    server_cors_allowed_methods: str = _setting("*", "Methods that pages of allowed origins may use.")
    server_cors_allowed_headers: str = _setting("*", "Headers that pages of allowed origins may send.")
    server_path_prefix: str = _setting(
        "",
        "Path under which a proxy shows a server, such as /team/heliostat, whether or not the proxy removes "
        "it from the requests that it passes on.",
        _path_prefix,
    )
    stock_ui: str | None = _setting(
        None, "Folder of an installed prefect package whose pages a server shows as well."
    )
    stock_python: str | None = _setting(
        None,
        "Python that executes flows of the stock client in ray pools; unset means that of the flow process.",
    )
    encryption_key: str | None = _setting(
        None,
        "Key of encrypted secrets, 32 bytes in url-safe base64; unset means a key file in the home folder.",
        mask=_mask_all,
    )
    ray_address: str | None = _setting(
        None,
        'Ray cluster: unset starts a local Ray at first need, "auto" finds a running one, else host:port.',
    )
    ray_dashboard: bool = _setting(
        True,
        "Whether a server starts the dashboard of its own Ray, which takes some 600 MiB of memory.",
        _flag,
    )
    task_runner: str = _setting(
        "ray", "Where submitted tasks run when the flow names no runner.", _one_of("ray", "threads", "inline")
    )
    logging_level: str = _setting(
        "INFO", "Least severe level that is recorded and shown.", _one_of(*LOGGING_LEVELS, upper=True)
    )
    result_storage_url: str = _setting(
        "{home}/results", "Folder or fsspec URL for results that are persisted.", mask=mask_password
    )
    inline_result_limit_bytes: int = _setting(
        16_384, "Pickled results up to this size are recorded with the run itself.", _whole(0)
    )
    code_package_limit_bytes: int = _setting(
        104_857_600,
        "Bytes of the largest project folder that is packed and sent with a deployment.",
        _whole(1),
    )
    persist_results: bool = _setting(
        False, "Store larger results too, where a flow or task does not set persist_result.", _flag
    )
    log_prints: bool = _setting(True, "Record what flows and tasks print as log lines.", _flag)
    lease_s: float = _setting(
        15.0, "Seconds after which the silent process of a run is taken for dead.", _seconds(above=0)
    )
    journal_buffer_events: int = _setting(
        20_000, "Events a process may hold unrecorded before producers wait.", _whole(1)
    )
    journal_flush_ms: int = _setting(
        10, "Milliseconds that an event waits for others to be committed together with it.", _whole(0)
    )
    automation_chain_depth: int = _setting(
        10,
        "Most automations in a chain in which each sets off the next; also how often one automation may fire "
        "on what goes back to one event.",
        _whole(1),
    )
    automation_firings_per_minute: int = _setting(
        1_000, "Firings of one automation in a minute before a server pauses it; 0 for any number.", _whole(0)
    )
    event_retention_days: int = _setting(
        7, "Days for which a server keeps events; 0 keeps them for ever.", _whole(0)
    )
    crash_retries: int = _setting(
        2, "Times a task is run again after its process died; these do not count as retries.", _whole(0)
    )
    default_retries: int = _setting(0, "Retries of tasks that do not set retries.", _whole(0))
    default_retry_delay_s: float = _setting(
        0.0, "Seconds before each retry of tasks that do not set a delay.", _seconds()
    )
    unplaceable_s: float = _setting(
        300.0,
        "Seconds that a task or a flow waits for a node that has what it asks for, on a Ray cluster that "
        "adds no nodes by itself, before it is Crashed; 0 means for ever.",
        _seconds(),
    )
    dispatch_window: int = _setting(
        1_000, "Ray calls in flight at once before a producer of tasks waits.", _whole(1)
    )
    pack_target_ms: int = _setting(
        400, "Milliseconds that one Ray call of packed short tasks should last.", _whole(1)
    )
    replay_divergence: str = _setting(
        "rerun",
        "When a replayed run makes another call than its journal has: rerun (with a warning) or fail.",
        _one_of("rerun", "fail"),
    )
    progress: str = _setting(
        "auto",
        "Progress of long fan-outs on the terminal; auto means on a terminal only.",
        _one_of("auto", "always", "never"),
    )

    def masked(self, name: str) -> str:
        """The value of setting `name` as people may see it: a password shows as ******."""
        return mask(name, text_of(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One setting in the form that the docs and commands show."""

    name: str
    env_name: str
    doc: str
    default: str  # "" when there is none; {home} stands for the home folder


PARSERS: dict[str, Parser] = {each.name: each.metadata["parse"] for each in fields(Settings)}
MASKS: dict[str, Mask] = {
    each.name: each.metadata["mask"] for each in fields(Settings) if each.metadata["mask"] is not None
}
"""Of each setting that may carry a secret."""
DEFAULTS: dict[str, Any] = {each.name: each.default for each in fields(Settings)}


def setting_specs() -> list[SettingSpec]:
    """All settings in the order in which they are declared."""
    return [
        SettingSpec(
            each.name,
            ENV_PREFIX + each.name.upper(),
            each.metadata["doc"],
            text_of(each.default),
        )
        for each in fields(Settings)
    ]


def setting_name(given: str) -> str:
    """The setting that `given` names, such as `lease_s` or `HELIOSTAT_LEASE_S`. Raises BadSetting."""
    name = given.strip().lower().removeprefix(ENV_PREFIX.lower())
    if name not in PARSERS:
        raise BadSetting(f"There is no setting {given!r}.", hint=near_miss(name, PARSERS))
    return name


def check_value(name: str, raw: object, source: str) -> Any:
    """`raw` parsed as setting `name`; raises BadSetting, which tells `source` and the accepted values."""
    parse = PARSERS[name]
    if isinstance(raw, bool):
        raw = "true" if raw else "false"
    elif isinstance(raw, int | float | Path):
        raw = str(raw)
    try:
        if not isinstance(raw, str):
            raise _Refused("a single value")
        return parse(raw)
    except _Refused as refused:
        shown = mask(name, str(raw))
        raise BadSetting(
            f"{ENV_PREFIX}{name.upper()} = {shown!r} cannot be used (from {source}).",
            hint=f"accepted: {refused}",
        ) from None


def mask(name: str, text: str) -> str:
    """`text`, a value of setting `name`, as people may see it."""
    return MASKS.get(name, mask_password)(text)


def near_miss(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """A hint for a name that does not exist."""
    close = nearest(name, known)
    return f"did you mean {close}?" if close else "known: " + ", ".join(sorted(known))


def text_of(value: object) -> str:
    """A setting's value as text that parses to that value again; "" means unset."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
