"""`samespace`: the group of commands, and how errors leave it."""

from __future__ import annotations

import sys

import click

import samespace
from samespace.cli.demo import demo
from samespace.cli.manage import compact, delete, info
from samespace.cli.search import search
from samespace.cli.write import index, sync
from samespace.errors import SamespaceError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(samespace.__version__, prog_name="samespace")
def cli() -> None:
    """Index documents and search them; every vector that is compared lives in one space."""


for command in (index, sync, search, info, delete, compact, demo):
    cli.add_command(command)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 an error that the user can mend, 2 wrong usage, 130 interrupted.
    """
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SamespaceError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


if __name__ == "__main__":
    main()
