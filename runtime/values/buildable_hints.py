"""Annotations made fit for pydantic: parts that it cannot build or check accept any object."""

from __future__ import annotations

import base64
import binascii
import collections.abc
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, cast

BASE64_PREFIX = "data:;base64,"
BASE64_MARK = "x-base64"
"""In a schema: bytes may be given as a text of this prefix and base64."""

_MAX_DEPTH = 8


def buildable(hint: Any) -> Any:
    """The annotation with every part replaced that pydantic would refuse or could not check.

    Protocols that are not runtime-checkable and unbound type parameters become Any; TypedDicts of `typing`
    become those of `typing_extensions`; bytes become bytes that are sent as text. Never raises.
    """
    try:
        return _part(hint, 0)
    except Exception:  # an unusual kind of annotation, of this Python or of the author
        return hint


def loosened(hint: Any, builds: Callable[[Any], bool]) -> Any:
    """The annotation with the innermost parts that do not build replaced by Any."""
    return _loosened(hint, builds, 0)


def _part(hint: Any, depth: int) -> Any:
    if hint is bytes:
        return _bytes()
    if depth > _MAX_DEPTH or _is_callable(hint):
        return hint
    if _is_unchecked(hint):
        return Any
    if isinstance(hint, typing.NewType):
        inner = _part(hint.__supertype__, depth + 1)
        return hint if inner is hint.__supertype__ else inner
    if typing.is_typeddict(hint):
        return _typed_dict(hint, depth)
    return _with_parts(hint, lambda part: _part(part, depth + 1))


def _loosened(hint: Any, builds: Callable[[Any], bool], depth: int) -> Any:
    if builds(hint):
        return hint
    origin: Any = typing.get_origin(hint)
    if depth > _MAX_DEPTH or origin is None or _is_callable(hint):
        return Any
    try:
        looser = _with_parts(hint, lambda part: _loosened(part, builds, depth + 1))
    except Exception:  # a generic that does not accept Any there
        looser = Any
    if looser is not Any and builds(looser):
        return looser
    return origin if inspect.isclass(origin) and builds(origin) else Any


def _is_callable(hint: Any) -> bool:
    function: Any = collections.abc.Callable
    return hint is function or typing.get_origin(hint) is function


def _is_unchecked(hint: Any) -> bool:
    """Whether no object can be checked against the annotation."""
    if isinstance(hint, typing.TypeVar):
        return hint.__bound__ is not None and _is_unchecked(hint.__bound__)
    if isinstance(hint, typing.ParamSpec | typing.ParamSpecArgs | typing.ParamSpecKwargs):
        return True
    if isinstance(hint, str | typing.ForwardRef):
        return True
    origin: Any = typing.get_origin(hint)
    if origin is type:
        return any(_is_unchecked(part) for part in typing.get_args(hint))
    kind: Any = hint if origin is None else origin
    if not inspect.isclass(kind) or not getattr(kind, "_is_protocol", False):
        return False
    return not getattr(kind, "_is_runtime_protocol", False)


def _with_parts(hint: Any, change: Callable[[Any], Any]) -> Any:
    """The annotation with its parts changed, or the given object when no part changes."""
    if typing.get_origin(hint) is typing.Literal:
        return hint
    if typing.get_origin(hint) is typing.Annotated:
        inner = typing.get_args(hint)[0]
        new = change(inner)
        return hint if new is inner else typing.Annotated[(new, *hint.__metadata__)]  # pyright: ignore[reportInvalidTypeForm]
    parts: tuple[Any, ...] = typing.get_args(hint)
    replaced: tuple[Any, ...] = tuple(part if _is_no_type(part) else change(part) for part in parts)
    if all(new is old for new, old in zip(replaced, parts, strict=True)):
        return hint
    if isinstance(hint, types.UnionType):
        return typing.Union[replaced]  # noqa: UP007
    return hint.copy_with(replaced) if hasattr(hint, "copy_with") else typing.get_origin(hint)[replaced]


def _is_no_type(part: Any) -> bool:
    return part is ... or isinstance(part, list)


def _typed_dict(hint: Any, depth: int) -> Any:
    """A TypedDict of typing_extensions: before Python 3.12 pydantic takes no other."""
    if sys.version_info >= (3, 12) or type(hint).__module__ != "typing":
        return hint
    import typing_extensions as extended

    fields = {
        name: (extended.Required if name in hint.__required_keys__ else extended.NotRequired)[
            _part(part, depth + 1)
        ]
        for name, part in typing.get_type_hints(hint).items()
    }
    return cast("Any", extended.TypedDict)(hint.__name__, fields)


def _bytes() -> Any:
    """The annotation of bytes that JSON holds as UTF-8 text, or as base64 behind a prefix."""
    import pydantic

    return typing.Annotated[
        bytes,
        pydantic.BeforeValidator(bytes_of_text),
        pydantic.PlainSerializer(text_of_bytes, return_type=str, when_used="json"),
        pydantic.WithJsonSchema({"type": "string", "format": "binary", BASE64_MARK: BASE64_PREFIX}),
    ]


def bytes_of_text(value: Any) -> Any:
    """The bytes of a text with the base64 prefix; any other value is returned unchanged."""
    if not isinstance(value, str) or not value.startswith(BASE64_PREFIX):
        return value
    try:
        return base64.b64decode(value.removeprefix(BASE64_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64 behind {BASE64_PREFIX!r}: {error}") from None


def text_of_bytes(value: bytes) -> str:
    """Bytes as a text, from which `bytes_of_text` or UTF-8 encoding restores them."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = BASE64_PREFIX
    if "\0" in text or text.startswith(BASE64_PREFIX):
        return BASE64_PREFIX + base64.b64encode(value).decode("ascii")
    return text
