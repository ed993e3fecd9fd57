"""Functions, classes, modules: installed ones count by name, the author's by what they do."""

from __future__ import annotations

import functools
import os
import re
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from enum import EnumMeta
from functools import lru_cache
from logging import Logger
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, cast

from ...foundation.errors import NoFingerprint
from .code_use import CodeUse, use_of
from .digests import Mode, Walk, digest_of
from .places_in_keys import place_in_keys

_LRU: type[Any] = type(lru_cache(len))
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_SYNCHRONIZING = tuple({type(threading.Lock()), type(threading.RLock())}) + (
    threading.Condition,
    threading.Event,
    threading.Semaphore,
    threading.Barrier,
    threading.local,
)
_PACKAGE = __name__.partition(".")[0]
_ROOT = str(Path(__file__).parents[3])
_INSTALLED = tuple(
    {os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {os.path.join(_ROOT, room, "") for room in ("runtime", "actors", "pools", "api", "demo")}
    | {os.path.join(_ROOT, "__init__.py")}
)
# Generated for each class, or implied by its other parts.
_GENERATED = frozenset(
    "__dict__ __weakref__ __module__ __qualname__ __annotations__ __abstractmethods__ _abc_impl"
    " __slotnames__ __firstlineno__ __static_attributes__ __annotate_func__ __annotations_cache__".split()
)


def of_code(walk: Walk, value: Any, kind: type[Any]) -> bytes | None:
    """The digest of a function, method, class, module or wrapper of one; None for other values."""
    if kind is FunctionType:
        return walk.remembered(value, lambda: _function(walk, value))
    if isinstance(value, type):
        return walk.remembered(value, lambda: _class(walk, value))
    if kind is MethodType:
        return digest_of("method", walk.of(value.__func__), walk.of(value.__self__))
    if kind is BuiltinFunctionType:
        return _builtin(walk, value)
    if kind is CodeType:
        return digest_of("code", _code(walk, value))
    if kind is CellType:
        return digest_of("cell", *([walk.of(value.cell_contents)] if _is_filled(value) else []))
    if isinstance(value, ModuleType):
        return _module(value)
    if kind is _LRU:
        return digest_of(
            "lru", walk.of(value.__wrapped__), walk.of(value.cache_parameters()), _more(walk, value.__dict__)
        )
    if issubclass(kind, (staticmethod, classmethod)):
        return digest_of(kind.__name__, walk.of(value.__func__))
    if isinstance(value, property):
        return digest_of("property", walk.of(kind), walk.members([value.fget, value.fset, value.fdel]))
    if isinstance(value, functools.partial):
        return _partial(walk, cast("functools.partial[Any]", value), kind)
    if issubclass(kind, (Logger, ContextVar)):
        return digest_of("named", walk.of(kind), walk.of(value.name))
    if walk.in_code and isinstance(value, _SYNCHRONIZING):
        return digest_of("synchronizing", kind.__name__.encode())
    if walk.mode is Mode.ORIGIN and isinstance(getattr(value, "__wrapped__", None), FunctionType):
        return digest_of("wraps", walk.of(value.__wrapped__))
    return None


def is_installed(module_name: str | None) -> bool:
    """Whether a module belongs to Python, an installed package or Heliostat: it only changes by an
    installation.
    """
    if module_name == "__main__" or not module_name:
        return False
    module = sys.modules.get(module_name)
    if module is None:
        return False
    file = getattr(module, "__file__", None)
    if file is None:
        return module_name in sys.builtin_module_names or getattr(module, "__spec__", None) is not None
    return _is_installed_file(file)


@lru_cache(maxsize=4096)
def _is_installed_file(file: str) -> bool:
    parts = file.split(os.sep)
    return file.startswith(_INSTALLED) or "site-packages" in parts or "dist-packages" in parts


def found_by_name(value: Any, module_name: str | None, qualname: str) -> bool:
    """Whether looking up the name in its module finds this object."""
    found: Any = sys.modules.get(module_name or "")
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found is value


def named_in_its_module(value: Any) -> bytes | None:
    """The digest of a function or class of an installed module, by its name; None for all others."""
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(qualname, str):
        return None
    if module and is_installed(module) and found_by_name(value, module, qualname):
        return digest_of("named", f"{place_in_keys(module)}.{qualname}".encode())
    return None


def _function(walk: Walk, function: FunctionType) -> bytes:
    named = named_in_its_module(function)
    if named is not None:
        return named
    code = function.__code__
    if code.co_qualname == "singledispatch.<locals>.wrapper" and code.co_filename == functools.__file__:
        cases = [(kind, case) for kind, case in cast("Any", function).registry.items()]
        return digest_of("singledispatch", walk.of(function.__qualname__), walk.entries(cases))
    use = use_of(code)
    outside, walk.in_code = walk.in_code, True
    try:
        return digest_of(
            "function",
            f"{function.__module__}\0{function.__qualname__}".encode(),
            _code(walk, code),
            walk.of(function.__defaults__),
            walk.of(function.__kwdefaults__),
            _annotations(function),
            b"".join(_bindings(walk, function, use)),
            _more(walk, vars(function)),
        )
    finally:
        walk.in_code = outside


def _code(walk: Walk, code: CodeType) -> bytes:
    names = (code.co_name, code.co_qualname, code.co_names, code.co_varnames, code.co_freevars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return digest_of(
        "code",
        code.co_code,
        code.co_exceptiontable,
        repr((names, code.co_cellvars, counts)).encode("utf-8", "surrogatepass"),
        walk.members(code.co_consts),
    )


def _bindings(walk: Walk, function: FunctionType, use: CodeUse) -> Iterator[bytes]:
    """What the outer names of a function stand for: cells of its closure and globals."""
    ignored = use.written if walk.mode is not Mode.DATA else frozenset[str]()
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if not _is_filled(cell):
            yield digest_of("empty", name.encode())
        else:
            yield _binding(walk, name, cell.cell_contents, name in ignored)
    # A global that the code writes is state of its module, not part of the function.
    scope, ignored = function.__globals__, use.written
    for name in sorted(use.read):
        if name not in scope:
            yield digest_of("builtin or missing", name.encode())
            continue
        value = scope[name]
        if isinstance(value, ModuleType) and not is_installed(value.__name__):
            for attribute in sorted(use.attributes.get(name, ())):
                if hasattr(value, attribute):
                    part = getattr(value, attribute)
                    yield _binding(walk, f"{name}.{attribute}", part, name in ignored)
            if name not in use.bare:
                continue
        yield _binding(walk, name, value, name in ignored)


def _binding(walk: Walk, name: str, value: Any, is_written: bool) -> bytes:
    if is_written:
        return digest_of("state", name.encode(), type(value).__name__.encode())
    try:
        return digest_of("binding", name.encode(), walk.of(value))
    except NoFingerprint as error:
        if walk.mode is Mode.ORIGIN:
            return digest_of("state", name.encode(), type(value).__name__.encode())
        raise NoFingerprint(f"the code uses {name!r}, and {error}", hint=error.hint) from error


def _is_filled(cell: CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _annotations(value: Any) -> bytes:
    """Annotations as text: they may name what does not exist at run time."""
    try:
        found = dict(value.__annotations__)
    except NameError:
        return b"unresolved"
    return _as_text(found)


def _as_text(value: Any) -> bytes:
    return _ADDRESS.sub("", repr(value)).encode("utf-8", "surrogatepass")


def _more(walk: Walk, attributes: dict[str, Any]) -> bytes:
    """Attributes that an author or a decorator gave to a function."""
    if walk.mode is Mode.ORIGIN:
        return walk.of(attributes.get("__wrapped__"))
    return walk.entries(attributes.items())


def _partial(walk: Walk, value: functools.partial[Any], kind: type[Any]) -> bytes:
    return digest_of(
        "partial",
        walk.of(kind),
        walk.of(value.func),
        walk.members(value.args),
        walk.entries(value.keywords.items()),
        _more(walk, vars(value)),
    )


def _builtin(walk: Walk, value: Any) -> bytes:
    owner = value.__self__
    if owner is None or isinstance(owner, ModuleType):
        return digest_of("builtin", f"{value.__module__}.{value.__qualname__}".encode())
    return digest_of("builtin of", value.__name__.encode(), walk.of(owner))


def _module(module: ModuleType) -> bytes:
    """An author's module counts by its text: what one of its functions does may depend on any part of it."""
    file = getattr(module, "__file__", None)
    if file is None or is_installed(module.__name__):
        return digest_of("module", place_in_keys(module.__name__).encode())
    try:
        with open(file, "rb") as opened:
            return digest_of("module", module.__name__.encode(), opened.read())
    except OSError as error:
        raise NoFingerprint(f"the module {module.__name__} cannot be read: {error}") from error


def _class(walk: Walk, kind: type[Any]) -> bytes:
    named = named_in_its_module(kind)
    if named is not None:
        return named
    outside, walk.in_code = walk.in_code, True
    try:
        return digest_of(
            "class",
            f"{kind.__module__}\0{kind.__qualname__}".encode(),
            walk.members([type(kind), *kind.__bases__]),
            _as_text(vars(kind).get("__annotations__")),
            _as_text(vars(kind).get("__pydantic_fields__")),
            b"".join(_class_members(walk, kind)),
        )
    finally:
        walk.in_code = outside


def _class_members(walk: Walk, kind: type[Any]) -> Iterator[bytes]:
    for name, value in sorted(vars(kind).items()):
        if name in _GENERATED or isinstance(value, GetSetDescriptorType):
            continue
        if isinstance(value, MemberDescriptorType):
            yield digest_of("slot", name.encode())
        elif isinstance(kind, EnumMeta) and (isinstance(value, kind) or _is_sunder(name)):
            continue
        elif not _is_dunder(name) or _does_something(value):
            yield _binding(walk, name, value, is_written=False)
    if isinstance(kind, EnumMeta):
        members = cast("dict[str, Any]", kind.__members__)
        yield walk.entries((name, member.value) for name, member in members.items())


def _does_something(value: Any) -> bool:
    return isinstance(value, (FunctionType, staticmethod, classmethod, property, str, tuple, int, type(None)))


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_sunder(name: str) -> bool:
    return name.startswith("_") and name.endswith("_") and not _is_dunder(name)
