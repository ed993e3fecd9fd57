"""When the result of an earlier call is used again: cache policies, and fingerprints of inputs.

A policy turns facts about a call into a key; calls with equal keys share a result. The store maps keys to
results; the engine looks up the key before a call and stores the result after it.
"""

from __future__ import annotations

import inspect
import marshal
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, cast
from uuid import UUID

from ..foundation.errors import NoFingerprint, UserError
from .fingerprints import Memo, Mode, Walk, digest_of, name_in_keys

MAX_KEY_LENGTH = 2000  # the limit of the standard API


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """What policies may use besides the inputs. None means not known: a policy that uses it makes no key."""

    task_key: str
    source: str | None = None  # see source_of
    run_id: UUID | str | None = None
    flow_parameters: Mapping[str, Any] | None = None
    fn: Callable[..., Any] | None = field(default=None, repr=False)  # what the task runs
    # Shared by keys that are made together:
    memo: Memo = field(default_factory=dict[int, tuple[object, bytes]], repr=False, compare=False)
    _code: dict[Mode, bytes | NoFingerprint] = field(
        default_factory=dict[Mode, "bytes | NoFingerprint"], repr=False, compare=False
    )

    def at_present(self) -> CacheFacts:
        """A copy of the facts for keys that are made together now: code is examined once for all of them."""
        return replace(self, memo={}, _code={})

    def code(self, mode: Mode) -> bytes:
        """The digest of what the task runs; raises NoFingerprint."""
        if self.fn is None:
            return b""
        known = self._code.get(mode)
        if known is None:
            try:
                known = Walk(mode).whole(self.fn)
            except NoFingerprint as error:
                known = error
            self._code[mode] = known
        if isinstance(known, NoFingerprint):
            raise known
        return known


def compute_key(policy: CachePolicy, facts: CacheFacts, inputs: Mapping[str, Any]) -> str | None:
    """The cache key of a call, or None when it is not to be cached.

    `inputs` maps parameter names to resolved values (no futures). Raises NoFingerprint, which names the
    argument that has none, and UserError when a key function fails.
    """
    return policy.compute_key(facts, inputs)


class CachePolicy:
    """How a cache key is made. Combine with `+`; leave inputs out with `- "name"`."""

    def compute_key(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> str | None:
        parts = [part.part(facts, inputs) for part in self.parts()]
        if not parts or any(part is None for part in parts):
            return None
        # The task is always part of the key: two tasks with equal inputs have different results. # Their
        # names may be equal, so the task's code is part of the key, too.
        named = facts.task_key.encode(), facts.code(Mode.ORIGIN)
        return digest_of("key", *named, *cast("list[bytes]", parts)).hex()

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
    """A policy that is not a combination; its `part` returns bytes that go into the key."""

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
        return b"inputs" + _digest_named(facts, kept, 'Leave it out (cache_policy - "{name}")')

    def without(self, names: set[str]) -> _Part:
        return _Inputs(self.left_out | names)

    def __repr__(self) -> str:
        return "".join(["INPUTS", *(f" - {name!r}" for name in sorted(self.left_out))])


@dataclass(frozen=True, repr=False)
class _TaskSource(_Part):
    def part(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> bytes | None:
        if facts.source is None and facts.fn is None:
            return None
        text = (facts.source or "").encode("utf-8", "replace")
        return b"source" + digest_of("source", text, facts.code(Mode.CODE))

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
        return b"parameters" + _digest_named(
            facts, facts.flow_parameters, "Use a policy without FLOW_PARAMETERS"
        )

    def __repr__(self) -> str:
        return "FLOW_PARAMETERS"


@dataclass(frozen=True)
class CacheKeyFn(_Part):
    """A custom key: `function(facts, inputs)` returns a text, or None for "do not cache this call".

    Alone, the text is the whole key and may be shared by several tasks; combined, it is one part of the key.
    """

    function: Callable[[CacheFacts, dict[str, Any]], str | None]

    def compute_key(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> str | None:
        return self._call(facts, inputs)

    def part(self, facts: CacheFacts, inputs: Mapping[str, Any]) -> bytes | None:
        key = self._call(facts, inputs)
        return None if key is None else b"key" + key.encode()

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
                hint="Return a digest of a text that is too long.",
            )
        return key


NO_CACHE: CachePolicy = _Combined()
INPUTS: CachePolicy = _Inputs()
TASK_SOURCE: CachePolicy = _TaskSource()
RUN_ID: CachePolicy = _RunId()
FLOW_PARAMETERS: CachePolicy = _FlowParameters()
DEFAULT: CachePolicy = INPUTS + TASK_SOURCE + RUN_ID


def source_of(function: Callable[..., Any]) -> str | None:
    """What a function does, as text: its source, or its bytecode where there is no source. None for C
    functions.
    """
    function = inspect.unwrap(function)
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        if code is None:
            return None
        return repr((code.co_code, code.co_names, [c for c in code.co_consts if not inspect.iscode(c)]))


def input_hash(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
    """Eight bytes that tell whether a replayed call got the same inputs; None when inputs cannot be compared.

    It is on the hot path (about a microsecond for plain data), so it is simpler than a cache key. Plain data
    is marshalled in version 2 of the format, because in versions 3 and 4 the bytes depend on the identity of
    objects: they mark interned strings and refer back to objects. Sets are written sorted by their members'
    bytes (Python 3.11 and later), so the hash seed does not matter. Dicts count in their order, and 1, 1.0
    and True are three different inputs. Other values count by their fingerprint. A difference goes unnoticed
    once in 2**64.
    """
    try:
        if _is_plain_data(args) and (not kwargs or _is_plain_data(kwargs)):
            return hash_of_marshalled(marshal.dumps((args, kwargs), 2))
        return blake2b(_InputWalk().of((args, kwargs)), digest_size=8).digest()
    except Exception:  # an author's object may raise anything: its call is not compared
        return None


def _is_plain_data(value: Any) -> bool:
    """Whether marshal writes the value with its types; of arrays and other buffers it writes only the
    bytes.
    """
    kind = cast("type[Any]", type(value))
    if kind in _SCALARS:
        return True
    if kind is dict:
        return _is_plain_data(tuple(value)) and _is_plain_data(tuple(value.values()))
    if kind is tuple or kind is list or kind is set or kind is frozenset:
        return _SCALARS.issuperset(map(type, value)) or all(map(_is_plain_data, value))
    return False


class _InputWalk(Walk):
    """Classes count by name: all executions of a run have the same code, and a script's class is made anew in
    each worker. Classes made in functions may share a name, so they count by what they do.
    """

    def of(self, value: Any) -> bytes:
        if isinstance(value, type) and "<locals>" not in value.__qualname__:
            return digest_of("class", name_in_keys(value))
        kind = cast("type[Any]", type(value))
        if kind in _PATHS:
            return digest_of("path", kind.__name__.encode(), str(value).encode("utf-8", "surrogatepass"))
        return super().of(value)


_PATHS = (PosixPath, WindowsPath, PurePosixPath, PureWindowsPath)


_SCALARS = frozenset((int, float, complex, bool, str, bytes, type(None)))


def hash_of_marshalled(arguments: bytes) -> bytes:
    """The input hash of a call whose `(args, kwargs)` are given in version 2 of the marshal format."""
    return blake2b(arguments, digest_size=8).digest()


def fingerprint(value: Any) -> str:
    """A digest that is equal in every process for equal values, and differs for values that behave
    differently.

    Plain data, objects with all attributes, arrays and tables count by content; the author's functions and
    classes by what they do; installed ones by name. Raises NoFingerprint for a value that has no content to
    tell it from others of its kind (a lock, an open file).
    """
    return Walk().whole(value).hex()


def _digest_named(facts: CacheFacts, values: Mapping[str, Any], proposal: str) -> bytes:
    # One walk for all arguments: the same list given twice behaves differently from two equal lists.
    walk, parts = Walk(aliases=True, memo=facts.memo), list[bytes]()
    for name in sorted(values):
        try:
            parts += name.encode(), walk.whole(values[name])
        except NoFingerprint as error:
            kind = cast("type[Any]", type(values[name]))
            raise NoFingerprint(
                f"the argument {name!r} of type {kind.__module__}.{kind.__qualname__} cannot be part of a"
                f" cache key: {error}",
                hint=f"{proposal.format(name=name)}, or use cache_policy=NO_CACHE.",
            ) from error
    return digest_of("named", *parts)
