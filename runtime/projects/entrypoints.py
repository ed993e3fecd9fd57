"""Loads the flow that "path.py:flow" or "module:flow" names.

A file is loaded by its path, whether or not Python could import it. Its folder is added to `sys.path`, so
that the files beside it can be imported, as when the file runs as a script.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from hashlib import blake2b
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from ..authoring.definitions import FlowDefinition
from ..foundation.errors import MissingFlow, StockFlow
from ..foundation.near_names import nearest

AnyFlow = FlowDefinition[..., Any]
_MODULE_PREFIX = "heliostat_flows_"
_STOCK = "prefect"


def load_flow(entrypoint: str) -> AnyFlow:
    """The flow that `entrypoint` names: "path.py:flow", "module:flow", or "path.py" where it has only one.

    `flow` is the variable's name in the module, or the flow's own name. Raises MissingFlow, which names the
    flows that the file has, or the line where loading failed; StockFlow for a flow of the stock client.
    """
    target, flow_name = _split(entrypoint)
    module = _load_file(Path(target)) if target.endswith(".py") else _load_module(target)
    flows = _flows_of(module)
    if not flow_name:
        return _only_flow(target, module, flows)
    if flow_name in flows:
        return flows[flow_name]
    for found in flows.values():
        if found.name == flow_name:
            return found
    if type(getattr(module, flow_name, None)).__module__.partition(".")[0] == _STOCK:
        raise StockFlow(_no_such_flow(target, flow_name, module), hint="only the stock client can run it")
    raise MissingFlow(_no_such_flow(target, flow_name, module), hint=_what_there_is(target, flow_name, flows))


def _split(entrypoint: str) -> tuple[str, str]:
    target, colon, flow_name = entrypoint.strip().rpartition(":")
    if not colon:
        target, flow_name = flow_name, ""
    if not target or (colon and not flow_name):
        raise MissingFlow(f"{entrypoint!r} does not name a flow.", hint="write path.py:flow or module:flow")
    if not colon and not target.endswith(".py"):
        raise MissingFlow(
            f"{entrypoint!r} does not name a flow.", hint=f"write {target}:FLOW or {target}.py:FLOW"
        )
    return target, flow_name


def _load_file(path: Path) -> ModuleType:
    path = path.expanduser().absolute()
    if not path.is_file():
        raise MissingFlow(f"There is no file {path}.", hint=_near_file(path))
    name = _module_name(path)
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise MissingFlow(f"{path} cannot be loaded as Python.", hint="give a file that ends in .py")
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    package = _package_of(path)
    if package:
        spec.__class__ = _SpecInPackage
        cast("_SpecInPackage", spec).package = package
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__heliostat_by_value__"] = (
        True  # no worker can import it: its functions are sent as code
    )
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception | SystemExit):
            raise _loading_failed(str(path), str(path), error) from error
        raise
    return module


class _SpecInPackage(ModuleSpec):
    """The spec of a flow's file inside a package, for its relative imports."""

    package: str = ""

    @property
    def parent(self) -> str:
        return self.package


def _package_of(path: Path) -> str:
    """The package that a file belongs to, made importable; "" where there is none."""
    names, root = list[str](), path.parent
    while (root / "__init__.py").is_file() and root.name.isidentifier() and root != root.parent:
        names.insert(0, root.name)
        root = root.parent
    if not names:
        return ""
    top = root / names[0]
    if names[0] not in sys.modules and not _is_found_in(names[0], top):
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
    # Another package of that name may be loaded already: this file is not part of it.
    return ".".join(names) if _is_found_in(names[0], top) else ""


def _is_found_in(name: str, folder: Path) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    places = (spec.submodule_search_locations if spec is not None else None) or ()
    return any(os.path.realpath(place) == os.path.realpath(folder) for place in places)


def _load_module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:  # as `python -m` does
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            hint = f"is it installed? For a file write {name.replace('.', '/')}.py:FLOW"
            raise MissingFlow(f"There is no module {name!r}.", hint=hint) from error
        raise _loading_failed(f"module {name}", None, error) from error
    except (Exception, SystemExit) as error:
        raise _loading_failed(f"module {name}", None, error) from error


def _module_name(path: Path) -> str:
    """A module name that is equal in every process; a second file with that name gets a hash of its path."""
    name = _MODULE_PREFIX + path.stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) != str(path):
        name += "_" + blake2b(str(path).encode(), digest_size=4).hexdigest()
    return name


def _flows_of(module: ModuleType) -> dict[str, AnyFlow]:
    return {name: value for name, value in vars(module).items() if isinstance(value, FlowDefinition)}


def _only_flow(target: str, module: ModuleType, flows: dict[str, AnyFlow]) -> AnyFlow:
    own = {name: each for name, each in flows.items() if each.fn.__module__ == module.__name__} or flows
    if len({id(each) for each in own.values()}) == 1:
        return next(iter(own.values()))
    problem = "has no flow" if not own else f"has {len(own)} flows"
    raise MissingFlow(f"{target} {problem}.", hint=_what_there_is(target, "", own))


def _no_such_flow(target: str, flow_name: str, module: ModuleType) -> str:
    if hasattr(module, flow_name):
        return f"{flow_name!r} in {target} is not a flow but {type(getattr(module, flow_name)).__name__!r}."
    return f"{target} has no flow {flow_name!r}."


def _what_there_is(target: str, flow_name: str, flows: dict[str, AnyFlow]) -> str:
    if not flows:
        return "put @flow above the function that is to run"
    close = nearest(flow_name, flows)
    if close:
        return f"did you mean {target}:{close}?"
    return "it has: " + ", ".join(f"{target}:{name}" for name in flows)


def _near_file(path: Path) -> str:
    beside = [each.name for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
    close = nearest(path.name, beside)
    if close:
        return f"did you mean {path.with_name(close)}?"
    return "give the path of a Python file, from this folder or absolute"


def _loading_failed(what: str, file: str | None, error: BaseException) -> MissingFlow:
    """The error that stopped the file from loading, with the line of the file where it happened."""
    if isinstance(error, SyntaxError):
        line = (error.text or "").strip()
        return MissingFlow(
            f"{what} is not valid Python: {error.msg} (line {error.lineno} of {error.filename}: {line})",
            hint="mend that line",
        )
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == file]
    place = f" (line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
    hint = "mend it; put code that must not run on loading under `if __name__ == '__main__':`"
    if isinstance(error, ImportError) and "relative import" in str(error):
        hint = (
            "a file with relative imports must be in a package: its folder needs an __init__.py, and no other"
        )
        hint += " package of that name may be loaded"
    elif isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == _STOCK:
        return StockFlow(
            f"{what} is written for the package {_STOCK}", hint="only the stock client can run it"
        )
    elif isinstance(error, ModuleNotFoundError):
        hint = f"install {error.name!r} into this environment, or put it beside the file"
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    return MissingFlow(f"{what} cannot be loaded: {reason}{place}", hint=hint)
