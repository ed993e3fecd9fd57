"""Deployments written down in heliostat.yaml or prefect.yaml, in the standard's form."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from ..entrypoints import load_flow
from ..errors import BadDeployment, NotFound
from ..near_names import nearest
from ..pull_steps import known_steps, step_of
from .mistakes import Mistakes
from .spec import DeploymentSpec, spec_of
from .timetable import schedule_entry

FILE_NAMES = ("heliostat.yaml", "prefect.yaml")
_TOP = ("name", "prefect-version", "build", "push", "pull", "deployments", "definitions")
_ENTRY = (
    "name", "version", "tags", "description", "flow_name", "entrypoint", "parameters", "schedule",
    "schedules", "paused", "work_pool", "enforce_parameter_schema", "concurrency_limit", "build", "push",
    "pull", "triggers", "sla", "version_type",
)  # fmt: skip
_POOL = ("name", "work_queue_name", "job_variables")
_NOT_CARRIED_OUT = {
    "build": "build steps are not carried out",
    "push": "push steps are not carried out: the code goes along by itself",
    "triggers": "triggers are not made",
    "sla": "service levels are not watched",
}
_TEMPLATE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")

ReadVariable = Callable[[str], Any]


@dataclass(frozen=True)
class FileEntry:
    """One deployment of a file. `notes` say what of it has no effect here."""

    name: str
    fields: Mapping[str, Any] = field(repr=False)
    folder: Path
    notes: Sequence[str] = ()

    def spec(self, read_variable: ReadVariable, **over: Any) -> DeploymentSpec:
        """The deployment, its flow loaded; `over` are options that win over the file's.

        Raises BadDeployment, MissingFlow, BadSchedule, ParameterMismatch, NotFound for a variable.
        """
        filled = _Filler(read_variable).fill(
            {name: value for name, value in self.fields.items() if name not in ("pull", "build", "push")}
        )
        entrypoint = str(filled.get("entrypoint") or "")
        if not entrypoint:
            raise BadDeployment(
                f"deployment {self.name!r} has no entrypoint.", hint="entrypoint: path/in/project.py:function"
            )
        target, colon, function = entrypoint.rpartition(":")
        here = f"{self.folder / target}:{function}" if target.endswith(".py") else entrypoint
        flow = load_flow(here if colon else str(self.folder / entrypoint))
        pool: Mapping[str, Any] = filled.get("work_pool") or {}
        options: dict[str, Any] = {
            "version": _text(filled.get("version")),
            "description": filled.get("description"),
            "tags": _list(filled.get("tags"), "tags"),
            "parameters": filled.get("parameters"),
            "schedules": _schedules(filled),
            "paused": filled.get("paused"),
            "enforce_parameter_schema": filled.get("enforce_parameter_schema"),
            "concurrency_limit": filled.get("concurrency_limit"),
            "work_queue_name": pool.get("work_queue_name"),
            "job_variables": pool.get("job_variables"),
            "project": self.folder,
        }
        pool_name = over.pop("work_pool_name", None) or pool.get("name")
        spec = spec_of(flow, str(filled["name"]), pool_name, **_merged(options, over))
        steps = cast("Sequence[Mapping[str, Any]] | None", self.fields.get("pull"))
        if steps:
            return replace(spec, project=None, pull_steps=steps, entrypoint=entrypoint)
        return spec


def find_file(folder: Path) -> Path | None:
    """The deployment file of a folder."""
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)


def read_file(path: Path, mistakes: Mistakes) -> list[FileEntry]:
    """The deployments of a file, in order. Raises BadDeployment with the place of what is wrong around them;
    what is wrong with one of them is added to the mistakes.
    """
    document = _document(path)
    for name in document:
        if name not in _TOP:
            raise _unknown(path.name, str(name), _TOP)
    entries: Any = document.get("deployments") or []
    if not isinstance(entries, list):
        raise BadDeployment(f"{path.name}: deployments is no list.", hint="deployments:\n  - name: ...")
    given, found = cast("list[Any]", entries), list[FileEntry]()
    for number, each in enumerate(given):
        with mistakes.of(_name_of(each, number)):
            found.append(_entry(path, number, each, document))
    return found


def specs_of(
    entries: Sequence[FileEntry], read_variable: ReadVariable, over: Mapping[str, Any], mistakes: Mistakes
) -> list[DeploymentSpec]:
    """The deployments of entries that are right, their flows loaded; the rest is added to the mistakes."""
    specs: list[DeploymentSpec] = []
    for entry in entries:
        with mistakes.of(entry.name):
            specs.append(entry.spec(read_variable, **over))
    return specs


def chosen(entries: Sequence[FileEntry], names: Sequence[str], all_of_them: bool) -> list[FileEntry]:
    """Those of the names ("name", "flow/name", with * for any), or all. Raises BadDeployment, NotFound."""
    if all_of_them:
        return list(entries)
    if not names:
        if len(entries) == 1:
            return list(entries)
        known = ", ".join(entry.name for entry in entries)
        raise BadDeployment(
            f"The file has {len(entries)} deployments: {known or 'none'}.", hint="say --all, or --name NAME"
        )
    found: list[FileEntry] = []
    for name in names:
        short = name.rpartition("/")[2]
        fitting = [entry for entry in entries if fnmatch.fnmatchcase(entry.name, short)]
        if not fitting:
            close = nearest(short, [entry.name for entry in entries])
            known = ", ".join(entry.name for entry in entries)
            raise NotFound(
                f"The file has no deployment {name!r}.",
                hint=f"did you mean {close!r}?" if close else f"it has: {known}",
            )
        found += [entry for entry in fitting if entry not in found]
    return found


def _document(path: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise BadDeployment(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise BadDeployment(f"{path.name} is not valid YAML: {error}", hint="mend that line") from error
    if not isinstance(document, dict):
        raise BadDeployment(f"{path.name} holds no deployments.", hint="deployments:\n  - name: ...")
    return cast("dict[str, Any]", document)


def _name_of(given: Any, number: int) -> str:
    name = cast("dict[str, Any]", given).get("name") if isinstance(given, dict) else None
    return str(name or f"deployments[{number}]")


def _entry(path: Path, number: int, given: Any, document: Mapping[str, Any]) -> FileEntry:
    where = f"{path.name}: deployments[{number}]"
    if not isinstance(given, dict):
        raise BadDeployment(f"{where} is no deployment: {given!r}", hint="- name: ...")
    fields = cast("dict[str, Any]", given)
    for name in fields:
        if name not in _ENTRY:
            raise _unknown(where, str(name), _ENTRY)
    if not fields.get("name"):
        raise BadDeployment(f"{where} has no name.", hint="name: nightly")
    pool: Any = fields.get("work_pool") or {}
    if not isinstance(pool, dict):
        raise BadDeployment(f"{where}.work_pool: {pool!r} has no name.", hint="work_pool:\n  name: default")
    for name in cast("dict[str, Any]", pool):
        if name not in _POOL:
            raise _unknown(f"{where}.work_pool", str(name), _POOL)
    steps: dict[str, Any] = {
        name: fields[name] if fields.get(name) is not None else document.get(name)
        for name in ("build", "push", "pull")
    }
    notes = [text for name, text in _NOT_CARRIED_OUT.items() if {**fields, **steps}.get(name)]
    steps["pull"] = _pull(where, steps["pull"])
    return FileEntry(str(fields["name"]), {**fields, **steps}, path.parent, notes)


def _pull(where: str, steps: Any) -> list[dict[str, Any]] | None:
    """The pull steps as they are given; one that could never be carried out is refused now."""
    if not steps:
        return None
    if not isinstance(steps, list):
        raise BadDeployment(f"{where}.pull is no list.", hint="pull:\n  - ...set_working_directory: ...")
    for step in cast("list[Any]", steps):
        if not isinstance(step, Mapping):
            raise BadDeployment(f"{where}.pull: {step!r} is no step.")
        name, _ = step_of(cast("Mapping[str, Any]", step))
        if name not in known_steps():
            raise BadDeployment(
                f"{where}.pull: the step {name!r} is unknown.", hint=f"known: {', '.join(known_steps())}"
            )
    return cast("list[dict[str, Any]]", steps)


def _schedules(fields: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """None: the file says nothing of them."""
    if fields.get("schedules") is None and fields.get("schedule") is None:
        return None
    several: Any = fields.get("schedules") or []
    given: list[Any] = [*cast("list[Any]", several)] if isinstance(several, list) else [several]
    if fields.get("schedule"):
        given.append(fields["schedule"])
    return [schedule_entry(each, f"schedules[{number}]") for number, each in enumerate(given)]


def _merged(options: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top: tags and mappings are added to, the rest is replaced."""
    merged = dict(options)
    for name, value in over.items():
        if value is None or value in ((), {}):
            continue  # the command line says nothing of it
        if name in ("parameters", "job_variables"):
            merged[name] = {**(merged.get(name) or {}), **value}
        elif name == "tags":
            merged[name] = [*(merged.get(name) or ()), *value]
        else:
            merged[name] = value
    return merged


class _Filler:
    """Puts values in place of `{{ $NAME }}` and `{{ prefect.variables.name }}`."""

    def __init__(self, read_variable: ReadVariable) -> None:
        self._read = read_variable

    def fill(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.fill(each) for name, each in cast("dict[str, Any]", value).items()}
        if isinstance(value, list):
            return [self.fill(each) for each in cast("list[Any]", value)]
        if not isinstance(value, str):
            return value
        whole = _TEMPLATE.fullmatch(value.strip())
        if whole is not None:
            return self._value(whole[1])  # alone it keeps its type
        return _TEMPLATE.sub(lambda found: str(self._value(found[1])), value)

    def _value(self, name: str) -> Any:
        if name.startswith("$"):
            return os.environ.get(name[1:], "")
        for prefix in ("prefect.variables.", "heliostat.variables."):
            if name.startswith(prefix):
                return self._read(name.removeprefix(prefix))
        raise BadDeployment(
            f"Nothing is known of {{{{ {name} }}}}.",
            hint="known are {{ $NAME }} of the environment and {{ prefect.variables.name }}; "
            "outputs of build steps are not, as these are not carried out",
        )


def _unknown(where: str, name: str, known: Iterable[str]) -> BadDeployment:
    close = nearest(name, known)
    return BadDeployment(
        f"{where}: there is no {name!r}.",
        hint=f"did you mean {close!r}?" if close else f"there are: {', '.join(known)}",
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _list(value: Any, where: str) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise BadDeployment(f"{where}: {value!r} is no list.")
    return [str(each) for each in cast("list[Any]", value)]
