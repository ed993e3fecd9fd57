"""Pickling by value: functions and classes of scripts, which other processes cannot import, travel whole.

cloudpickle does it, but from version 3.1.3 on it gives all code the file name `<dynamic-code>`: a traceback
would name neither the author's file nor show the line. Here code keeps its file name.
"""

from __future__ import annotations

import io
import pickle
from collections import ChainMap
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any, cast

import cloudpickle

_cloudpickle: Any = cloudpickle  # it has no types
_Pickler: Any = _cloudpickle.Pickler
_reduce_code: Any = _Pickler.dispatch_table[CodeType]
_STAND_IN = "<dynamic-code>"


def dumps(
    value: object,
    buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None,
    instead: Callable[[object], Any] | None = None,
) -> bytes:
    """`value` as bytes for `pickle.loads`; raises whatever its parts raise when they cannot be pickled.

    instead: asked for each part how it is pickled, as a pickler's `reducer_override` is.
    """
    file = io.BytesIO()
    pickler = _KeepsFileNames(file, 5, buffer_callback=buffer_callback)
    pickler.instead = instead
    pickler.dump(value)
    return file.getvalue()


def register(module: ModuleType) -> None:
    """From now on what is defined in `module` travels by value, although it could be imported here."""
    _cloudpickle.register_pickle_by_value(module)


def _reduce_code_with_its_file(code: CodeType) -> tuple[Any, ...]:
    make, arguments, *rest = cast("tuple[Any, ...]", _reduce_code(code))
    named = [code.co_filename if each == _STAND_IN else each for each in arguments]
    return (make, tuple(named), *rest)


class _KeepsFileNames(_Pickler):
    dispatch_table = ChainMap({CodeType: _reduce_code_with_its_file}, _Pickler.dispatch_table)
    instead: Callable[[object], Any] | None = None

    def reducer_override(self, obj: Any) -> Any:
        if self.instead is not None:
            reduced = self.instead(obj)
            if reduced is not NotImplemented:
                return reduced
        inherited: Any = super()
        return inherited.reducer_override(obj)
