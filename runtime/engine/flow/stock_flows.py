"""Recognises flows of the stock client without importing the stock package.

The package takes seconds to load, and would stay in a process that executes other flows later.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

PACKAGE = "prefect"


def is_stock_flow(entrypoint: str, project: Path | None) -> bool:
    """Whether the source of the entrypoint's module shows that its flow is one of the stock client.

    False also when the source does not tell: then loading the flow does.
    """
    target, colon, name = entrypoint.rpartition(":")
    if not colon:
        return False
    path = _file_of(target, project)
    if path is None:
        return False
    try:
        is_now = path.stat()
        return name in _stock_names_in(path, is_now.st_mtime_ns, is_now.st_size)
    except (OSError, SyntaxError, ValueError):
        return False


@lru_cache(maxsize=256)
def _stock_names_in(path: Path, _mtime_ns: int, _size: int) -> frozenset[str]:
    """The names in a file as it is now, kept: one process may run a flow many times a second."""
    return frozenset(_stock_names(ast.parse(path.read_bytes())))


def _file_of(target: str, project: Path | None) -> Path | None:
    if target.endswith(".py"):
        path = (project or Path()) / target
        return path if path.is_file() else None
    if project is not None:  # the file that `python -m` would find there
        parts = project.joinpath(*target.split("."))
        for path in (parts.with_suffix(".py"), parts / "__init__.py"):
            if path.is_file():
                return path
    if "." in target and target.partition(".")[0] not in sys.modules:
        return None  # finding it would import its package
    try:
        spec = importlib.util.find_spec(target)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _stock_names(tree: ast.Module) -> set[str]:
    """Names in the module that the package has made: decorated, called, derived."""
    imported = set(_imported(tree))
    made: set[str] = set()
    if not imported:
        return made
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if any(_root(each) in imported for each in node.decorator_list):
                made.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if _root(node.value) in imported | made:
                made |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return made


def _imported(tree: ast.Module) -> Iterator[str]:
    """The names by which the module knows the package and its parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == PACKAGE:
                    yield alias.asname or PACKAGE
        elif isinstance(node, ast.ImportFrom) and not node.level:
            if (node.module or "").partition(".")[0] == PACKAGE:
                yield from (alias.asname or alias.name for alias in node.names)


def _root(node: ast.expr) -> str | None:
    """`a` of `a`, `a.b` and `a.b(...)(...)`."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else None
