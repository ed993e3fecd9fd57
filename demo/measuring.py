"""Measuring one Python file: plain functions over its syntax tree."""

from __future__ import annotations

import ast
import hashlib
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .sources import package_of, short_name

_BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.Assert,
    ast.comprehension,
    ast.match_case,
)
_BLOCKS = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.Match,
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

# Python 3.11 counts the depth of all trees under construction in one place: in threads, a parse that the
# garbage collector interrupts may fail with a SystemError although the file is fine.
_one_parse_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Measurement:
    """The measurement of one file. Small, because it is recorded with its task run."""

    name: str
    package: str
    sha256: str
    size_bytes: int
    lines: int
    code_lines: int  # lines that are neither empty nor only a comment
    functions: int
    classes: int
    documented: int  # functions and classes with a docstring
    deepest_nesting: int  # of blocks
    imports: tuple[str, ...]  # top-level names, each once
    hardest_function: str
    hardest_complexity: int  # McCabe's: 1 plus 1 for each branch; 0 without any function


def measured(path: Path) -> Measurement:
    """Read, parse and measure a file. Raises SyntaxError, or another error of Python's parser."""
    source = path.read_bytes()
    warnings.filterwarnings("ignore", category=SyntaxWarning)  # warnings about the file's code do not matter
    with _one_parse_at_a_time:
        tree = ast.parse(source, filename=str(path))
    nodes = list(ast.walk(tree))
    defined = [node for node in nodes if isinstance(node, (*_FUNCTIONS, ast.ClassDef))]
    functions = [node for node in defined if isinstance(node, _FUNCTIONS)]
    hardest = max(((complexity(each), each.name) for each in functions), default=(0, ""))
    lines = [line.strip() for line in source.splitlines()]
    return Measurement(
        short_name(path),
        package_of(path),
        hashlib.sha256(source).hexdigest(),
        len(source),
        len(lines),
        sum(1 for line in lines if line and not line.startswith(b"#")),
        len(functions),
        len(defined) - len(functions),
        sum(1 for node in defined if ast.get_docstring(node, clean=False)),
        deepest_nesting(tree),
        tuple(sorted({name for node in nodes for name in imported_names(node)})),
        hardest[1],
        hardest[0],
    )


def complexity(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """McCabe's complexity of a function, without the functions inside it."""
    total = 1
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            continue
        total += isinstance(node, _BRANCHES)
        total += len(node.values) - 1 if isinstance(node, ast.BoolOp) else 0
        waiting.extend(ast.iter_child_nodes(node))
    return total


def deepest_nesting(tree: ast.AST) -> int:
    """How many blocks are nested at the deepest place."""
    deepest = 0
    waiting: list[tuple[ast.AST, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        depth += isinstance(node, _BLOCKS)
        deepest = max(deepest, depth)
        if not isinstance(node, ast.expr):  # expressions contain no blocks
            waiting.extend((child, depth) for child in ast.iter_child_nodes(node))
    return deepest


def imported_names(node: ast.AST) -> Iterator[str]:
    """Top-level names that a statement imports; none for relative imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]
