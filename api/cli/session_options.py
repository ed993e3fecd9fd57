"""Options that every command takes, before its noun or after its verb: which profile, and how it is shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

_KEY = "heliostat.session."


def session_options(hidden: bool) -> list[click.Option]:
    """`--profile`, `--quiet`, `--color`, `--prompt/--no-prompt`; the help of single verbs leaves them out."""

    def option(*names: str, apply: Callable[[click.Context, Any], None], **more: Any) -> click.Option:
        def callback(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
            if value is not None and not ctx.resilient_parsing:
                apply(ctx, value)

        return click.Option(
            [*names], expose_value=False, callback=callback, is_eager=True, hidden=hidden, **more
        )

    return [
        option("--profile", metavar="NAME", apply=_use_profile, help="Use this profile for this command."),
        option(
            "--color",
            type=click.Choice(("auto", "always", "never")),
            apply=_colour,
            help="Colours: on terminals only (auto), always, never. NO_COLOR switches them off too.",
        ),
        option(
            "--quiet", is_flag=True, default=None, apply=_keep("quiet"), help="Write data and errors only."
        ),
        option(
            "--prompt/--no-prompt",
            default=None,
            apply=_keep("prompt"),
            help="Ask before something is destroyed, or go on as with --yes. Default: ask on terminals.",
        ),
    ]


def is_quiet() -> bool:
    """Whether messages for people are left out."""
    return bool(_kept("quiet"))


def may_ask() -> bool | None:
    """What `--prompt` or `--no-prompt` says; None: neither was given."""
    return _kept("prompt")


def colours() -> bool | None:
    """What `--color` and NO_COLOR say; None: as the terminal is."""
    chosen = _kept("color")
    if chosen in ("always", "never"):
        return chosen == "always"
    return False if os.environ.get("NO_COLOR") else None


def _keep(name: str) -> Callable[[click.Context, Any], None]:
    def keep(ctx: click.Context, value: Any) -> None:
        ctx.meta[_KEY + name] = value

    return keep


def _kept(name: str) -> Any:
    ctx = click.get_current_context(silent=True)
    return None if ctx is None else ctx.meta.get(_KEY + name)


def _colour(ctx: click.Context, value: str) -> None:
    ctx.meta[_KEY + "color"] = value
    if value != "auto":
        ctx.find_root().color = ctx.color = value == "always"


def _use_profile(ctx: click.Context, name: str) -> None:
    from ...runtime.foundation import profiles
    from ...runtime.foundation.settings import forget_settings

    profiles.current_profiles().values_of(name)  # refuses an unknown one
    before = os.environ.get("HELIOSTAT_PROFILE")
    os.environ["HELIOSTAT_PROFILE"] = name  # processes that the command starts use it too
    forget_settings()

    def restore() -> None:
        if before is None:
            os.environ.pop("HELIOSTAT_PROFILE", None)
        else:
            os.environ["HELIOSTAT_PROFILE"] = before
        forget_settings()

    ctx.call_on_close(restore)
