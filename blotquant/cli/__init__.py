"""The command line: commands, options, words and exit codes."""

from blotquant.cli.commands import cli, main

__all__ = ["cli", "main"]
