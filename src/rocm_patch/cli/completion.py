"""`rocm-patch completion SHELL`: click's own completion script. Knows nothing of commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from rocm_patch.errors import UsageError

_PROGRAM, _VARIABLE = "rocm-patch", "_ROCM_PATCH_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    For one session: eval "$(rocm-patch completion bash)". For all: write it to
    ~/.local/share/bash-completion/completions/rocm-patch (bash), to a folder of $fpath as
    _rocm-patch (zsh), or to ~/.config/fish/completions/rocm-patch.fish.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"there is no completion for {shell}", step="name bash, zsh or fish")
    # Fixed parts of the script are click's; ours are the names of program and variable.
    click.echo(kind(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source())
