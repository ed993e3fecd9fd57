"""Instances of any class, digested whole or by the parts from which pickle restores them.

An instance whose memory is fully explained by its attributes, its slots and a built-in base is digested
whole, including what its `__getstate__` would leave out. Hidden state of a compiled type counts by the parts
that the type returns for a copy (`__reduce__`). An author's `__reduce__` of a type with hidden state is not
trusted: it may leave something out.
"""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Iterator
from functools import lru_cache
from types import FunctionType, GetSetDescriptorType, MappingProxyType, MemberDescriptorType, TracebackType
from typing import Any, cast

from ...foundation.errors import NoFingerprint
from .code import found_by_name, is_installed, named_in_its_module
from .digests import Walk, digest_of
from .plain import BASES

_COPIED_BY = ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs_ex__", "__getnewargs__")
_OF_ALL_ERRORS = frozenset(vars(BaseException))


def of_object(walk: Walk, value: Any, kind: type[Any]) -> bytes:
    """The digest of an instance; raises NoFingerprint."""
    if kind is MappingProxyType:
        return digest_of("mappingproxy", walk.entries(cast("MappingProxyType[Any, Any]", value).items()))
    if issubclass(kind, BaseException):
        known = next(each for each in kind.__mro__ if each.__module__ == "builtins")
        if _is_covered(kind, known):
            error = _of_error(walk, value, known)
            return digest_of("error", walk.of(kind), error, attributes(walk, value, known))
        return _of_parts(walk, value, kind)
    known = next(each for each in kind.__mro__ if each in BASES)
    if kind is not object and _is_covered(kind, known):
        content = BASES[known](walk, value)
        return digest_of("object", walk.of(kind), content, attributes(walk, value, known))
    return _of_parts(walk, value, kind)


def attributes(walk: Walk, value: Any, known: type[Any], without: frozenset[str] = frozenset()) -> bytes:
    """What an instance holds in slots and `__dict__` beyond `known`, a base that is digested separately."""
    return walk.entries((name, part) for name, part in _attributes(value, known) if name not in without)


def _attributes(value: Any, known: type[Any]) -> Iterator[tuple[str, Any]]:
    kind = cast("type[Any]", type(value))
    for owner, slot in _slots(kind, known):
        try:
            yield f"{owner.__qualname__}.{slot.__name__}", slot.__get__(value, kind)
        except AttributeError:  # it was never set
            continue
    if kind.__dictoffset__:
        yield from object.__getattribute__(value, "__dict__").items()


def _slots(kind: type[Any], known: type[Any]) -> list[tuple[type[Any], MemberDescriptorType]]:
    inherited = known.__mro__
    return [
        (owner, part)
        for owner in kind.__mro__
        if owner not in inherited
        for part in vars(owner).values()
        if isinstance(part, MemberDescriptorType)
    ]


def _is_covered(kind: type[Any], known: type[Any]) -> bool:
    """Whether instances hold nothing beyond the content of `known`, slots and a `__dict__`."""
    if kind is known:
        return True
    more = len(_slots(kind, known)), bool(kind.__dictoffset__), bool(kind.__weakrefoffset__)
    return (kind.__basicsize__, kind.__itemsize__) == _size_with(known, *more)


@lru_cache(maxsize=1024)
def _size_with(known: type[Any], slots: int, has_dict: bool, has_weakref: bool) -> tuple[int, int] | None:
    """The size of an instance of a Python class that adds these slots to `known`."""
    names = [f"slot_{number}" for number in range(slots)]
    if has_dict and not known.__dictoffset__:
        names.append("__dict__")
    if has_weakref and not known.__weakrefoffset__:
        names.append("__weakref__")
    try:
        probe: type[Any] = type("probe", (known,), {"__slots__": tuple(names)})
    except TypeError:  # such a class cannot be written in Python
        return None
    return probe.__basicsize__, probe.__itemsize__


def _of_error(walk: Walk, error: BaseException, known: type[Any]) -> bytes:
    own = [
        (name, part.__get__(error, type(error)))
        for owner in known.__mro__
        for name, part in sorted(vars(owner).items())
        if isinstance(part, (MemberDescriptorType, GetSetDescriptorType))
        and name not in _OF_ALL_ERRORS
        and hasattr(error, name)
    ]
    chain = [error.args, error.__cause__, error.__context__, error.__suppress_context__]
    return walk.members([*chain, *_places(error.__traceback__)]) + walk.entries(own)


def _places(at: TracebackType | None) -> Iterator[str]:
    while at is not None:
        yield f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}:{at.tb_frame.f_code.co_name}"
        at = at.tb_next


def _of_parts(walk: Walk, value: Any, kind: type[Any]) -> bytes:
    if kind is object:
        raise _none_for(kind, "it holds nothing")
    named = named_in_its_module(value)
    if named is not None:  # a function of a compiled module
        return named
    more = list(_attributes(value, object))  # before its parts: reading them creates an empty `__dict__`
    parts = _parts(value, kind)
    if isinstance(parts, str):
        module = getattr(value, "__module__", None) or cast("Any", pickle).whichmodule(value, parts)
        if not found_by_name(value, module, parts):
            raise _none_for(kind, f"it is not {module}.{parts}")
        return digest_of("named", walk.of(kind), f"{module}.{parts}".encode())
    make, arguments, *rest = parts
    state, listed, mapped = (*rest, None, None, None)[:3]
    return digest_of(
        "made of",
        walk.of(kind),
        walk.members([make, arguments, state]),
        walk.members(listed or ()),
        walk.entries(mapped or ()),
        walk.entries(more),
    )


def _parts(value: Any, kind: type[Any]) -> Any:
    """What the type returns for a copy: a name, or a tuple as `__reduce__` returns it."""
    registered = cast("dict[Any, Any]", copyreg.dispatch_table).get(kind)
    if registered is None:
        for name in _COPIED_BY:
            owner = next((each for each in kind.__mro__ if name in vars(each)), object)
            written = isinstance(vars(owner).get(name), FunctionType)
            if written and not is_installed(owner.__module__):
                raise _none_for(kind, f"its {name} may leave out a part of it")
    try:
        # Protocol 4 is the newest that returns all parts as plain objects.
        return registered(value) if registered is not None else value.__reduce_ex__(4)
    except Exception as error:
        raise _none_for(kind, str(error) or type(error).__name__) from error


def _none_for(kind: type[Any], reason: str) -> NoFingerprint:
    return NoFingerprint(f"nothing tells one {kind.__module__}.{kind.__qualname__} from another ({reason})")
