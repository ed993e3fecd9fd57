"""`with tags("nightly"):` adds tags to the runs that are made inside."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from .context import current_tags


@contextmanager
def tags(*names: str) -> Generator[tuple[str, ...]]:
    """Add tags to every flow run and task run that is made within the block."""
    all_names = (*current_tags.get(), *(name for name in names if name not in current_tags.get()))
    token = current_tags.set(all_names)
    try:
        yield all_names
    finally:
        current_tags.reset(token)
