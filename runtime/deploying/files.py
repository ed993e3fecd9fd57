"""Deployments declared in heliostat.yaml or prefect.yaml, in the standard's form."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..foundation.errors import BadDeployment, HeliostatError, NotFound
from ..foundation.near_names import nearest
from ..projects.entrypoints import load_flow
from ..projects.filling import STAYS, Known, LookUp, deployers, fill
from ..projects.pull_steps import known_steps, step_of
from .mistakes import Mistakes
from .spec import DeploymentSpec, spec_of
from .timetable import schedule_entry

if TYPE_CHECKING:
    from ..authoring.definitions import FlowDefinition

FILE_NAMES = ("heliostat.yaml", "prefect.yaml")
_TOP = ("name", "prefect-version", "build", "push", "pull", "deployments", "definitions")
_ENTRY = (
    "name", "version", "tags", "description", "flow_name", "entrypoint", "parameters", "schedule",
    "schedules", "paused", "work_pool", "enforce_parameter_schema", "concurrency_limit", "build", "push",
    "pull", "triggers", "sla", "version_type",
)  # fmt: skip
_POOL = ("name", "work_queue_name", "job_variables")
_NOT_CARRIED_OUT = {
    "build": "build steps are not executed",
    "push": "push steps are not executed: the code is sent anyway",
    "triggers": "triggers are not made",
    "sla": "service levels are not watched",
}
_FILLED = (
    "name", "version", "tags", "description", "entrypoint", "parameters", "schedule", "schedules", "paused",
    "work_pool", "enforce_parameter_schema", "concurrency_limit",
)  # fmt: skip
"""The fields that have an effect here. Placeholders in other fields are left alone: triggers name parts of
events.
"""
_OF_RUNS = "ctx."  # filled by the worker, for each run


@dataclass(frozen=True)
class FileEntry:
    """One deployment of a file. `notes` tell which of its fields have no effect here."""

    name: str
    fields: Mapping[str, Any] = field(repr=False)
    folder: Path
    notes: Sequence[str] = ()

    def flow_name(self, known: Known) -> str | None:
        """The name of its flow; None when the flow cannot be loaded."""
        try:
            return self._flow(_entrypoint(self.name, self._filled(known))).name
        except (HeliostatError, ValueError):
            return None

    def spec(self, known: Known, **over: Any) -> DeploymentSpec:
        """The deployment with its flow loaded; `over` has options that override the file's.

        Raises BadDeployment, MissingFlow, BadSchedule, ParameterMismatch, NotFound for a variable or block.
        """
        filled = self._filled(known)
        entrypoint = _entrypoint(self.name, filled)
        flow = self._flow(entrypoint)
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
            steps = [fill(step, deployers) for step in steps]
            return replace(spec, project=None, pull_steps=steps, entrypoint=entrypoint)
        return spec

    def _filled(self, known: Known) -> dict[str, Any]:
        look_up = LookUp(known)

        def value(name: str) -> Any:
            return STAYS if name.startswith(_OF_RUNS) else look_up(name)

        return {name: fill(self.fields[name], value) for name in _FILLED if name in self.fields}

    def _flow(self, entrypoint: str) -> FlowDefinition[..., Any]:
        target, colon, function = entrypoint.rpartition(":")
        here = f"{self.folder / target}:{function}" if target.endswith(".py") else entrypoint
        return load_flow(here if colon else str(self.folder / entrypoint))


def _entrypoint(name: str, fields: Mapping[str, Any]) -> str:
    entrypoint = str(fields.get("entrypoint") or "")
    if not entrypoint:
        raise BadDeployment(
            f"deployment {name!r} has no entrypoint.", hint="entrypoint: path/in/project.py:function"
        )
    return entrypoint


def find_file(folder: Path) -> Path | None:
    """The deployment file of a folder."""
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)


def read_file(path: Path, mistakes: Mistakes) -> list[FileEntry]:
    """The deployments of a file, in order. Mistakes in one of them are added to `mistakes`; for others
    BadDeployment is raised, which names their place.
    """
    document = _document(path)
    for name in document:
        if name not in _TOP:
            raise _unknown(path.name, str(name), _TOP)
    entries: Any = document.get("deployments") or []
    if not isinstance(entries, list):
        raise BadDeployment(f"{path.name}: deployments is not a list.", hint="deployments:\n  - name: ...")
    given, found = cast("list[Any]", entries), list[FileEntry]()
    for number, each in enumerate(given):
        with mistakes.of(_name_of(each, number)):
            found.append(_entry(path, number, each, document))
    return found


def specs_of(
    entries: Sequence[FileEntry], known: Known, over: Mapping[str, Any], mistakes: Mistakes
) -> list[DeploymentSpec]:
    """The deployments of the valid entries, with their flows loaded; errors of the others are added to
    `mistakes`.
    """
    specs: list[DeploymentSpec] = []
    for entry in entries:
        with mistakes.of(entry.name):
            specs.append(entry.spec(known, **over))
    return specs


def chosen(
    entries: Sequence[FileEntry], names: Sequence[str], all_of_them: bool, known_values: Known
) -> list[FileEntry]:
    """The entries with these names ("name", "flow/name", with * as wildcard), or all. Raises BadDeployment,
    NotFound. For a name with a flow, entries whose flow cannot be loaded count, too, unless another entry
    matches.
    """
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
        flow_name, _, short = name.rpartition("/")
        fitting = [entry for entry in entries if fnmatch.fnmatchcase(entry.name, short)]
        if flow_name:
            flows = {id(entry): entry.flow_name(known_values) for entry in fitting}
            of_flow = [entry for entry in fitting if _is_called(flows[id(entry)], flow_name)]
            fitting = of_flow or [entry for entry in fitting if flows[id(entry)] is None]
        if not fitting:
            close = nearest(short, [entry.name for entry in entries])
            known = ", ".join(entry.name for entry in entries)
            raise NotFound(
                f"The file has no deployment {name!r}.",
                hint=f"did you mean {close!r}?" if close else f"it has: {known}",
            )
        found += [entry for entry in fitting if entry not in found]
    return found


def _is_called(name: str | None, pattern: str) -> bool:
    return name is not None and fnmatch.fnmatchcase(name, pattern)


def _document(path: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDeployment(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadDeployment(f"{path.name} is not text in UTF-8: {error}", hint="save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise BadDeployment(f"{path.name} is not valid YAML: {error}", hint="mend that line") from error
    if not isinstance(document, dict):
        raise BadDeployment(f"{path.name} has no deployments.", hint="deployments:\n  - name: ...")
    return cast("dict[str, Any]", document)


def _name_of(given: Any, number: int) -> str:
    name = cast("dict[str, Any]", given).get("name") if isinstance(given, dict) else None
    return str(name or f"deployments[{number}]")


def _entry(path: Path, number: int, given: Any, document: Mapping[str, Any]) -> FileEntry:
    where = f"{path.name}: deployments[{number}]"
    if not isinstance(given, dict):
        raise BadDeployment(f"{where} is not a deployment: {given!r}", hint="- name: ...")
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
    """The given pull steps. Raises BadDeployment for a step that is unknown here."""
    if not steps:
        return None
    if not isinstance(steps, list):
        raise BadDeployment(f"{where}.pull is not a list.", hint="pull:\n  - ...set_working_directory: ...")
    for step in cast("list[Any]", steps):
        if not isinstance(step, Mapping):
            raise BadDeployment(f"{where}.pull: {step!r} is not a step.")
        name, _ = step_of(cast("Mapping[str, Any]", step))
        if name not in known_steps():
            raise BadDeployment(
                f"{where}.pull: the step {name!r} is unknown.", hint=f"known: {', '.join(known_steps())}"
            )
    return cast("list[dict[str, Any]]", steps)


def _schedules(fields: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The schedules of an entry; None when the file does not mention schedules."""
    if fields.get("schedules") is None and fields.get("schedule") is None:
        return None
    several: Any = fields.get("schedules") or []
    given: list[Any] = [*cast("list[Any]", several)] if isinstance(several, list) else [several]
    if fields.get("schedule"):
        given.append(fields["schedule"])
    return [schedule_entry(each, f"schedules[{number}]") for number, each in enumerate(given)]


def _merged(options: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The options overridden by `over`: tags and mappings are extended, other options replaced."""
    merged = dict(options)
    for name, value in over.items():
        if value is None or value in ((), {}):
            continue  # not given on the command line
        if name in ("parameters", "job_variables"):
            merged[name] = {**(merged.get(name) or {}), **value}
        elif name == "tags":
            merged[name] = [*(merged.get(name) or ()), *value]
        else:
            merged[name] = value
    return merged


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
        raise BadDeployment(f"{where}: {value!r} is not a list.")
    return [str(each) for each in cast("list[Any]", value)]
