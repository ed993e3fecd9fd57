"""`--output`, `--json` and `--jq` of reading verbs: which form data has on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import click

from ...runtime.foundation.near_names import nearest

FORMATS = ("table", "json", "jsonl", "yaml", "none")
_KEY = "heliostat.shape"


@dataclass(slots=True)
class Shape:
    """What was asked for beside a format. Verbs themselves know tables, json and jsonl only."""

    fields: tuple[str, ...] = ()
    filter: Callable[[Any], Iterable[Any]] | None = None
    format: str = "table"

    @property
    def is_plain(self) -> bool:
        return not self.fields and self.filter is None


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--output FORMAT`, `--json [FIELDS]`, `--jq EXPR`."""
    for option in (
        jq_option,
        click.option(
            "--json",
            metavar="FIELDS",
            is_flag=False,
            flag_value="",
            expose_value=False,
            is_eager=True,
            callback=_keep_fields,
            help="JSON with these fields only, such as id,name; without FIELDS with all of them.",
        ),
        click.option(
            "--output",
            "-o",
            type=click.Choice(FORMATS),
            callback=_format,
            show_default="table",
            help="table for people; json (one document), jsonl (one object a line), yaml; none.",
        ),
    ):
        command = option(command)
    return command


def jq_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--jq EXPR`, for what writes JSON."""
    return click.option(
        "--jq",
        metavar="EXPR",
        expose_value=False,
        is_eager=True,
        callback=_keep_filter,
        help="Write what this jq expression makes of the JSON, one result a line.",
    )(command)


def yaml_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--yaml`, for verbs whose output people keep as a file."""
    return click.option(
        "--yaml",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_keep_yaml,
        help="Short for --output yaml.",
    )(command)


def shape() -> Shape:
    """What the current command was asked for."""
    ctx = click.get_current_context(silent=True)
    if ctx is None:
        return Shape()
    return cast(Shape, ctx.meta.setdefault(_KEY, Shape()))


def lines_of(value: Any, *, indent: bool) -> Iterable[str]:
    """A JSON value as the texts to write, in the form that was asked for."""
    wanted = shape()
    if wanted.format == "none":
        return
    if wanted.fields:
        value = _only(value, wanted.fields)
    if wanted.filter is not None:
        for each in wanted.filter(_plain(value)):
            yield each if isinstance(each, str) else _json(each, indent=False)
    elif wanted.format == "yaml":
        import yaml

        yield yaml.safe_dump(_plain(value), sort_keys=False, allow_unicode=True, width=100).rstrip("\n")
    else:
        yield _json(value, indent=indent)


def _json(value: Any, *, indent: bool) -> str:
    import orjson

    # The values come from the API, so they are JSON already; `str` writes ids and the like.
    options = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if indent else 0)
    return orjson.dumps(value, default=str, option=options).decode()


def _plain(value: Any) -> Any:
    import orjson

    return orjson.loads(_json(value, indent=False))


def _only(value: Any, fields: Sequence[str]) -> Any:
    if isinstance(value, Mapping):
        row = cast("Mapping[str, Any]", value)
        _check(fields, row)
        return {field: row.get(field) for field in fields}
    if isinstance(value, Sequence) and not isinstance(value, str):
        rows = cast("Sequence[Mapping[str, Any]]", value)
        if rows:
            _check(fields, {name: None for row in rows for name in row})
        return [{field: row.get(field) for field in fields} for row in rows]
    return value


def _check(fields: Sequence[str], known: Mapping[str, Any]) -> None:
    for field in fields:
        if field not in known:
            close = nearest(field, known)
            raise click.BadParameter(
                f"there is no field {field!r}. "
                + (f"Did you mean {close!r}?" if close else f"There are: {', '.join(known)}."),
                param_hint="--json",
            )


def _keep_fields(_ctx: click.Context, _param: click.Parameter, text: str | None) -> None:
    if text is not None:
        shape().format = "json"
        shape().fields = tuple(each.strip() for each in text.split(",") if each.strip())


def _keep_yaml(_ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        shape().format = "yaml"


def _keep_filter(_ctx: click.Context, _param: click.Parameter, text: str | None) -> None:
    if text is None:
        return
    try:
        from importlib import import_module

        jq: Any = import_module("jq")
    except ImportError:
        raise click.UsageError("--jq needs the package jq: pip install jq") from None
    try:
        program: Any = jq.compile(text)
    except ValueError as error:
        raise click.BadParameter(f"it is not a jq expression: {error}", param_hint="--jq") from None

    def filtered(value: Any) -> Iterable[Any]:
        try:
            return list(program.input_value(value))
        except ValueError as error:
            raise click.ClickException(f"--jq failed: {error}") from None

    shape().format = "json"
    shape().filter = filtered


def _format(_ctx: click.Context, _param: click.Parameter, chosen: str | None) -> str:
    """The format that the verb sees: table, json or jsonl. What yaml and none need is kept for writing."""
    wanted = shape()
    if wanted.is_plain and wanted.format == "table":
        wanted.format = chosen or "table"
    elif chosen not in (None, "json", "jsonl"):
        raise click.UsageError(
            f"--json and --jq make JSON, so --output {chosen} cannot be combined with them."
        )
    else:
        wanted.format = chosen or wanted.format
    return "json" if wanted.format in ("yaml", "none") else wanted.format
