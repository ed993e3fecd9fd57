"""Pickling by value: functions and classes of scripts, which other processes cannot import, are sent whole.

cloudpickle does it, but since version 3.1.3 it names the file of all code `<dynamic-code>`: a traceback would
not name the author's file or show the line. Here code keeps its file name.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

import cloudpickle

_cloudpickle: Any = cloudpickle  # without type information
_Pickler: Any = _cloudpickle.Pickler
_reduce_code: Any = _Pickler.dispatch_table[CodeType]
_LRU: type[Any] = type(functools.lru_cache(len))
_SINGLE_DISPATCH = cast("FunctionType", functools.singledispatch(len)).__code__
_STAND_IN = "<dynamic-code>"


def dumps(
    value: object,
    buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None,
    instead: Callable[[object], Any] | None = None,
) -> bytes:
    """`value` as bytes for `pickle.loads`; raises what its parts raise when they cannot be pickled.

    instead: called with each part, like a pickler's `reducer_override`.
    """
    file = io.BytesIO()
    pickler = _KeepsFileNames(file, 5, buffer_callback=buffer_callback)
    pickler.instead = instead
    pickler.dump(value)
    return file.getvalue()


def register(module: ModuleType) -> None:
    """Pickle what `module` defines by value from now on, although it can be imported here."""
    _cloudpickle.register_pickle_by_value(module)


def _reduce_code_with_its_file(code: CodeType) -> tuple[Any, ...]:
    make, arguments, *rest = cast("tuple[Any, ...]", _reduce_code(code))
    named = [code.co_filename if each == _STAND_IN else each for each in arguments]
    return (make, tuple(named), *rest)


def _reduce_wrapper(obj: Any) -> Any:
    """How wrappers of `functools` are pickled: plain pickle would only store their name, or fail at their
    locks.
    """
    kind = cast("type[Any]", type(obj))
    if kind is _LRU:
        if not _travels_by_value(obj):
            return NotImplemented
        return (_make_lru, (obj.__wrapped__, obj.cache_parameters()), dict(obj.__dict__), None, None, _update)
    if kind is functools.cached_property:
        return (_make_cached_property, (obj.func, obj.attrname))
    if kind is FunctionType and obj.__code__ is _SINGLE_DISPATCH and _travels_by_value(obj):
        cases = dict(obj.registry)
        return (_make_single_dispatch, (cases.pop(object),), cases, None, None, _register)
    return NotImplemented


def _travels_by_value(obj: Any) -> bool:
    """Whether other processes cannot import this object by its name."""
    name = obj.__module__
    if name == "__main__" or any(name == each or name.startswith(each + ".") for each in _registered()):
        return True
    found: Any = sys.modules.get(name or "")
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is not obj


def _registered() -> set[str]:
    return _cloudpickle.list_registry_pickle_by_value()


def _make_lru(wrapped: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(wrapped)


def _update(made: Any, attributes: dict[str, Any]) -> None:
    made.__dict__.update(attributes)


def _make_cached_property(function: Callable[[Any], Any], name: str | None) -> Any:
    made = functools.cached_property(function)
    made.attrname = name
    return made


def _make_single_dispatch(function: Callable[..., Any]) -> Any:
    return functools.singledispatch(function)


def _register(made: Any, cases: dict[type[Any], Callable[..., Any]]) -> None:
    for kind, case in cases.items():
        made.register(kind, case)


class _KeepsFileNames(_Pickler):
    dispatch_table = ChainMap({CodeType: _reduce_code_with_its_file}, _Pickler.dispatch_table)
    instead: Callable[[object], Any] | None = None

    def reducer_override(self, obj: Any) -> Any:
        if self.instead is not None:
            reduced = self.instead(obj)
            if reduced is not NotImplemented:
                return reduced
        reduced = _reduce_wrapper(obj)
        if reduced is not NotImplemented:
            return reduced
        inherited: Any = super()
        return inherited.reducer_override(obj)
