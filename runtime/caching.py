"""When a task's answer from an earlier run will do: cache policies, and fingerprints of inputs.

A policy turns what is known about a call into a key; equal keys share a result. The store keeps keys and
where their results lie, the engine asks it before a call and files the result after it.
"""

from __future__ import annotations

import dataclasses
import inspect
import marshal
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from hashlib import blake2b
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, cast
from uuid import UUID

from .errors import CannotPickle, UserError

MAX_KEY_LENGTH = 2000  # what the standard API takes


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """What policies may look at besides the inputs. None is "not known": a policy on it makes no key."""

    task_key: str
    source: str | None = None  # see source_of
    run_id: UUID | str | None = None
    flow_parameters: Mapping[str, Any] | None = None


def compute_key(policy: CachePolicy, facts: CacheFacts, inputs: Mapping[str, Any]) -> str | None:
    """The cache key of a call, or None when it is not to be cached.

    `inputs` maps parameter names to resolved values (no futures). Raises UserError naming the argument that
    cannot be hashed, or when a key function fails.
    """
    return policy.compute_key(facts, inputs)


class CachePolicy:
    """How a cache key is made. Combine with `+`; leave inputs out with `- "name"`."""

    def compute_key(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> str | None:
        parts = [part.part(facts, inputs) for part in self.parts()]
        if not parts or any(part is None for part in parts):
            return None
        # The task is always part of the key: two tasks with equal inputs have different answers.
        digest = blake2b(facts.task_key.encode(), digest_size=20)
        for part in parts:
            digest.update(b"\0" + cast("bytes", part))
        return digest.hexdigest()

    def parts(self) -> tuple[_Part, ...]:
        raise NotImplementedError

    def __add__(self, other: CachePolicy) -> CachePolicy:
        if not isinstance(cast("object", other), CachePolicy):
            return NotImplemented
        return _Combined((*self.parts(), *(part for part in other.parts() if part not in self.parts())))

    def __sub__(self, names: str | Iterable[str]) -> CachePolicy:
        left_out = {names} if isinstance(names, str) else set(names)
        if not any(isinstance(part, _Inputs) for part in self.parts()):
            raise UserError(
                f"{self!r} does not look at inputs: it cannot leave out {', '.join(sorted(left_out))}.",
                hint="Subtract names from a policy with INPUTS in it, such as DEFAULT.",
            )
        return _Combined(tuple(part.without(left_out) for part in self.parts()))


class _Part(CachePolicy):
    """A policy that is not made of others; its `part` is bytes that go into the key."""

    def parts(self) -> tuple[_Part, ...]:
        return (self,)

    def part(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> bytes | None:
        raise NotImplementedError

    def without(self, names: set[str]) -> _Part:
        return self


@dataclass(frozen=True)
class _Combined(CachePolicy):
    members: tuple[_Part, ...] = ()

    def parts(self) -> tuple[_Part, ...]:
        return self.members

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.members)) or "NO_CACHE"


@dataclass(frozen=True)
class _Inputs(_Part):
    left_out: frozenset[str] = field(default_factory=frozenset[str])

    def part(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> bytes | None:
        kept = {name: value for name, value in inputs.items() if name not in self.left_out}
        return b"inputs" + _fingerprint_named(kept, 'Leave it out (cache_policy - "{name}")')

    def without(self, names: set[str]) -> _Part:
        return _Inputs(self.left_out | names)

    def __repr__(self) -> str:
        return "".join(["INPUTS", *(f" - {name!r}" for name in sorted(self.left_out))])


@dataclass(frozen=True, repr=False)
class _TaskSource(_Part):
    def part(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> bytes | None:
        return None if facts.source is None else b"source" + _digest(facts.source.encode())

    def __repr__(self) -> str:
        return "TASK_SOURCE"


@dataclass(frozen=True, repr=False)
class _RunId(_Part):
    def part(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> bytes | None:
        return None if facts.run_id is None else b"run" + str(facts.run_id).encode()

    def __repr__(self) -> str:
        return "RUN_ID"


@dataclass(frozen=True, repr=False)
class _FlowParameters(_Part):
    def part(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> bytes | None:
        if facts.flow_parameters is None:
            return None
        return b"parameters" + _fingerprint_named(
            facts.flow_parameters, "Use a policy without FLOW_PARAMETERS"
        )

    def __repr__(self) -> str:
        return "FLOW_PARAMETERS"


@dataclass(frozen=True)
class CacheKeyFn(_Part):
    """A key of one's own: `function(facts, inputs)` returns a text, or None for "do not cache this call".

    Alone, the text is the key as it is and may be shared by several tasks; combined, it is one part of the
    key.
    """

    function: Callable[[CacheFacts, dict[str, Any]], str | None]

    def compute_key(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> str | None:
        return self._call(facts, inputs)

    def part(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> bytes | None:
        key = self._call(facts, inputs)
        return None if key is None else b"key" + _digest(key.encode())

    def _call(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> str | None:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        try:
            key: Any = self.function(facts, dict(inputs))
        except Exception as error:
            raise UserError(
                f"The cache key function {name} raised {type(error).__name__}: {error}."
            ) from error
        if key is not None and (not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_LENGTH):
            raise UserError(
                f"The cache key function {name} must return None or a text of 1 to {MAX_KEY_LENGTH}"
                f" characters, not {key!r:.100}.",
                hint="Return a digest of what is too long.",
            )
        return key


NO_CACHE: CachePolicy = _Combined()
INPUTS: CachePolicy = _Inputs()
TASK_SOURCE: CachePolicy = _TaskSource()
RUN_ID: CachePolicy = _RunId()
FLOW_PARAMETERS: CachePolicy = _FlowParameters()
DEFAULT: CachePolicy = INPUTS + TASK_SOURCE + RUN_ID


def source_of(function: Callable[..., Any]) -> str | None:
    """What a function does, as text: its source, or its code where there is none (a console). None for C."""
    function = inspect.unwrap(function)
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        if code is None:
            return None
        return repr((code.co_code, code.co_names, [c for c in code.co_consts if not inspect.iscode(c)]))


def input_hash(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
    """Eight bytes that tell whether a replayed call got the same inputs; None means "not compared".

    Made for the hot path (about a microsecond), so it is far simpler than a cache key. `marshal` takes only
    plain data and raises for the rest, which is then not compared. Version 2 of its format is used because
    versions 3 and 4 mark interned strings and refer back to objects met before: there equal data give other
    bytes depending on identity. Sets are written sorted by their members' bytes (Python 3.11 and later), so
    the hash seed does not matter either. What exports a buffer (bytearray, numpy arrays) counts by its
    bytes. Dicts count in their order, and 1, 1.0 and True are three different inputs: a replay makes the
    same calls in the same way. Eight bytes: a difference goes unnoticed once in 2**64.
    """
    try:
        return hash_of_marshalled(marshal.dumps((args, kwargs), 2))
    except ValueError:
        return None


def hash_of_marshalled(arguments: bytes) -> bytes:
    """The input hash of a call whose `(args, kwargs)` are there as version 2 of the marshal format."""
    return blake2b(arguments, digest_size=8).digest()


def fingerprint(value: Any) -> str:
    """A digest that is the same for equal values in every process.

    Plain data, dataclasses, pydantic models, numpy and pandas count by content, dates, paths and enums by
    value, functions by source and closure, the rest by its pickled form. Raises whatever pickling the rest
    raises.
    """
    return _fingerprint(value).hex()


def _fingerprint_named(values: Mapping[str, Any], proposal: str) -> bytes:
    digest = blake2b(digest_size=20)
    for name in sorted(values):
        try:
            part = _fingerprint(values[name])
        except Exception as error:
            kind = cast("type[Any]", type(values[name]))
            raise CannotPickle(
                f"The argument {name!r} of type {kind.__module__}.{kind.__qualname__} cannot be part of a"
                f" cache key: {type(error).__name__}: {error}.",
                hint=f"{proposal.format(name=name)}, or use cache_policy=NO_CACHE.",
            ) from error
        digest.update(name.encode() + b"\0" + part)
    return digest.digest()


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=20).digest()


def _fingerprint(value: Any) -> bytes:
    """A digest of the value's tag and content; containers are digests of their members' digests."""
    tag, content = _canonical(value)
    return _digest(tag.encode() + b"\0" + content)


def _canonical(value: Any) -> tuple[str, bytes]:
    kind = cast("type[Any]", type(value))
    plain = _PLAIN.get(kind)
    if plain is not None:
        return kind.__name__, plain(value)
    if isinstance(value, Enum):
        return "enum:" + _title(kind), value.name.encode()
    if dataclasses.is_dataclass(kind):
        fields = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
        return "fields:" + _title(kind), _mapping(fields)
    if isinstance(value, PurePath | tzinfo | UUID):
        return _title(kind), str(value).encode()
    if isinstance(value, FunctionType):
        source = source_of(value) or value.__qualname__
        return "function:" + value.__module__, source.encode() + _closure(value)
    if isinstance(value, type | ModuleType | BuiltinFunctionType):
        return "name", f"{getattr(value, '__module__', '')}.{value.__name__}".encode()
    return _of_libraries(value, kind) or _of_plain_kind(value, kind) or _pickled(value, kind)


def _of_libraries(value: Any, kind: type[Any]) -> tuple[str, bytes] | None:
    """Values of libraries that are at hand already; a value of theirs cannot exist before their import."""
    pydantic, numpy, pandas = (cast("Any", sys.modules.get(name)) for name in ("pydantic", "numpy", "pandas"))
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return "fields:" + _title(kind), _mapping({**value.__dict__, **(value.__pydantic_extra__ or {})})
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        members = _fingerprint(value.tolist()) if value.dtype.hasobject else value.tobytes()
        return f"numpy:{value.dtype.descr}{value.shape}", members
    if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series | pandas.Index):
        return "pandas:" + kind.__name__, _table(pandas, value)
    return None


def _of_plain_kind(value: Any, kind: type[Any]) -> tuple[str, bytes] | None:
    """Subclasses of plain types (named tuples, ordered and default dicts) that carry nothing of their own."""
    if getattr(value, "__dict__", None):
        return None
    for base in _PLAIN_BASES:
        if isinstance(value, base):
            return "kind:" + _title(kind), _PLAIN[base](value)
    return None


def _table(pandas: Any, value: Any) -> bytes:
    hashed = pandas.util.hash_pandas_object(value, index=not isinstance(value, pandas.Index))
    rows: bytes = hashed.to_numpy().tobytes()
    if isinstance(value, pandas.DataFrame):
        shape = [[_label(name), str(dtype)] for name, dtype in value.dtypes.items()]
    else:
        shape = [[_label(value.name), str(value.dtype)]]
    return _fingerprint(shape) + rows


def _label(name: Any) -> str:
    return f"{type(name).__name__}:{name}"


def _pickled(value: Any, kind: type[Any]) -> tuple[str, bytes]:
    """The last resort: equal values mostly pickle alike; where not, the cache is missed, never wrong."""
    import cloudpickle  # late: most inputs never come here

    return "pickle:" + _title(kind), cast("Any", cloudpickle).dumps(value, protocol=5)


def _closure(function: FunctionType) -> bytes:
    return b"".join(_fingerprint(cell.cell_contents) for cell in function.__closure__ or ())


def _sequence(value: Iterable[Any]) -> bytes:
    return b"".join(map(_fingerprint, value))


def _set(value: Iterable[Any]) -> bytes:
    return b"".join(sorted(map(_fingerprint, value)))


def _mapping(value: Mapping[Any, Any]) -> bytes:
    return b"".join(sorted(_fingerprint(key) + _fingerprint(part) for key, part in value.items()))


def _text(value: Any) -> bytes:
    return repr(value).encode()


def _moment(value: datetime) -> bytes:
    return f"{value.isoformat()}{value.fold}".encode()


def _title(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


_PLAIN: dict[type[Any], Callable[[Any], bytes]] = {
    type(None): _text,
    bool: _text,
    int: _text,
    float: _text,
    complex: _text,
    Decimal: _text,
    Fraction: _text,
    range: _text,
    slice: _text,
    date: _text,
    time: _text,
    timedelta: _text,
    datetime: _moment,
    str: lambda value: value.encode("utf-8", "surrogatepass"),
    bytes: bytes,
    bytearray: bytes,
    list: _sequence,
    tuple: _sequence,
    set: _set,
    frozenset: _set,
    dict: _mapping,
}

_PLAIN_BASES = (str, bytes, tuple, list, dict, set, frozenset)
