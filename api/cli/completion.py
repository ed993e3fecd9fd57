"""`heliostat completion`: completion of commands, options and names in shells."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, get_completion_class

from ...runtime.foundation.errors import BadSetting
from .completing import KINDS, SHOWN, names_file
from .lazy import Noun, Verb, verb
from .output import note
from .remote import full_names
from .things import all_of, with_api

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_BEGIN, _END = "# >>> heliostat completion >>>", "# <<< heliostat completion <<<"
SHELLS = ("bash", "zsh", "fish", "powershell")


class PowerShell(ShellComplete):
    """Completion in PowerShell 7: click knows the other shells."""

    name = "powershell"
    source_template = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $env:%(complete_var)s = "powershell_complete"
    $env:COMP_WORDS = $commandAst.ToString()
    $env:COMP_WORD = $wordToComplete
    %(prog_name)s | ForEach-Object {
        $name, $help = $_ -split "`t", 2
        if (-not $help) { $help = $name }
        [System.Management.Automation.CompletionResult]::new($name, $name, "ParameterValue", $help)
    }
    Remove-Item Env:%(complete_var)s, Env:COMP_WORDS, Env:COMP_WORD
}
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, and that one."""
        try:
            words = shlex.split(os.environ.get("COMP_WORDS", ""))[1:]
        except ValueError:  # a quote that is still open
            words = os.environ.get("COMP_WORDS", "").split()[1:]
        incomplete = os.environ.get("COMP_WORD", "")
        return (words[:-1] if incomplete and words and words[-1] == incomplete else words), incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """A line: the word, and what it is."""
        return f"{item.value}\t{item.help or ''}"


add_completion_class(PowerShell)


@click.group(cls=Noun)
def completion() -> None:
    """Let a shell complete commands, options, and names of runs, deployments, pools and more."""


@verb(completion, "show", "heliostat completion show bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def show(shell: str | None) -> None:
    """Write the script for a shell. Default: the shell of $SHELL."""
    click.echo(_script(shell or _own_shell()))


@verb(completion, "install", "heliostat completion install", "heliostat completion install fish --dry-run")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.option("--dry-run", is_flag=True, help="Say which file would be written, and do nothing.")
def install(shell: str | None, dry_run: bool) -> None:
    """Make new shells complete `heliostat`. Default: the shell of $SHELL. A second time changes nothing."""
    shell = shell or _own_shell()
    file = _startup_file(shell)
    block = f"{_BEGIN}\n{_script(shell).rstrip()}\n{_END}\n"
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    head, begin, rest = before.partition(_BEGIN)
    tail = rest.partition(_END)[2].lstrip("\n") if begin else ""
    after = (head if not head or head.endswith("\n") else head + "\n") + block + tail
    if after == before:
        note(f"{file} has it already.")
        return
    if dry_run:
        note(f"Would write {file}.")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(after, encoding="utf-8")
    note(f"Wrote {file}. New shells of {shell} complete heliostat.")


@completion.command("renew", cls=Verb, hidden=True, examples=("heliostat completion renew variable",))
@click.argument("kind", type=click.Choice(tuple(KINDS)))
def renew_names(kind: str) -> None:
    """Ask for the names that are completed. Completions call it themselves."""
    renew(kind)


def renew(kind: str) -> None:
    """Ask for the names of a kind and keep them."""

    async def read(client: HeliostatClient) -> list[str]:
        if kind == "deployment":
            found = await client.read_deployments()
            return sorted((await full_names(client, found)).values())
        if kind == "flow run":
            runs = await client.read_flow_runs(limit=SHOWN, sort="ID_DESC")
            return ["@last", *(name for run in runs for name in (run.name, str(run.id)))]
        rows = await all_of(client, KINDS[kind])
        return sorted(_name(kind, row) for row in rows if _name(kind, row))

    path = names_file(kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = with_api(read)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(names), encoding="utf-8")
    beside.replace(path)


def _name(kind: str, row: dict[str, object]) -> str:
    if kind == "block":
        block_type = row["block_type"]
        assert isinstance(block_type, dict)
        return f"{block_type['slug']}/{row['name']}"
    return str(row.get({"artifact": "key", "block type": "slug", "tag limit": "tag"}.get(kind, "name")) or "")


def _script(shell: str) -> str:
    from .root import cli

    found = get_completion_class(shell)
    assert found is not None
    return found(cli, {}, "heliostat", "_HELIOSTAT_COMPLETE").source()


def _own_shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise BadSetting(
            f"$SHELL is {os.environ.get('SHELL', '')!r}.", hint=f"name the shell: {', '.join(SHELLS)}"
        )
    return name


def _startup_file(shell: str) -> Path:
    """The file that a shell reads when it starts."""
    home = Path.home()
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        "bash": home / ".bashrc",
        "zsh": Path(os.environ.get("ZDOTDIR") or home) / ".zshrc",
        "fish": configured / "fish" / "completions" / "heliostat.fish",
        "powershell": configured / "powershell" / "profile.ps1",
    }[shell]
