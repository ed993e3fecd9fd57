"""Collects the mistakes of several deployments, so that all are reported before anything is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from ..foundation.errors import BadDeployment, BadDeployments, HeliostatError, NotAllowed, Unavailable


class Mistakes:
    """`of` collects the errors of one deployment, `tell` raises all of them."""

    def __init__(self) -> None:
        self._found: list[tuple[str, HeliostatError]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    @contextmanager
    def of(self, name: str) -> Generator[None]:
        """Collect errors raised inside as mistakes of that deployment, except those of a server that is away
        or refuses access.
        """
        try:
            yield
        except (Unavailable, NotAllowed):
            raise
        except HeliostatError as error:
            self._found.append((name, error))
        except (TypeError, ValueError) as error:  # a value of the wrong type, such as a list as parameters
            self._found.append((name, BadDeployment(f"{type(error).__name__}: {error}")))

    def note(self, name: str, mistakes: Iterable[str]) -> None:
        """Add mistakes of that deployment, each a text."""
        self._found += [(name, BadDeployment(each)) for each in mistakes]

    def note_doubles(self, names: Iterable[str]) -> None:
        """Add a mistake for each name that is used twice: the deployments would replace each other."""
        for name, count in Counter(names).items():
            if count > 1:
                self.note(
                    name, [f"{count} deployments have this name, and each would replace the one before"]
                )

    def tell(self, total: int) -> None:
        """Raise BadDeployments with a line for each mistake, or the error itself when there is one mistake
        and `total` is one deployment.
        """
        if not self._found:
            return
        if total == len(self._found) == 1:
            raise self._found[0][1]
        lines = [f"  {name}: {_line(error)}" for name, error in self._found]
        error = BadDeployments("Nothing was deployed:\n" + "\n".join(lines), hint="mend it and deploy again")
        error.mistakes = tuple(each for _, each in self._found)
        raise error


def _line(error: HeliostatError) -> str:
    text = " ".join(str(error).split())
    return f"{text} ({error.hint})" if error.hint else text
