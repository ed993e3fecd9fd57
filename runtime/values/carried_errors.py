"""Exceptions as bytes, from which another process restores the author's own exception.

Plain pickle restores an exception by calling its class with its `args`, which fails, or silently changes the
message, when its `__init__` takes other arguments. Here an exception is sent as its class, its `args` and its
attributes, and restored without `__init__`. An attribute that cannot be sent (a lock, a socket) is replaced
by a Lost, which says so when it is used. Exceptions behind it or inside it (cause, context, members of a
group, attributes) are packed one by one, so that one that cannot be restored does not spoil the others.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FunctionType, MemberDescriptorType
from typing import Any, cast

from ..foundation.errors import TaskFailed

_MAX_DEPTH = 20  # of exceptions inside or behind each other
_COPIED_BY = ("__reduce_ex__", "__reduce__", "__getstate__")
Group = BaseExceptionGroup[BaseException]


class Lost:
    """Replaces an attribute of an exception that could not be sent to this process."""

    def __init__(self, kind: str, text: str, shown: str, reason: str) -> None:
        self.__dict__.update(_kind=kind, _text=text, _shown=shown, _reason=reason)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"{name!r} of a {self._kind} that an exception held where it was raised: it could not be sent"
            f" to this process ({self._reason})"
        )

    def __reduce__(self) -> Any:
        return (Lost, (self._kind, self._text, self._shown, self._reason))

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return self._shown  # the original's repr, which may be part of a message


@dataclass(slots=True)
class _Journey:
    """The packing of one exception and all exceptions behind or inside it."""

    open: list[int] = field(default_factory=list[int])  # exceptions that are being packed, outermost first
    packed: dict[int, bytes | None] = field(default_factory=dict[int, "bytes | None"])
    kept: list[BaseException] = field(
        default_factory=list[BaseException]
    )  # kept alive, so that no id is used again


def pack(error: BaseException) -> bytes | None:
    """The exception as bytes for `unpack`, checked to come back unchanged; None if that is impossible."""
    return _pack(error, _Journey())


def unpack(data: bytes) -> BaseException | None:
    """The exception that was packed, or None when it cannot be restored here (its class is missing)."""
    try:
        error: object = pickle.loads(data)
    except Exception:  # unpickling runs the author's code, which may raise anything
        return None
    return error if isinstance(error, BaseException) else None


def type_name(kind: type[BaseException]) -> str:
    bare = kind.__module__ in ("builtins", "__main__")
    return kind.__qualname__ if bare else f"{kind.__module__}.{kind.__qualname__}"


def text_of(error: BaseException) -> str:
    """The message; never fails."""
    try:
        return str(error)
    except Exception as trouble:
        return f"<no message: its __str__ raised {type(trouble).__name__}>"


def stand_in(kind: str, message: str) -> TaskFailed:
    """A replacement for an exception that cannot be restored here; it names the original."""
    return TaskFailed(
        f"{kind}: {message}" if message else kind,
        hint=f"{kind} could not be restored in this process: its class cannot be imported here, or fails."
        " Define it in a module that both processes can import.",
    )


def _pack(error: BaseException, journey: _Journey) -> bytes | None:
    if id(error) in journey.packed:
        return journey.packed[id(error)]
    journey.kept.append(error)
    journey.open.append(id(error))
    try:
        data = _first_that_works(error, journey)
    finally:
        journey.open.pop()
    journey.packed[id(error)] = data
    return data


def _first_that_works(error: BaseException, journey: _Journey) -> bytes | None:
    forms: list[Callable[[], Any]] = [lambda: _bare(error, lambda value: value)]
    forms.append(lambda: _bare(error, lambda value: _what_travels(value, journey)))
    if _has_a_way_of_its_own(type(error)):
        forms.insert(0, lambda: _own(error))
    for form in forms:
        try:
            data = _dumps(_Form(form()), journey)
            if _same(pickle.loads(data), error):
                return data
        except BaseException as trouble:  # the author's code (__reduce__, __setstate__) may raise anything
            if isinstance(trouble, KeyboardInterrupt) and not isinstance(error, KeyboardInterrupt):
                raise
    return None


class _Form:
    """An object that is pickled as `reduced`, a tuple as `__reduce__` returns it."""

    def __init__(self, reduced: Any) -> None:
        self._reduced = reduced

    def __reduce__(self) -> Any:
        return self._reduced


def _dumps(value: object, journey: _Journey) -> bytes:
    from . import by_value  # late: only runs with errors pay for the import

    return by_value.dumps(value, instead=lambda part: _instead(part, journey))


def _instead(part: object, journey: _Journey) -> Any:
    """How an exception inside another one is pickled; NotImplemented for all other objects."""
    if not isinstance(part, BaseException):
        return NotImplemented
    if id(part) in journey.open or len(journey.open) >= _MAX_DEPTH:
        reason = "it leads back to the exception itself, or is nested too deeply"
        return (Lost, (type_name(type(part)), text_of(part), f"<{type_name(type(part))}>", reason))
    return (_unpack_inner, (_pack(part, journey), type_name(type(part)), text_of(part)))


def _unpack_inner(data: bytes | None, kind: str, message: str) -> BaseException:
    error = None if data is None else unpack(data)
    return stand_in(kind, message) if error is None else error


def _has_a_way_of_its_own(kind: type[BaseException]) -> bool:
    return any(
        isinstance(vars(owner).get(name), FunctionType) for owner in kind.__mro__ for name in _COPIED_BY
    )


def _own(error: BaseException) -> Any:
    """Pickled by the author's `__reduce__`."""
    made: Any = error.__reduce_ex__(5)
    return (_linked, (_Form(made), *_links(error)))


def _bare(error: BaseException, sent: Callable[[Any], Any]) -> Any:
    """Pickled as class and content; each part of the content passes through `sent`."""
    kind = type(error)
    attributes = {name: sent(value) for name, value in error.__dict__.items()}
    slots = {name: sent(value) for name, value in _slots(error)}
    if issubclass(kind, BaseExceptionGroup):
        group: Any = error
        made = _Form((_make_group, (kind, group.message, list(group.exceptions), attributes, slots)))
    else:
        made = _Form((_make, (kind, tuple(map(sent, error.args)), attributes, slots)))
    return (_linked, (made, *_links(error)))


def _slots(error: BaseException) -> Iterator[tuple[str, Any]]:
    """What is not in `__dict__`: the author's slots, and attributes of built-in errors such as errno."""
    for owner in type(error).__mro__:
        if owner in (BaseException, BaseExceptionGroup):
            continue
        for name, part in vars(owner).items():
            if isinstance(part, MemberDescriptorType):
                try:
                    yield name, part.__get__(error, type(error))
                except AttributeError:  # it was never set
                    continue


def _links(error: BaseException) -> tuple[Any, ...]:
    context = error.__context__ if error.__context__ is not error.__cause__ else True
    return (error.__cause__, context, error.__suppress_context__)


def _what_travels(value: Any, journey: _Journey) -> Any:
    try:
        pickle.loads(_dumps(value, journey))
    except Exception as trouble:
        kind = cast("type[Any]", type(value))
        name = f"{kind.__module__}.{kind.__qualname__}"
        try:
            text, shown = str(value), repr(value)
        except Exception:  # the author's methods may raise anything
            text = shown = f"<{name}>"
        return Lost(name, text, shown, str(trouble) or type(trouble).__name__)
    return value


def _native(kind: type[BaseException]) -> type[BaseException]:
    return next(each for each in kind.__mro__ if each.__module__ == "builtins")


def _make(
    kind: type[BaseException], args: tuple[Any, ...], attributes: dict[str, Any], slots: dict[str, Any]
) -> BaseException:
    error = _native(kind).__new__(kind, *args)
    error.args = args
    return _filled(error, attributes, slots)


def _make_group(
    kind: type[Group],
    message: str,
    members: list[BaseException],
    attributes: dict[str, Any],
    slots: dict[str, Any],
) -> BaseException:
    return _filled(_native(kind).__new__(kind, message, members), attributes, slots)


def _filled(error: BaseException, attributes: dict[str, Any], slots: dict[str, Any]) -> BaseException:
    for name, value in slots.items():
        part = next(vars(owner)[name] for owner in type(error).__mro__ if name in vars(owner))
        try:
            # An unset attribute reads as None, but would be shown once it is set to None.
            if value is not None or getattr(error, name, None) is not None:
                part.__set__(error, value)
        except (AttributeError, TypeError):  # read-only in this version of Python: `__new__` has set it
            continue
    error.__dict__.update(attributes)
    return error


def _linked(
    error: BaseException, cause: BaseException | Lost | None, context: Any, suppressed: bool
) -> BaseException:
    error.__cause__ = cause if isinstance(cause, BaseException) else None
    if context is True:
        error.__context__ = error.__cause__
    else:
        error.__context__ = context if isinstance(context, BaseException) else None
    error.__suppress_context__ = suppressed
    return error


def _same(again: object, error: BaseException) -> bool:
    return (
        isinstance(again, BaseException)
        and type(again).__qualname__ == type(error).__qualname__
        and text_of(again) == text_of(error)
        and len(again.args) == len(error.args)
        and again.__dict__.keys() == error.__dict__.keys()
    )
