"""Parameter values as JSON and back, by their annotations, so that the value that arrives is the one given.

Each written value is read again before it is sent; a value that does not come back alike is refused.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from .alike import alike
from .annotations import Unfit, reasons
from .buildable_hints import text_of_bytes
from .sayable import Unsayable, plain_form

# Pydantic's error types where only a Python object fits: an instance, a class, a function.
_WANTS_OBJECT = frozenset({"needs_python_object", "is_instance_of", "is_subclass_of", "callable_type"})


def written(adapter: Any, given: Any, value: Any, *, secrets: bool = True) -> Any:
    """The JSON from which `read` makes `value`, the validated form of `given`. Raises Unsayable.

    Plain JSON is kept as given. Secrets are written in clear text, or refused when `secrets` is False.
    """
    reason = ""
    for form in _forms(adapter, value, secrets):
        try:
            form = plain_form(given if form is None else form())
            if alike(value, read(adapter, form)):
                return form
            reason = reason or "as JSON it would arrive as another value"
        except Unfit as unfit:
            reason = reason or f"as JSON it would not be accepted: {unfit}"
        except Unsayable as unsayable:
            reason = str(unsayable)
        except Exception as error:  # from an author's serializer, or a type without one
            reason = f"it has no form in JSON: {error}"
    raise Unsayable(reason)


def read(adapter: Any, form: Any) -> Any:
    """The value that JSON stands for. Raises Unfit."""
    from pydantic import ValidationError

    try:
        return adapter.validate_json(json.dumps(form))
    except ValidationError as error:
        if not any(detail["type"] in _WANTS_OBJECT for detail in error.errors(include_url=False)):
            raise Unfit(reasons(error, form)) from None
    except Exception as error:  # a validator of the author's
        raise Unfit(f"{type(error).__name__}: {error}") from error
    from .annotations import validated

    return validated(adapter, form)


def _forms(adapter: Any, value: Any, secrets: bool) -> Iterator[Callable[[], Any] | None]:
    """Ways to write the value, the most likely first; None means to write it as given."""

    def dumped(by_alias: bool) -> Any:
        return adapter.dump_python(value, mode="json", by_alias=by_alias, round_trip=True, warnings="error")

    yield None
    yield lambda: _for_validation(value, dumped(False), secrets, aliases=True)
    yield lambda: _for_validation(value, dumped(False), secrets, aliases=False)
    yield lambda: _for_validation(value, dumped(True), secrets, aliases=False)


def _for_validation(value: Any, shown: Any, secrets: bool, *, aliases: bool) -> Any:
    """The serialized `value` with its secrets, under the names that validation expects."""

    def inner(part: Any, part_shown: Any) -> Any:
        return _for_validation(part, part_shown, secrets, aliases=aliases)

    if secrets and hasattr(value, "get_secret_value"):
        return _secret(value)
    if getattr(value, "__pydantic_root_model__", False) is True:
        return inner(value.root, shown)
    if isinstance(shown, dict):
        shown = cast("dict[str, Any]", shown)
        fields = _fields(value)
        if fields is not None:
            return {
                (_alias(fields.get(name), name) if aliases else name): inner(getattr(value, name, part), part)
                for name, part in shown.items()
            }
        if isinstance(value, Mapping) and len(cast("Mapping[Any, Any]", value)) == len(shown):
            parts = zip(cast("Mapping[Any, Any]", value).values(), shown.items(), strict=True)
            return {name: inner(part, part_shown) for part, (name, part_shown) in parts}
    if isinstance(shown, list) and isinstance(value, Sequence):
        rows, shown_rows = cast("Sequence[Any]", value), cast("list[Any]", shown)
        if len(rows) == len(shown_rows):
            return [inner(part, part_shown) for part, part_shown in zip(rows, shown_rows, strict=True)]
    return cast("Any", shown)


def _secret(value: Any) -> Any:
    from pydantic_core import to_jsonable_python

    secret = value.get_secret_value()
    return text_of_bytes(secret) if isinstance(secret, bytes) else to_jsonable_python(secret)


def _fields(value: Any) -> Mapping[str, Any] | None:
    """The fields of a model or dataclass by name, with pydantic's field info."""
    kind = cast("type[Any]", type(value))
    known = getattr(kind, "__pydantic_fields__", None)
    if known is not None:
        return cast("Mapping[str, Any]", known)
    return (
        {field.name: None for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else None
    )


def _alias(field: Any, name: str) -> str:
    wanted: Any = getattr(field, "validation_alias", None)
    choices = [wanted] if isinstance(wanted, str) else getattr(wanted, "choices", ())
    return next((each for each in choices if isinstance(each, str)), name)
