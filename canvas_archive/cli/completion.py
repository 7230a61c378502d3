"""``canvas-archive completion SHELL``: the script that lets a shell complete commands, options and ids."""

from __future__ import annotations

import click

from canvas_archive.cli.context import talking_options

VARIABLE = "_CANVAS_ARCHIVE_COMPLETE"
"""What click looks at to see that a shell asks."""

HOW = {
    "bash": 'eval "$(canvas-archive completion bash)"',
    "zsh": 'eval "$(canvas-archive completion zsh)"',
    "fish": "canvas-archive completion fish | source",
}
"""What goes into the shell's own start file."""


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(list(HOW)))
@talking_options
def completion(shell: str) -> None:
    """Print the script that lets bash, zsh or fish complete commands, options and values.

    \b
    ~/.bashrc:                   eval "$(canvas-archive completion bash)"
    ~/.zshrc, after compinit:    eval "$(canvas-archive completion zsh)"
    ~/.config/fish/config.fish:  canvas-archive completion fish | source
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    from canvas_archive.cli.main import cli

    kinds = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
    script = kinds[shell](cli, {}, "canvas-archive", VARIABLE)
    # Not script.source(): it starts the shell to see how old it is.
    click.echo(script.source_template % script.source_vars())
