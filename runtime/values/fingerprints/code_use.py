"""What a function's code refers to, read from its bytecode once for each code object."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType

_GLOBAL_READS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_CLOSURE_READS = ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF", "LOAD_CLOSURE")
_REBINDS = ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
_PARTS_WRITTEN = ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_ATTR", "DELETE_ATTR", "STORE_SLICE")
_CHANGING = frozenset(
    "add append appendleft clear discard extend extendleft insert move_to_end pop popitem popleft put"
    " put_nowait remove reverse rotate setdefault sort subtract update".split()
)


@dataclass(slots=True)
class CodeUse:
    """The outer names of some code, functions and classes inside it included."""

    read: set[str] = field(default_factory=set[str])  # globals
    attributes: dict[str, set[str]] = field(default_factory=dict[str, set[str]])  # of globals: `module.name`
    bare: set[str] = field(default_factory=set[str])  # globals that are not only used for an attribute
    written: set[str] = field(default_factory=set[str])  # outer names that the code rebinds or changes


@lru_cache(maxsize=4096)
def use_of(code: CodeType) -> CodeUse:
    """What `code` refers to outside of itself."""
    use = CodeUse()
    for each in _nested(code):
        _read(each, use)
    return use


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _read(code: CodeType, use: CodeUse) -> None:
    on_this_line: list[str] = []
    previous: tuple[str, str] | None = None  # an outer name that was loaded last, and how
    for step in dis.get_instructions(code):
        name, operation = str(step.argval), step.opname
        if operation == "EXTENDED_ARG":
            continue
        if step.starts_line:
            on_this_line = []
        if previous is not None and operation in _ATTRIBUTES:
            owner, how = previous
            if name in _CHANGING:
                use.written.add(owner)
            if how in _GLOBAL_READS:
                use.attributes.setdefault(owner, set()).add(name)
        elif previous is not None and previous[1] in _GLOBAL_READS:
            use.bare.add(previous[0])
        previous = None
        if operation in _GLOBAL_READS or operation in _CLOSURE_READS:
            on_this_line.append(name)
            previous = (name, operation)
            if operation in _GLOBAL_READS:
                use.read.add(name)
        elif operation in _REBINDS:
            use.written.add(name)
        elif operation in _PARTS_WRITTEN:
            # The names that a line loads are taken as the names that it changes: `counts[key] += 1`,
            # `stats.total = 3`.
            use.written.update(on_this_line)
    if previous is not None and previous[1] in _GLOBAL_READS:
        use.bare.add(previous[0])
