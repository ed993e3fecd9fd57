"""The parameters of a call: bound to names, validated from annotations, described for forms, shown to people.

A call's arguments are checked here before anything starts, so that a wrong one changes nothing. pydantic
coerces values, and is imported at the first value that does not have its annotated plain type already.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, cast
from weakref import WeakKeyDictionary

from ..foundation.errors import ParameterMismatch, UserError
from .annotations import Unfit, adapter_for, fits, resolved_annotations, schemas_of, validated
from .docstrings import parameter_descriptions
from .parameter_values import read, written
from .readable import readable
from .sayable import Unsayable, plain_form

_NONE = cast("type[Any]", type(None))
# Pydantic validates these lazily, and would pass the author a wrapper instead of the iterator.
_LAZY = (collections.abc.Iterable, collections.abc.Iterator, collections.abc.Generator)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class ParameterSchema(TypedDict):
    """The JSON schema of a function's parameters as the standard API and its forms know it."""

    title: str
    type: str
    properties: dict[str, dict[str, Any]]
    required: list[str]
    definitions: dict[str, Any]


def bind(fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of `fn(*args, **kwargs)` by name, with defaults; `*args` is a tuple, `**kwargs` a dict.

    Raises ParameterMismatch, which names every missing, unexpected or doubled parameter.
    """
    signature = _shape(fn).signature
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        problems = _misfits(signature, args, kwargs) or {"": str(error)}
        raise _mismatch(fn, problems) from None
    bound.apply_defaults()
    return bound.arguments


def unbind(fn: Callable[..., Any], parameters: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The `(args, kwargs)` that give `fn` these parameters; the reverse of `bind`."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    by_position = True
    for name, parameter in _shape(fn).signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            kwargs.update(parameters.get(name) or {})
        elif name not in parameters:
            by_position = False  # its default is used; what follows must go by name
        elif parameter.kind is parameter.VAR_POSITIONAL:
            args.extend(parameters[name])
        elif by_position and parameter.kind in _POSITIONAL:
            args.append(parameters[name])
        else:
            kwargs[name] = parameters[name]
    return tuple(args), kwargs


def validate(fn: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters coerced to their annotations, with defaults, in the order of the signature.

    Coercion is pydantic's lax mode: "3" becomes 3 for an `int`, a dict becomes a model or dataclass. Any
    class may be an annotation (its instances fit). Values that are the default, have no annotation, or are
    iterators are not changed. Raises ParameterMismatch with one line for each parameter.
    """
    return _valid(fn, parameters, _Shape.coerce)


def arrived(fn: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`validate` for parameters given as JSON (by a deployment or a form): the reverse of `to_send`."""
    return _valid(fn, parameters, _Shape.read)


def to_send(fn: Callable[..., Any], parameters: Mapping[str, Any], *, checked: bool = True) -> dict[str, Any]:
    """The parameters as JSON, from which `arrived` makes what `validate` makes of the parameters themselves.

    `checked` is False for a flow that does not validate its parameters. Parameters may be missing. Raises
    ParameterMismatch, which names each parameter that does not fit, or has no exact form in JSON. Secrets are
    written in clear text.
    """
    shape = _shape(fn)
    problems = _unknown(shape.signature, parameters)
    forms: dict[str, Any] = {}
    for name in parameters.keys() - problems.keys():
        try:
            forms[name] = shape.written(name, parameters[name], checked)
        except Unfit as unfit:
            problems[name] = str(unfit)
        except Unsayable as unsayable:
            problems[name] = f"cannot be sent: {unsayable}"
    if problems:
        raise _mismatch(fn, problems)
    return {name: forms[name] for name in parameters}


def _valid(
    fn: Callable[..., Any], parameters: Mapping[str, Any], take: Callable[[_Shape, str, Any], Any]
) -> dict[str, Any]:
    shape = _shape(fn)
    problems = _unknown(shape.signature, parameters)
    valid: dict[str, Any] = {}
    for name, parameter in shape.signature.parameters.items():
        if name not in parameters:
            if parameter.default is not parameter.empty:
                valid[name] = parameter.default
            elif parameter.kind is parameter.VAR_POSITIONAL:
                valid[name] = ()
            elif parameter.kind is parameter.VAR_KEYWORD:
                valid[name] = {}
            else:
                problems[name] = "is missing"
            continue
        try:
            valid[name] = take(shape, name, parameters[name])
        except Unfit as unfit:
            problems[name] = str(unfit)
    if problems:
        raise _mismatch(fn, problems)
    return valid


def json_schema(fn: Callable[..., Any]) -> ParameterSchema:
    """The JSON schema of `fn`'s parameters, each with title, position, default and description.

    Models used by several parameters are written once, in `definitions`. A parameter that JSON cannot
    describe accepts anything.
    """
    shape = _shape(fn)
    described = parameter_descriptions(inspect.getdoc(fn))
    schemas, definitions = shape.schemas()
    schema = ParameterSchema(
        title="Parameters", type="object", properties={}, required=[], definitions=definitions
    )
    for position, (name, parameter) in enumerate(shape.public().items()):
        entry: dict[str, Any] = {**schemas.get(name, {}), "title": name, "position": position}
        if name in described:
            entry["description"] = described[name]
        if _is_required(parameter):
            schema["required"].append(name)
        else:
            _add_default(entry, parameter, shape.adapter(name) if name in shape.hints else None)
        schema["properties"][name] = entry
    return schema


def from_cli(fn: Callable[..., Any], pairs: Sequence[str]) -> dict[str, Any]:
    """Parameters from `name=value` texts: a value is read as JSON if it parses, else taken as text.

    For a parameter annotated as text the value stays as it was typed (`zip=02134`), unless it is a quoted
    JSON string. Unknown names go into `**kwargs` if there is one. The result is not validated and has no
    defaults.
    """
    shape = _shape(fn)
    keywords = _keywords_name(shape.signature)
    parameters: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            problems[name or pair] = f"write it as name=value, not {pair!r}"
            continue
        known = name in shape.signature.parameters
        target = parameters if known or keywords is None else parameters.setdefault(keywords, {})
        if name in target:
            problems[name] = "is given twice"
        target[name] = _from_text(text, shape.hints.get(name) if known else None)
    problems |= _unknown(shape.signature, parameters)
    if problems:
        raise _mismatch(fn, problems)
    return parameters


def to_json(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as JSON for people to read: other values become text, long ones are cut."""
    return {str(name): readable(value) for name, value in parameters.items()}


@dataclass
class _Shape:
    """What is known of a function's parameters, computed once; validators are made when needed."""

    signature: inspect.Signature
    hints: dict[str, Any]  # resolved annotations; those of *args and **kwargs are of the whole tuple or dict
    receiver: str | None  # the name of `self` or `cls` in a function of a class
    _adapters: dict[str, Any] = field(default_factory=dict[str, Any])

    def public(self) -> dict[str, inspect.Parameter]:
        return {name: p for name, p in self.signature.parameters.items() if name != self.receiver}

    def coerce(self, name: str, value: Any) -> Any:
        parameter, hint = self.signature.parameters[name], self.hints.get(name)
        if hint is None or name == self.receiver or value is parameter.default or fits(value, hint):
            return value
        adapter = self.adapter(name)
        return value if adapter is None else validated(adapter, value)

    def read(self, name: str, form: Any) -> Any:
        """`coerce` for a value given as JSON, where bytes are text and sets are lists."""
        parameter, hint = self.signature.parameters[name], self.hints.get(name)
        if hint is None or name == self.receiver or form is parameter.default:
            several = parameter.kind is parameter.VAR_POSITIONAL
            return tuple(cast("list[Any]", form)) if several and isinstance(form, list) else form
        adapter = None if fits(form, hint) else self.adapter(name)
        return form if adapter is None else read(adapter, form)

    def written(self, name: str, given: Any, checked: bool) -> Any:
        """The reverse of `read`. Raises Unfit, Unsayable."""
        several = self.signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
        if several and isinstance(given, tuple):
            given = list(cast("tuple[Any, ...]", given))
        value = self.coerce(name, given) if checked else given
        adapter = self.adapter(name) if checked and name in self.hints else None
        if adapter is not None and name != self.receiver:
            return written(adapter, given, value)
        try:
            return plain_form(given)
        except Unsayable as unsayable:
            more = "" if name in self.hints or not checked else "; an annotation of the parameter may help"
            raise Unsayable(f"{unsayable}{more}") from None

    def adapter(self, name: str) -> Any:
        if name not in self._adapters:
            self._adapters[name] = adapter_for(self.hints[name])
        return self._adapters[name]

    def schemas(self) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        adapters = {name: self.adapter(name) for name in self.public() if name in self.hints}
        return schemas_of({name: adapter for name, adapter in adapters.items() if adapter is not None})


_shapes: WeakKeyDictionary[Any, _Shape] = WeakKeyDictionary()
_method_shapes: WeakKeyDictionary[Any, _Shape] = WeakKeyDictionary()


def _shape(fn: Callable[..., Any]) -> _Shape:
    """The shape of `fn`, kept as long as the function lives; for a bound method, as long as its function."""
    if isinstance(fn, types.MethodType):
        cache, key = _method_shapes, fn.__func__
    else:
        cache, key = _shapes, fn
    try:
        shape = cache.get(key)
        if shape is None:
            shape = cache[key] = _read_shape(fn)
        return shape
    except TypeError:  # a callable object that cannot be hashed or weakly referred to
        return _read_shape(fn)


def _read_shape(fn: Callable[..., Any]) -> _Shape:
    try:
        signature = inspect.signature(fn)
    except ValueError as error:
        raise UserError(
            f"{_name(fn)} has no signature that Python can read.", hint="Wrap it in a function of your own."
        ) from error
    annotations = resolved_annotations(fn)
    hints: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        hint = annotations.get(name)
        if hint is not None and hint is not Any and hint is not object:
            hints[name] = _hint_of_all(parameter, hint)
    return _Shape(signature, {n: h for n, h in hints.items() if h is not None}, _receiver(fn, signature))


def _hint_of_all(parameter: inspect.Parameter, hint: Any) -> Any:
    if typing.get_origin(hint) in _LAZY or hint in _LAZY:
        return None
    if parameter.kind is parameter.VAR_POSITIONAL:
        return tuple[hint, ...]
    if parameter.kind is parameter.VAR_KEYWORD:
        unpacked = typing.get_origin(hint) is typing.Unpack
        return typing.get_args(hint)[0] if unpacked else dict[str, hint]
    return hint


def _receiver(fn: Callable[..., Any], signature: inspect.Signature) -> str | None:
    """`self` or `cls`, when `fn` is a plain function of a class whose first parameter has that name."""
    first = next(iter(signature.parameters), None)
    owner = getattr(fn, "__qualname__", "").rpartition(".")[0]
    in_class = owner != "" and not owner.endswith("<locals>")
    return first if first in ("self", "cls") and in_class and not isinstance(fn, types.MethodType) else None


def _is_required(parameter: inspect.Parameter) -> bool:
    varied = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not varied


def _add_default(entry: dict[str, Any], parameter: inspect.Parameter, adapter: Any) -> None:
    if parameter.kind is parameter.VAR_POSITIONAL:
        entry.update({"type": "array", "default": []})
    elif parameter.kind is parameter.VAR_KEYWORD:
        entry.setdefault("type", "object")
        entry["default"] = {}
    else:
        default = _json_default(parameter.default, adapter)
        if default is not parameter.empty:
            entry["default"] = default


def _json_default(default: Any, adapter: Any) -> Any:
    """The default as JSON; `Parameter.empty` where no JSON form has its meaning.

    A form sends the default back, so it must arrive unchanged. Secrets are left out.
    """
    if default is None:
        return None  # a default of None is valid whatever the annotation says
    try:
        return plain_form(default) if adapter is None else written(adapter, default, default, secrets=False)
    except Unsayable:
        return inspect.Parameter.empty


def _from_text(text: str, hint: Any) -> Any:
    wants_text = hint is not None and set(typing.get_args(hint) or (hint,)) <= {str, _NONE}
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if wants_text and hint is not None and not isinstance(value, str):
        return None if value is None and hint is not str else text
    return value


def _unknown(signature: inspect.Signature, names: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: "is no parameter" + _suggestion(name, signature)
        for name in names
        if name not in signature.parameters
    }


def _misfits(signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a call, by parameter, under Python's rules, but all mistakes at once."""
    parameters = signature.parameters
    positional = [name for name, p in parameters.items() if p.kind in _POSITIONAL]
    problems: dict[str, str] = {}
    if len(args) > len(positional) and not any(p.kind is p.VAR_POSITIONAL for p in parameters.values()):
        taken = ", ".join(positional) or "none"
        problems["positional arguments"] = f"{len(args)} were given, but only these are taken: {taken}"
    for name in kwargs:
        parameter = parameters.get(name)
        nameless = parameter is not None and parameter.kind is parameter.POSITIONAL_ONLY
        varied = parameter is not None and parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if (parameter is None or varied or nameless) and _keywords_name(signature) is not None:
            continue
        if nameless:
            problems[name] = "can only be given by position"
        elif parameter is None or varied:
            problems[name] = "is no parameter" + _suggestion(name, signature)
        elif name in positional[: len(args)]:
            problems[name] = "is given twice, by position and by name"
    for name, parameter in parameters.items():
        given = name in positional[: len(args)] or (name in kwargs and name not in problems)
        if _is_required(parameter) and not given and name not in problems:
            problems[name] = "is missing"
    return problems


def _keywords_name(signature: inspect.Signature) -> str | None:
    return next((name for name, p in signature.parameters.items() if p.kind is p.VAR_KEYWORD), None)


def _suggestion(name: str, signature: inspect.Signature) -> str:
    from ..foundation.near_names import nearest  # late: only mistakes pay for the import

    known = [n for n, p in signature.parameters.items() if p.kind is not p.VAR_KEYWORD]
    close = nearest(name, known)
    if close:
        return f"; did you mean {close!r}?"
    return f"; there are {', '.join(known)}" if known else "; it takes none"


def _mismatch(fn: Callable[..., Any], problems: Mapping[str, str]) -> ParameterMismatch:
    lines = [f"  {name}: {reason}" if name else f"  {reason}" for name, reason in problems.items()]
    error = ParameterMismatch(
        f"{_name(fn)} cannot be called with these parameters:\n" + "\n".join(lines),
        hint=f"It is called as {_name(fn)}{_shape(fn).signature}.",
    )
    error.parameters = tuple(problems)
    return error


def _name(fn: Callable[..., Any]) -> str:
    while isinstance(fn, functools.partial):
        fn = cast("Callable[..., Any]", fn.func)
    return getattr(fn, "__name__", type(fn).__name__)
