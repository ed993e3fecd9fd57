"""A deployment's pull steps, which fetch its code to where it runs, one after another.

Steps are the standard's mappings of one name and its arguments. Known steps fetch a package that the server
keeps, a git repository or a folder at an fsspec address, use an existing folder, or run shell commands.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any, cast

from ..foundation.errors import BadDeployment, NotFound, StorageUnavailable
from ..foundation.settings import current_settings
from .code_packages import unpack_once
from .filling import NOTHING, Known, LookUp, fill

STEP_MODULES = ("prefect.deployments.steps.", "prefect_", "heliostat.")
_GIT_TIMEOUT_S = 300.0

FetchPackage = Callable[[str], bytes]
Output = dict[str, str]
"""The output of a step, for later steps. `directory` is their working folder from then on."""


def project_folder(
    steps: Sequence[Mapping[str, Any]] | None, path: str | None, fetch: FetchPackage, known: Known = NOTHING
) -> Path | None:
    """Execute the steps; returns the folder that the entrypoint is relative to.

    Without steps it is `path`, or None when the deployment has none. `fetch(revision)` returns the bytes of a
    code package, `known` has the values that steps name. Raises BadDeployment for a step that is unknown,
    wrong or names an unknown value, NotFound (a variable, a block), and StorageUnavailable for a step that
    failed.
    """
    folder = Path(path).expanduser() if path else None
    outputs: dict[str, Any] = {}
    look_up = LookUp(known, outputs)
    for step in steps or ():
        name, arguments = step_of(step)
        act = _STEPS.get(name)
        if act is None:
            raise BadDeployment(f"The pull step {name!r} is unknown.", hint=f"known: {', '.join(_STEPS)}")
        with _told_of(name):
            arguments = fill(arguments, look_up)
        gave = act(arguments, folder, fetch)
        folder = Path(gave["directory"]) if "directory" in gave else folder
        # Outputs are known with the step's id and without it, as in the standard.
        outputs |= {**gave, str(arguments.get("id") or name): gave}
    if folder is not None and not folder.is_dir():
        raise BadDeployment(
            f"The deployment's code should be in {folder}, which is not a folder here.",
            hint="deploy it with its code (flow.deploy), or run it where that folder is",
        )
    return folder


def step_of(step: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A step's name without its module, and its arguments. Raises BadDeployment."""
    if len(step) != 1:
        raise BadDeployment(f"{dict(step)!r} is not a step.", hint="a step has one name and its arguments")
    name, arguments = next(iter(step.items()))
    if not isinstance(arguments, Mapping | None):
        raise BadDeployment(f"The arguments of step {name!r} must have names: {arguments!r}.")
    short = name.rpartition(".")[2]
    return short, dict(cast("Mapping[str, Any]", arguments or {}))


@contextmanager
def _told_of(step: str) -> Generator[None]:
    """Add the name of the step to an error."""
    try:
        yield
    except (BadDeployment, NotFound) as error:
        raise type(error)(f"The step {step}: {error}", hint=error.hint) from error


def are_stock(steps: Sequence[Mapping[str, Any]]) -> bool:
    """Whether only the stock client can execute the steps, because one is unknown here."""
    return any(step_of(step)[0] not in _STEPS for step in steps)


def known_steps() -> tuple[str, ...]:
    """The names of the steps that can be executed here."""
    return tuple(_STEPS)


def _package(arguments: Mapping[str, Any], _: Path | None, fetch: FetchPackage) -> Output:
    return _into(unpack_once(str(arguments.get("revision", "")), fetch))


def _into(folder: Path) -> Output:
    return {"directory": str(folder)}


def _folder(arguments: Mapping[str, Any], current: Path | None, _: FetchPackage) -> Output:
    folder = Path(str(_needed(arguments, "directory", "set_working_directory"))).expanduser()
    return _into(folder if folder.is_absolute() or current is None else current / folder)


def _git_clone(arguments: Mapping[str, Any], _: Path | None, __: FetchPackage) -> Output:
    folder = clone(
        str(_needed(arguments, "repository", "git_clone")),
        branch=arguments.get("branch"),
        commit=arguments.get("commit_sha"),
        submodules=bool(arguments.get("include_submodules")),
        token=arguments.get("access_token") or _token_of(arguments.get("credentials")),
        folders=arguments.get("directories"),
    )
    return _into(folder)


def _token_of(credentials: Any) -> str | None:
    """The token in a credentials block, under any of the names in the standard's blocks."""
    if not isinstance(credentials, Mapping):
        return None if credentials is None else str(credentials)
    facts = cast("Mapping[str, Any]", credentials)
    return next((str(facts[name]) for name in ("access_token", "token", "password") if facts.get(name)), None)


def _remote_folder(arguments: Mapping[str, Any], _: Path | None, __: FetchPackage) -> Output:
    url = str(_needed(arguments, "url", "pull_from_remote_storage"))
    import fsspec

    options = {name: value for name, value in arguments.items() if name not in ("url", "requires", "id")}
    target = Path(tempfile.mkdtemp(prefix="heliostat-code-"))
    try:
        system, place = cast("Any", fsspec).core.url_to_fs(url, **options)
        system.get(place.rstrip("/") + "/", str(target), recursive=True)
    except Exception as error:
        shutil.rmtree(target, ignore_errors=True)
        raise StorageUnavailable(f"cannot fetch the code from {url}: {error}") from error
    return _into(target)


def _shell(arguments: Mapping[str, Any], current: Path | None, _: FetchPackage) -> Output:
    script = str(_needed(arguments, "script", "run_shell_script"))
    folder = Path(str(arguments.get("directory") or current or Path.cwd()))
    more: Mapping[str, Any] = arguments.get("env") or {}
    environment = {**os.environ, **{name: str(value) for name, value in more.items()}}
    said: list[subprocess.CompletedProcess[str]] = []
    for line in filter(None, map(str.strip, script.splitlines())):
        if arguments.get("shell"):
            words = ["/bin/sh", "-c", line]
        else:
            words = [Template(word).safe_substitute(environment) for word in shlex.split(line)]
        said.append(_ran(words, f"the step run_shell_script ({line})", folder, environment))
    return {
        "stdout": "".join(each.stdout for each in said).strip(),
        "stderr": "".join(each.stderr for each in said).strip(),
    }


def _requirements(arguments: Mapping[str, Any], current: Path | None, _: FetchPackage) -> Output:
    import sys

    folder = Path(str(arguments.get("directory") or current or Path.cwd()))
    file = str(arguments.get("requirements_file") or "requirements.txt")
    command = [sys.executable, "-m", "pip", "install", "-r", file]
    done = _ran(command, f"installing {file}", folder, dict(os.environ))
    return {"stdout": done.stdout.strip(), "stderr": done.stderr.strip()}


_STEPS: dict[str, Callable[[Mapping[str, Any], Path | None, FetchPackage], Output]] = {
    "code_package": _package,
    "set_working_directory": _folder,
    "git_clone": _git_clone,
    "pull_from_remote_storage": _remote_folder,
    "run_shell_script": _shell,
    "pip_install_requirements": _requirements,
}


def clone(
    repository: str,
    *,
    branch: str | None = None,
    commit: str | None = None,
    submodules: bool = False,
    token: str | None = None,
    folders: Sequence[str] | None = None,
) -> Path:
    """A folder with the repository's files: a clone, kept for each commit.

    Raises StorageUnavailable with git's message.
    """
    address = _with_token(repository, token)
    identity = sha256(repr((repository, branch, commit, submodules, folders)).encode()).hexdigest()[:16]
    target = current_settings().home / "clones" / f"{_short_name(repository)}-{identity}"
    scratch = Path(tempfile.mkdtemp(prefix=".clone-", dir=_made(target.parent)))
    try:
        branch_words = ["--branch", branch] if branch else []
        depth = [] if commit else ["--depth", "1"]
        more = ["--recurse-submodules"] if submodules else []
        sparse = ["--filter=blob:none", "--sparse"] if folders else []
        _git(
            ["clone", "-q", *depth, *branch_words, *more, *sparse, "--", address, str(scratch)],
            repository,
            token,
        )
        if folders:
            _git(["-C", str(scratch), "sparse-checkout", "set", *folders], repository, token)
        if commit:
            _git(["-C", str(scratch), "checkout", "-q", commit], repository, token)
        # Each commit has its own folder, so that a run in an older clone keeps its files.
        head = _git(["-C", str(scratch), "rev-parse", "HEAD"], repository, token).strip()
        own = target.with_name(f"{target.name}-{head[:12]}")
        if not own.exists():
            try:
                scratch.rename(own)
            except OSError:
                if not own.is_dir():  # else another process was faster, with equal files
                    raise
        return own
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _git(words: Sequence[str], repository: str, token: str | None) -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    return _ran(["git", *words], f"fetching {repository}", Path.cwd(), environment, secret=token).stdout


def _ran(
    words: Sequence[str], what: str, folder: Path, environment: Mapping[str, str], secret: str | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            list(words), cwd=folder, env=dict(environment), capture_output=True, encoding="utf-8",
            errors="replace", stdin=subprocess.DEVNULL, timeout=_GIT_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StorageUnavailable(f"{what} failed: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        said = said.replace(secret, "******") if secret else said
        raise StorageUnavailable(f"{what} failed ({done.returncode}): {said[-500:]}")
    return done


def _with_token(repository: str, token: str | None) -> str:
    if not token or not repository.startswith("https://"):
        return repository
    user = "oauth2:" if "gitlab" in repository else "x-token-auth:" if "bitbucket" in repository else ""
    return repository.replace("https://", f"https://{user}{token}@", 1)


def _short_name(repository: str) -> str:
    last = repository.rstrip("/").rpartition("/")[2].removesuffix(".git")
    return re.sub(r"[^A-Za-z0-9._-]", "-", last) or "code"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _needed(arguments: Mapping[str, Any], name: str, step: str) -> Any:
    value = arguments.get(name)
    if not value:
        raise BadDeployment(f"The step {step} needs {name!r}.")
    return value
